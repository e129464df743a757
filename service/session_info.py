"""A session as faces and as the rules of access see it."""

import api as c
from api.access import SessionFacts
from sessions import rows
from sessions.manager import SessionManager
from sessions.session import Session
from sessions.state import Snapshot


async def session_facts(session: Session) -> SessionFacts:
    """What `authorize` has to know of the session."""
    shares = await rows.load_shares(session.around.db, session.id)
    return SessionFacts(session.snapshot.user_id, shares)


def session_info(manager: SessionManager, session: Session) -> c.SessionInfo:
    """The session as faces show it: its state, where to look at its process, and its place in line."""
    hint = session.run.host.terminal_hint() if session.run is not None else ""
    return info_of(session.snapshot, hint, manager.place_in_line(session.id))


def info_of(snapshot: Snapshot, terminal_hint: str = "", place_in_line: int | None = None) -> c.SessionInfo:
    """What the state alone says."""
    return c.SessionInfo(
        id=snapshot.id,
        user_id=snapshot.user_id,
        channel_id=snapshot.channel_id,
        title=snapshot.title,
        project=snapshot.project,
        model=snapshot.model,
        mode=snapshot.mode,
        lifecycle=snapshot.lifecycle,
        activity=snapshot.activity,
        blocker=snapshot.blocker,
        reason=snapshot.reason,
        status=snapshot.status,
        running_turn=snapshot.current.turn_id if snapshot.current else None,
        queued_turns=tuple(turn.turn_id for turn in snapshot.queue),
        open_asks=tuple(ask.id for ask in snapshot.asks),
        background_tasks=len(snapshot.background_tasks),
        commands=snapshot.commands,
        cost_usd=snapshot.cost_usd,
        list_price_usd=snapshot.list_price_usd,
        context_used=snapshot.context_used,
        context_window=snapshot.context_window,
        message_count=snapshot.message_count,
        created_ms=snapshot.created_ms,
        last_activity_ms=snapshot.last_activity_ms,
        limit_until_ms=snapshot.limit_until_ms,
        last_event=snapshot.next_event - 1,
        work_directory_name=snapshot.work_directory.rpartition("/")[2],
        terminal_hint=terminal_hint,
        place_in_line=place_in_line,
    )

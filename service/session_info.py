"""A session as faces and as the rules of access see it."""

from msgspec.structs import replace

import api as c
from api.access import SessionFacts
from sessions import rows
from sessions.manager import SessionManager
from sessions.model import Activity, Progress
from sessions.progress import time_left
from sessions.session import Session
from sessions.state import Snapshot

_MADE = {
    *("running_turn", "queued_turns", "open_asks", "background_tasks", "last_event", "work_directory_name"),
    *("terminal_hint", "place_in_line", "other_model", "prompted_by_several", "sandbox", "network"),
    *("has_own_copy", "waits_for_disk"),
}
_FAMILIES = ("opus", "sonnet", "haiku")
"""Names that Claude takes for the newest model of a family, the ablest first."""
_SHARED = [name for name in c.SessionInfo.__struct_fields__ if name not in _MADE]
"""Fields that the snapshot has under the same name and with the same type."""


async def session_facts(session: Session) -> SessionFacts:
    """Return the facts of the session that `authorize` needs."""
    shares = await rows.load_shares(session.around.db, session.id)
    return SessionFacts(session.snapshot.user_id, shares)


def session_info(manager: SessionManager, session: Session) -> c.SessionInfo:
    """Return the session as faces show it: its state, how to look at its process, and its place in line."""
    hint = session.run.host.terminal_hint() if session.run is not None else ""
    info = info_of(session.snapshot, hint, manager.place_in_line(session.id))
    # A window that has ended says nothing about the one that began.
    now_ms = manager.now_ms()
    shares = tuple(each for each in info.limit_shares if each.until_ms is None or each.until_ms > now_ms)
    info = replace(
        info,
        other_model=_other_model(manager, info),
        limit_shares=shares,
        progress=_estimated(info, now_ms),
    )
    if session.run is None:
        return info
    around = session.run.enclosure
    return replace(
        info,
        sandbox=around.mechanism.value,
        network=around.network.value,
        waits_for_disk=session.run.sender.waits_for_disk,
    )


def _estimated(info: c.SessionInfo, now_ms: int) -> Progress:
    """Return the progress with an estimate, while Claude works: nobody knows how long a person takes."""
    # While a person is asked, time passes that says nothing about the work.
    if info.activity is not Activity.WORKING:
        return info.progress
    return replace(info.progress, left=time_left(info.progress, now_ms))


def _other_model(manager: SessionManager, info: c.SessionInfo) -> str:
    """Return a model to which the limit that blocks the session does not apply."""
    if info.limit is None:
        return ""
    now_ms = manager.now_ms()
    # The ablest first: a limit of one family may leave the others open.
    open_ones = (each for each in _FAMILIES if manager.limits.blocking_model(each, now_ms) is None)
    return next(open_ones, "")


def info_of(snapshot: Snapshot, terminal_hint: str = "", place_in_line: int | None = None) -> c.SessionInfo:
    """Return the session as faces show it, from its snapshot alone."""
    return c.SessionInfo(
        **{name: getattr(snapshot, name) for name in _SHARED},
        running_turn=snapshot.current.turn_id if snapshot.current else None,
        queued_turns=tuple(turn.turn_id for turn in snapshot.queue),
        open_asks=tuple(ask.id for ask in snapshot.asks),
        background_tasks=len(snapshot.background_tasks),
        last_event=snapshot.next_event - 1,
        # The name alone: faces show no path of the machine.
        work_directory_name=snapshot.work_directory.rpartition("/")[2],
        terminal_hint=terminal_hint,
        place_in_line=place_in_line,
        has_own_copy=bool(snapshot.keeps_out_of),
    )

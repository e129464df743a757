"""Turn events into statements. Pure; the transaction that stores the event runs them."""

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from sessions import events as e
from sessions.model import (
    Ask,
    Block,
    Note,
    SessionId,
    ShareLevel,
    TurnId,
)
from sessions.rows.encoding import as_json, tag_of
from sessions.rows.writing import delete_share, delete_tool_calls, upsert_share
from sessions.state import Snapshot
from sessions.turn_events import TurnEvent
from storage import SqlValue, Statement

# A block's content is in its own row.
_STORED_ELSEWHERE = Note("stored", "")
_STEP_MS = 10_000
# Lists must not jump if the clock steps back, nor at the beginning of a step.
_ASSIGNMENTS = {"last_activity_ms": "last_activity_ms = max(last_activity_ms, ?)"}


def insert_session(snapshot: Snapshot) -> Statement:
    """Insert the new session's row. Fails on the unique index if its key is taken."""
    row = {
        "id": snapshot.id,
        "created_at": snapshot.created_ms,
        "data": as_json(snapshot),
        **_columns(snapshot),
    }
    return Statement(
        f"INSERT INTO sessions ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608 (our names)
        tuple(row.values()),
    )


def update_session(snapshot: Snapshot, stored: Snapshot | None = None) -> Statement:
    """Update the session's row to `snapshot`. `stored` is the snapshot that the row shows now, if it is known.

    Names only the columns that differ: SQLite makes the entry of each index anew whose column is named.
    """
    known = {} if stored is None else _columns(stored)
    changed = {
        name: value for name, value in _columns(snapshot).items() if name not in known or known[name] != value
    }
    # `data` changes with nearly every event and is in no index.
    assignments = ["data = ?", *(_ASSIGNMENTS.get(name, f"{name} = ?") for name in changed)]
    return Statement(
        f"UPDATE sessions SET {', '.join(assignments)} WHERE id = ?",  # noqa: S608 (our names)
        (as_json(snapshot), *changed.values(), snapshot.id),
    )


def _columns(snapshot: Snapshot) -> dict[str, SqlValue]:
    """Return the columns that queries use and that may change, each with its fact of the snapshot."""
    return {
        "user_id": snapshot.user_id,
        "channel_id": snapshot.channel_id,
        "status": snapshot.lifecycle,
        "model": snapshot.model,
        "updated_at": snapshot.last_activity_ms,
        "key": snapshot.key,
        "title": snapshot.title,
        "project": snapshot.project,
        "work_directory": snapshot.work_directory,
        "conversation_id": snapshot.conversation_id,
        "pinned": snapshot.pinned,
        "last_activity_ms": _listed_ms(snapshot),
    }


def _listed_ms(snapshot: Snapshot) -> int:
    """Return the time of the last activity for the order of lists.

    While a turn runs it goes in steps: moving the row in four indexes takes longer than the rest of its update,
    and each block would do it.
    """
    at_ms = snapshot.last_activity_ms
    return at_ms if snapshot.running is None else at_ms - at_ms % _STEP_MS


def insert_event(session_id: SessionId, number: int, at_ms: int, event: e.Event) -> Statement:
    """Insert the event's own row. A block's content goes into its `blocks` row only."""
    if isinstance(event, e.BlockAdded):
        # Blocks are most of the bytes: stored in both places, they would double the database.
        event = replace(event, block=_STORED_ELSEWHERE)
    return Statement(
        "INSERT INTO events (session_id, number, at_ms, kind, body) VALUES (?, ?, ?, ?, ?)",
        (session_id, number, at_ms, tag_of(event), as_json(event)),
    )


def project_event(session_id: SessionId, event: e.Event, at_ms: int) -> Iterator[Statement]:
    """Yield the statements for the rows that `event` changes, besides its own and the session's."""
    match event:
        case e.AskOpened():
            yield _insert_ask(session_id, event.ask)
        case e.AskDecided():
            yield Statement(
                "UPDATE asks SET status = 'decided', decision = ?, decided_by = ?, decided_through = ?,"
                # Only an open ask: the first decision stays, whatever comes late or twice.
                " decided_face = ?, closed_ms = ? WHERE id = ? AND status = 'open'",
                (as_json(event.decision), event.by, event.through, event.face, at_ms, event.ask_id),
            )
        case e.AskWithdrawn():
            yield Statement(
                "UPDATE asks SET status = 'withdrawn', closed_ms = ? WHERE id = ? AND status = 'open'",
                (at_ms, event.ask_id),
            )
        case e.SharesChanged(grantee=grantee, level=None):
            yield delete_share(session_id, grantee)
        case e.SharesChanged(grantee=grantee, level=ShareLevel() as level):
            yield upsert_share(session_id, grantee, level, event.by, at_ms)
        case e.HostEnded():
            yield Statement(
                "UPDATE hosts SET status = 'ended', exit_code = ?, reason = ?, ended_ms = ?"
                " WHERE session_id = ? AND number = ?",
                (event.code, event.reason, at_ms, session_id, event.number),
            )
            # In the transaction of the end: a call whose process is gone must not be answered by a later one.
            yield delete_tool_calls(session_id, event.number)
        case _:
            if isinstance(event, TurnEvent):
                yield from _project_turn(session_id, event, at_ms)


def _project_turn(session_id: SessionId, event: TurnEvent, at_ms: int) -> Iterator[Statement]:
    """Yield the statements for the turns and blocks that `event` changes."""
    match event:
        case e.TurnQueued():
            yield _insert_turn(session_id, event, at_ms)
        case e.BackgroundTurnStarted():
            yield Statement(
                "INSERT INTO turns (id, session_id, number, kind, status, author_id, queued_ms, started_ms)"
                " VALUES (?, ?, ?, 'background', 'running', '', ?, ?)",
                (event.turn_id, session_id, event.number, at_ms, at_ms),
            )
        case e.TurnElsewhere():
            yield _insert_turn_elsewhere(session_id, event, at_ms)
        case e.TurnRequeued():
            yield Statement(
                "UPDATE turns SET status = 'queued', ended_ms = NULL, reason = '' WHERE id = ?",
                (event.turn_id,),
            )
        case e.TurnHeldBack():
            yield Statement(
                "UPDATE turns SET status = 'queued', prompt_uuid = ?, started_ms = NULL WHERE id = ?",
                (event.prompt_uuid, event.turn_id),
            )
        case e.TurnEdited():
            yield Statement("UPDATE turns SET prompt = ? WHERE id = ?", (event.prompt, event.turn_id))
        case e.TurnWithdrawn():
            yield Statement(
                "UPDATE turns SET status = 'withdrawn', ended_ms = ? WHERE id = ?", (at_ms, event.turn_id)
            )
        case e.TurnSent():
            yield Statement(
                # A turn that is sent again keeps its first start and, if no new one comes, its context.
                "UPDATE turns SET status = 'sent', started_ms = coalesce(started_ms, ?),"
                " conversation_id = (SELECT conversation_id FROM sessions WHERE id = ?),"
                " context = CASE ? WHEN '' THEN context ELSE ? END WHERE id = ?",
                (at_ms, session_id, event.context, event.context, event.turn_id),
            )
        case e.TurnStarted() | e.TurnContinued():
            yield Statement(
                # A turn that a kill cut may have an end already: it runs again, under the same row.
                "UPDATE turns SET status = 'running', ended_ms = NULL, reason = '' WHERE id = ?",
                (event.turn_id,),
            )
        case e.BlockAdded():
            yield insert_block(event.turn_id, event.ordinal, event.block, event.before)
        case e.TurnEnded():
            yield _end_turn(event, at_ms)
        case e.TurnFilesCounted():
            yield Statement("UPDATE turns SET changed_files = ? WHERE id = ?", (event.files, event.turn_id))
        case _:
            return


def _insert_turn(session_id: SessionId, event: e.TurnQueued, at_ms: int) -> Statement:
    return Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, origin, prompt_uuid, prompt,"
        " attachments, alternative_of, queued_ms) VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
        (
            event.turn_id,
            session_id,
            event.number,
            event.kind,
            event.author_id,
            event.origin,
            event.prompt_uuid,
            event.prompt,
            as_json(event.attachments),
            event.alternative_of,
            at_ms,
        ),
    )


def _insert_turn_elsewhere(session_id: SessionId, event: e.TurnElsewhere, at_ms: int) -> Statement:
    return Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt, prompt_uuid,"
        " last_uuid, queued_ms, started_ms, ended_ms, conversation_id)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?,"
        " (SELECT conversation_id FROM sessions WHERE id = ?))",
        (
            event.turn_id,
            session_id,
            event.number,
            event.kind,
            event.status,
            event.prompt,
            event.prompt_uuid,
            event.last_uuid,
            *(at_ms, at_ms, at_ms),
            session_id,
        ),
    )


def _end_turn(event: e.TurnEnded, at_ms: int) -> Statement:
    return Statement(
        # Sums: a cut turn that runs again ends a second time.
        "UPDATE turns SET status = ?, reason = ?, cost_usd = cost_usd + ?, input_tokens = input_tokens + ?,"
        " output_tokens = output_tokens + ?, cache_read_tokens = cache_read_tokens + ?,"
        " cache_write_tokens = cache_write_tokens + ?, duration_ms = ?, first_text_ms = ?, last_uuid = ?,"
        " ended_ms = ?, payer = ?, failure = ? WHERE id = ?",
        (
            event.status,
            event.reason,
            event.cost_usd,
            event.usage.input_tokens,
            event.usage.output_tokens,
            event.usage.cache_read_tokens,
            event.usage.cache_write_tokens,
            event.duration_ms,
            event.first_text_ms,
            event.last_uuid,
            at_ms,
            event.payer,
            "" if event.failure is None else msgspec.json.encode(event.failure).decode(),
            event.turn_id,
        ),
    )


def _insert_ask(session_id: SessionId, ask: Ask) -> Statement:
    return Statement(
        # If Claude asks a closed ask again, it waits for an answer: the ask is open again.
        "INSERT INTO asks (id, session_id, turn_id, host, request_id, kind, body, status, opened_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?) ON CONFLICT (id) DO UPDATE SET turn_id = excluded.turn_id,"
        " kind = excluded.kind, body = excluded.body, status = 'open', decision = '', decided_by = '',"
        " decided_through = '', decided_face = '',"
        " closed_ms = NULL",
        (
            ask.id,
            session_id,
            ask.turn_id,
            ask.host,
            ask.request_id,
            tag_of(ask.body),
            as_json(ask.body),
            ask.opened_ms,
        ),
    )


def insert_block(turn_id: TurnId, ordinal: int, block: Block, before: int | None = None) -> Statement:
    """Insert one block of a turn. For `before` see `BlockAdded`."""
    return Statement(
        "INSERT INTO blocks (turn_id, ordinal, kind, body, before) VALUES (?, ?, ?, ?, ?)",
        (turn_id, ordinal, tag_of(block), as_json(block), before),
    )

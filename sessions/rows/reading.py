"""Read rows as values. Long lists come in pages: a session's whole history is never read at once."""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from sessions import events as e
from sessions.errors import IllegalMove, SessionUnreadable, TurnNotFound
from sessions.model import (
    Ask,
    AskBody,
    AskId,
    AskStatus,
    Attachment,
    Block,
    Decision,
    Payer,
    SessionId,
    ShareLevel,
    TokenUsage,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.rows.older_versions import modern_event, modern_snapshot
from sessions.state import Snapshot, apply
from sessions.stored import StoredAsk, StoredTurn
from sessions.troubles import Failure
from storage import Database, StatementRefused

log = logging.getLogger(__name__)

# Made once: building a decoder of a large union takes far longer than one use.
_events = msgspec.json.Decoder(e.Event)
_blocks = msgspec.json.Decoder(Block)
_snapshots = msgspec.json.Decoder(Snapshot)
_ask_bodies = msgspec.json.Decoder(AskBody)
_decisions = msgspec.json.Decoder(Decision)
_failures = msgspec.json.Decoder(Failure)
_attachments = msgspec.json.Decoder(tuple[Attachment, ...])


TURN_COLUMNS = (
    "id, session_id, number, kind, status, author_id, prompt, prompt_uuid, attachments, conversation_id,"
    " last_uuid, alternative_of, reason, cost_usd, input_tokens, output_tokens, cache_read_tokens,"
    " cache_write_tokens, queued_ms, started_ms, ended_ms, duration_ms, first_text_ms, origin, payer,"
    " failure, context, changed_files"
)


ASK_COLUMNS = (
    "id, turn_id, host, request_id, opened_ms, body, session_id, status, decision, decided_by, closed_ms,"
    " decided_through, decided_face"
)


def block_of(body: str) -> Block:
    """Decode a block from its column."""
    block: Block = _blocks.decode(body)
    return block


def turn_of(row: Sequence[Any]) -> StoredTurn:
    """Make a turn from its `TURN_COLUMNS`."""
    return StoredTurn(
        id=TurnId(row[0]),
        session_id=SessionId(row[1]),
        number=row[2],
        kind=TurnKind(row[3]),
        status=TurnStatus(row[4]),
        author_id=row[5],
        prompt=row[6],
        prompt_uuid=row[7],
        attachments=_attachments.decode(row[8]),
        conversation_id=row[9],
        last_uuid=row[10],
        alternative_of=row[11],
        reason=row[12],
        cost_usd=row[13],
        usage=TokenUsage(row[14], row[15], row[16], row[17]),
        queued_ms=row[18],
        started_ms=row[19],
        ended_ms=row[20],
        duration_ms=row[21],
        first_text_ms=row[22],
        origin=row[23],
        payer=Payer(row[24]),
        failure=_failures.decode(row[25]) if row[25] else None,
        context=row[26],
        changed_files=row[27],
    )


async def has_cut_acts(db: Database) -> bool:
    """Whether the end of the last process cut the end of a session, a backup, or a restore from a bundle."""
    found = await db.read_one(
        "SELECT EXISTS (SELECT 1 FROM session_ends WHERE status = 'ending')"
        " OR EXISTS (SELECT 1 FROM backups WHERE status IN ('making', 'removing'))"
        " OR EXISTS (SELECT 1 FROM bundle_restores WHERE status = 'restoring')"
    )
    return found is not None and bool(found[0])


async def load_snapshot(db: Database, session_id: SessionId) -> Snapshot | None:
    """Return the stored snapshot, or rebuild an unreadable one from its events. Raises `SessionUnreadable`."""
    row = await db.read_one("SELECT data FROM sessions WHERE id = ?", (session_id,))
    if row is None:
        return None
    try:
        return modern_snapshot(_snapshots.decode(str(row[0])))
    except msgspec.MsgspecError:
        log.exception("snapshot made anew from its events", extra={"session": session_id})
        return await _from_events(db, session_id)


async def load_snapshots(db: Database, session_ids: Sequence[SessionId]) -> list[Snapshot]:
    """Return the readable ones of the stored snapshots, in no order. `load_snapshot` handles the others."""
    rows = await db.read(
        "SELECT data FROM json_each(?) JOIN sessions ON sessions.id = value", (json.dumps(session_ids),)
    )
    found = []
    for row in rows:
        # One damaged row must not keep all other sessions from a list or a start.
        with suppress(msgspec.MsgspecError):
            found.append(modern_snapshot(_snapshots.decode(str(row[0]))))
    return found


async def _from_events(db: Database, session_id: SessionId) -> Snapshot:
    snapshot = Snapshot(session_id)
    try:
        while page := await load_events(db, session_id, after=snapshot.next_event - 1):
            for each in page:
                snapshot = apply(snapshot, each.event, each.at_ms)
    except (msgspec.MsgspecError, StatementRefused, IllegalMove) as error:
        raise SessionUnreadable(session_id) from error
    if snapshot.next_event == 1:
        raise SessionUnreadable(session_id)
    return snapshot


async def find_by_key(db: Database, key: str) -> SessionId | None:
    """Return the id of the session that holds `key` and has not ended, if any."""
    row = await db.read_one("SELECT id FROM sessions WHERE key = ? AND status <> 'ended'", (key,))
    return None if row is None else SessionId(str(row[0]))


async def sessions_to_recover(db: Database) -> list[SessionId]:
    """Return the sessions that had or awaited a process when the last owner stopped, oldest activity first."""
    rows = await db.read(
        # By turns, too: a session may be parked, and a prompt of it wait or have been cut.
        "SELECT id FROM sessions WHERE status IN ('queued', 'starting', 'live', 'stopping') OR id IN"
        " (SELECT session_id FROM turns WHERE status IN ('queued', 'sent', 'running'))"
        " ORDER BY last_activity_ms"
    )
    return [SessionId(str(row[0])) for row in rows]


async def sessions_of_user(db: Database, user_id: str, limit: int) -> list[SessionId]:
    """Return the user's own sessions that have not ended, newest activity first."""
    rows = await db.read(
        "SELECT id FROM sessions WHERE user_id = ? AND status <> 'ended'"
        " ORDER BY last_activity_ms DESC, id DESC LIMIT ?",
        (user_id, limit),
    )
    return [SessionId(str(row[0])) for row in rows]


async def conversations_in_use(db: Database) -> set[str]:
    """Return the conversations of all sessions, ended ones included."""
    rows = await db.read("SELECT conversation_id FROM sessions WHERE conversation_id <> ''")
    return {str(row[0]) for row in rows}


async def load_shares(db: Database, session_id: SessionId) -> dict[str, ShareLevel]:
    """Return the session's shares: each grantee with its level."""
    rows = await db.read("SELECT grantee, level FROM shares WHERE session_id = ?", (session_id,))
    return {str(grantee): ShareLevel(str(level)) for grantee, level in rows}


async def load_turn(db: Database, turn_id: TurnId) -> StoredTurn:
    """Return the turn. Raises `TurnNotFound`."""
    row = await db.read_one(f"SELECT {TURN_COLUMNS} FROM turns WHERE id = ?", (turn_id,))  # noqa: S608
    if row is None:
        raise TurnNotFound(turn_id)
    return turn_of(row)


async def find_branch_turn(db: Database, session_id: SessionId, turn_id: TurnId | None) -> StoredTurn:
    """Return the turn to branch from: the named one of this session, or the newest that Claude has ended.

    Raises `TurnNotFound`.
    """
    row = await db.read_one(
        f"SELECT {TURN_COLUMNS} FROM turns WHERE session_id = ? AND (id = ? OR (? IS NULL"  # noqa: S608
        " AND last_uuid <> '')) ORDER BY number DESC LIMIT 1",
        (session_id, turn_id, turn_id),
    )
    if row is None:
        raise TurnNotFound(turn_id or "")
    return turn_of(row)


async def find_requeued_turn(db: Database, session_id: SessionId, origin: str) -> TurnId | None:
    """Return the turn that the request `origin` let go on. Slow: reads all events of the session."""
    row = await db.read_one(
        # `turns.origin` is that of the prompt; the request to go on stands in its event only.
        "SELECT body ->> 'turn_id' FROM events WHERE session_id = ? AND kind = 'turn_requeued'"
        " AND body ->> 'origin' = ?",
        (session_id, origin),
    )
    return None if row is None else TurnId(str(row[0]))


async def find_turn_by_origin(db: Database, origin: str) -> StoredTurn | None:
    """Return the turn that the request `origin` made in any session; None if it made no turn."""
    row = await db.read_one(f"SELECT {TURN_COLUMNS} FROM turns WHERE origin = ?", (origin,))  # noqa: S608
    return None if row is None else turn_of(row)


async def load_turns(
    db: Database, session_id: SessionId, *, before: int | None = None, limit: int = 50
) -> list[StoredTurn]:
    """Return a page of turns with numbers below `before`, newest first."""
    rows = await db.read(
        f"SELECT {TURN_COLUMNS} FROM turns WHERE session_id = ? AND number < ?"  # noqa: S608
        " ORDER BY number DESC LIMIT ?",
        (session_id, before if before is not None else 1 << 62, limit),
    )
    return [turn_of(row) for row in rows]


async def load_blocks(db: Database, turn_id: TurnId) -> list[Block]:
    """Return the blocks of the turn in the order of display."""
    rows = await db.read(
        # A block that is found late (`before`) keeps its ordinal and stands before the one that it names.
        "SELECT body FROM blocks WHERE turn_id = ? ORDER BY coalesce(before, ordinal), before IS NULL, ordinal",
        (turn_id,),
    )
    return [_blocks.decode(str(row[0])) for row in rows]


async def load_block_places(
    db: Database, session_id: SessionId, turn_id: TurnId
) -> list[tuple[str, int, int | None]]:
    """Return uuid, ordinal and `before` of each block of the turn that has a row in Claude's transcript."""
    rows = await db.read(
        "SELECT body ->> 'uuid', body ->> 'ordinal', body ->> 'before' FROM events WHERE session_id = ?"
        " AND kind = 'block_added' AND body ->> 'turn_id' = ? AND body ->> 'uuid' <> '' ORDER BY number",
        (session_id, turn_id),
    )
    return [(str(row[0]), int(str(row[1])), None if row[2] is None else int(str(row[2]))) for row in rows]


async def load_turn_uuids(db: Database, session_id: SessionId) -> frozenset[str]:
    """Return the transcript uuids at which the session's turns begin and end. Reads all its turns."""
    rows = await db.read("SELECT prompt_uuid, last_uuid FROM turns WHERE session_id = ?", (session_id,))
    return frozenset(str(uuid) for row in rows for uuid in row if uuid)


async def load_branch_path(db: Database, session_id: SessionId, number: int) -> list[StoredTurn]:
    """Return turn `number` of the session and up to 19 earlier ones, newest first."""
    rows = await db.read(
        f"SELECT {TURN_COLUMNS} FROM turns WHERE session_id = ? AND number <= ?"  # noqa: S608
        " ORDER BY number DESC LIMIT 20",
        (session_id, number),
    )
    return [turn_of(row) for row in rows]


async def count_blocks(db: Database, turn_id: TurnId) -> int:
    """Return the ordinal of the turn's next block."""
    row = await db.read_one("SELECT coalesce(max(ordinal) + 1, 0) FROM blocks WHERE turn_id = ?", (turn_id,))
    return int(str(row[0])) if row is not None else 0


async def load_ask(db: Database, ask_id: AskId) -> StoredAsk | None:
    """Return the ask with its status and decision, also long after the decision; None if it does not exist."""
    row = await db.read_one(
        f"SELECT {ASK_COLUMNS} FROM asks WHERE id = ?",  # noqa: S608
        (ask_id,),
    )
    return None if row is None else ask_of(row)


def ask_of(row: Sequence[Any]) -> StoredAsk:
    """Make an ask from its `ASK_COLUMNS`."""
    ask = Ask(
        id=AskId(row[0]),
        turn_id=row[1],
        host=row[2],
        request_id=row[3],
        opened_ms=row[4],
        body=_ask_bodies.decode(row[5]),
    )
    return StoredAsk(
        ask=ask,
        session_id=SessionId(row[6]),
        status=AskStatus(row[7]),
        decision=_decisions.decode(row[8]) if row[8] else None,
        decided_by=row[9],
        closed_ms=row[10],
        decided_through=row[11],
        decided_face=row[12],
    )


async def load_asks(db: Database, session_id: SessionId) -> list[StoredAsk]:
    """Return every ask of the session, oldest first."""
    rows = await db.read(
        # `rowid`, because parallel calls open asks within one millisecond, and ids are random.
        f"SELECT {ASK_COLUMNS} FROM asks WHERE session_id = ? ORDER BY opened_ms, rowid",  # noqa: S608
        (session_id,),
    )
    return [ask_of(row) for row in rows]


async def load_events(db: Database, session_id: SessionId, *, after: int, limit: int = 200) -> list[e.Numbered]:
    """Return a page of events in order, from the first one numbered above `after`, with their blocks."""
    rows = await db.read(
        "SELECT events.number, events.at_ms, events.body, blocks.body FROM events"
        # The event's own row holds no content: see `insert_event`.
        " LEFT JOIN blocks ON events.kind = 'block_added'"
        " AND blocks.turn_id = events.body ->> 'turn_id' AND blocks.ordinal = events.body ->> 'ordinal'"
        " WHERE events.session_id = ? AND events.number > ? ORDER BY events.number LIMIT ?",
        (session_id, after, limit),
    )
    return [_numbered(session_id, row) for row in rows]


async def load_notices(db: Database, session_id: SessionId, since_ms: int) -> list[e.Numbered]:
    """Return the newest 20 notices since a time, oldest first."""
    rows = await db.read(
        "SELECT number, at_ms, body, NULL FROM events WHERE session_id = ? AND kind = 'noticed' AND at_ms >= ?"
        " ORDER BY number DESC LIMIT 20",
        (session_id, since_ms),
    )
    return [_numbered(session_id, row) for row in reversed(rows)]


def _numbered(session_id: SessionId, row: Sequence[Any]) -> e.Numbered:
    # Converted at reading: stored events of older versions stay as they were written.
    event = modern_event(_events.decode(row[2]))
    if isinstance(event, e.BlockAdded) and row[3] is not None:
        event = msgspec.structs.replace(event, block=_blocks.decode(row[3]))
    return e.Numbered(session_id, row[0], row[1], event)

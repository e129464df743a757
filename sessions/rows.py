"""The SQL of `sessions`: how events become rows, and how rows become values again.

`project_event` says what one event changes in the tables; it is pure, and whatever it returns is written in
the transaction that stores the event. Tables: `bridge/migrations/0001_sessions.sql`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from backends.base import HostRef, InputLine
from sessions import events as e
from sessions.access import ShareLevel
from sessions.errors import TurnNotFound
from sessions.model import (
    Ask,
    AskBody,
    AskId,
    Attachment,
    Block,
    Decision,
    SessionId,
    TokenUsage,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.state import Snapshot
from storage import Database, Statement

_events = msgspec.json.Decoder(e.Event)
_blocks = msgspec.json.Decoder(Block)
_snapshots = msgspec.json.Decoder(Snapshot)
_ask_bodies = msgspec.json.Decoder(AskBody)
_decisions = msgspec.json.Decoder(Decision)
_attachments = msgspec.json.Decoder(tuple[Attachment, ...])


class StoredTurn(msgspec.Struct, frozen=True):
    """A turn as it is stored, without its blocks."""

    id: TurnId
    session_id: SessionId
    number: int
    kind: TurnKind
    status: TurnStatus
    author_id: str
    prompt: str
    prompt_uuid: str
    attachments: tuple[Attachment, ...]
    conversation_id: str
    last_uuid: str
    alternative_of: TurnId | None
    reason: str
    cost_usd: float
    usage: TokenUsage
    queued_ms: int
    started_ms: int | None
    ended_ms: int | None
    duration_ms: int
    first_text_ms: int | None
    origin: str = ""


class StoredAsk(msgspec.Struct, frozen=True):
    """An ask with what became of it: status is open, decided or withdrawn."""

    ask: Ask
    session_id: SessionId
    status: str
    decision: Decision | None
    decided_by: str
    closed_ms: int | None


@dataclass(frozen=True, slots=True)
class StoredHost:
    """A host row. `ref` is None while nobody knows whether the launch got that far."""

    number: int
    ref: HostRef | None
    status: str
    applied: int
    replay_from: int


@dataclass(frozen=True, slots=True)
class StoredInput:
    """A line for a host, and the token by which the output log acknowledges it."""

    number: int
    line: InputLine
    token: str
    acknowledged: bool


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


# --- writing --------------------------------------------------------------------------------------------


def insert_session(snapshot: Snapshot) -> Statement:
    """The new session's row; fails on the unique index when its key is taken."""
    return Statement(
        "INSERT INTO sessions (id, user_id, channel_id, status, model, created_at, updated_at, data, key,"
        " title, project, work_directory, conversation_id, last_activity_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            snapshot.id,
            snapshot.user_id,
            snapshot.channel_id,
            snapshot.lifecycle,
            snapshot.model,
            _iso(snapshot.created_ms),
            _iso(snapshot.last_activity_ms),
            _json(snapshot),
            snapshot.key,
            snapshot.title,
            snapshot.project,
            snapshot.work_directory,
            snapshot.conversation_id,
            snapshot.last_activity_ms,
        ),
    )


def update_session(snapshot: Snapshot) -> Statement:
    """The session's row as `snapshot` says; `last_activity_ms` never goes back."""
    return Statement(
        "UPDATE sessions SET status = ?, model = ?, updated_at = ?, data = ?, title = ?, work_directory = ?,"
        " conversation_id = ?, last_activity_ms = max(last_activity_ms, ?) WHERE id = ?",
        (
            snapshot.lifecycle,
            snapshot.model,
            _iso(snapshot.last_activity_ms),
            _json(snapshot),
            snapshot.title,
            snapshot.work_directory,
            snapshot.conversation_id,
            snapshot.last_activity_ms,
            snapshot.id,
        ),
    )


def insert_event(session_id: SessionId, number: int, at_ms: int, event: e.Event) -> Statement:
    """The event's own row. A block's content is left to its `blocks` row."""
    body = msgspec.to_builtins(event)
    if isinstance(event, e.BlockAdded):
        body["block"] = {"type": "note", "kind": "stored", "text": ""}
    return Statement(
        "INSERT INTO events (session_id, number, at_ms, kind, body) VALUES (?, ?, ?, ?, ?)",
        (session_id, number, at_ms, str(body["type"]), _json(body)),
    )


def project_event(session_id: SessionId, event: e.Event, at_ms: int) -> Iterator[Statement]:
    """The rows that `event` changes besides its own and the session's."""
    match event:
        case e.SessionRestored():
            # Before the status: while the session counts as ended, its key is nobody's.
            yield Statement(
                "UPDATE sessions SET key = ?, channel_id = ? WHERE id = ?",
                (event.key, event.channel_id, session_id),
            )
        case e.TurnQueued():
            yield _insert_turn(session_id, event, at_ms)
        case e.BackgroundTurnStarted():
            yield Statement(
                "INSERT INTO turns (id, session_id, number, kind, status, author_id, queued_ms, started_ms)"
                " VALUES (?, ?, ?, 'background', 'running', '', ?, ?)",
                (event.turn_id, session_id, event.number, at_ms, at_ms),
            )
        case e.TurnElsewhere():
            yield Statement(
                "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt, prompt_uuid,"
                " last_uuid, queued_ms, started_ms, ended_ms, conversation_id)"
                " VALUES (?1, ?2, ?3, 'elsewhere', 'done', '', ?4, ?5, ?6, ?7, ?7, ?7,"
                " (SELECT conversation_id FROM sessions WHERE id = ?2))",
                (
                    event.turn_id,
                    session_id,
                    event.number,
                    event.prompt,
                    event.prompt_uuid,
                    event.last_uuid,
                    at_ms,
                ),
            )
        case e.TurnRequeued():
            yield Statement(
                "UPDATE turns SET status = 'queued', ended_ms = NULL, reason = '' WHERE id = ?",
                (event.turn_id,),
            )
        case e.TurnEdited():
            yield Statement("UPDATE turns SET prompt = ? WHERE id = ?", (event.prompt, event.turn_id))
        case e.TurnWithdrawn():
            yield Statement(
                "UPDATE turns SET status = 'withdrawn', ended_ms = ? WHERE id = ?", (at_ms, event.turn_id)
            )
        case e.TurnSent():
            yield Statement(
                "UPDATE turns SET status = 'sent', started_ms = coalesce(started_ms, ?),"
                " conversation_id = (SELECT conversation_id FROM sessions WHERE id = ?) WHERE id = ?",
                (at_ms, session_id, event.turn_id),
            )
        case e.TurnStarted() | e.TurnContinued():
            yield Statement(
                "UPDATE turns SET status = 'running', ended_ms = NULL, reason = '' WHERE id = ?",
                (event.turn_id,),
            )
        case e.BlockAdded():
            yield insert_block(event.turn_id, event.ordinal, event.block)
        case e.TurnEnded():
            yield _end_turn(event, at_ms)
        case e.AskOpened():
            yield _insert_ask(session_id, event.ask)
        case e.AskDecided():
            yield Statement(
                "UPDATE asks SET status = 'decided', decision = ?, decided_by = ?, closed_ms = ?"
                " WHERE id = ? AND status = 'open'",
                (_json(event.decision), event.by, at_ms, event.ask_id),
            )
        case e.AskWithdrawn():
            yield Statement(
                "UPDATE asks SET status = 'withdrawn', closed_ms = ? WHERE id = ? AND status = 'open'",
                (at_ms, event.ask_id),
            )
        case e.HostEnded():
            yield Statement(
                "UPDATE hosts SET status = 'ended', exit_code = ?, reason = ?, ended_ms = ?"
                " WHERE session_id = ? AND number = ?",
                (event.code, event.reason, at_ms, session_id, event.number),
            )
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
            _json(event.attachments),
            event.alternative_of,
            at_ms,
        ),
    )


def _end_turn(event: e.TurnEnded, at_ms: int) -> Statement:
    return Statement(
        "UPDATE turns SET status = ?, reason = ?, cost_usd = cost_usd + ?, input_tokens = input_tokens + ?,"
        " output_tokens = output_tokens + ?, cache_read_tokens = cache_read_tokens + ?,"
        " cache_write_tokens = cache_write_tokens + ?, duration_ms = ?, first_text_ms = ?, last_uuid = ?,"
        " ended_ms = ? WHERE id = ?",
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
            event.turn_id,
        ),
    )


def _insert_ask(session_id: SessionId, ask: Ask) -> Statement:
    body = msgspec.to_builtins(ask.body)
    return Statement(
        "INSERT INTO asks (id, session_id, turn_id, host, request_id, kind, body, status, opened_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?)",
        (
            ask.id,
            session_id,
            ask.turn_id,
            ask.host,
            ask.request_id,
            str(body["type"]),
            _json(body),
            ask.opened_ms,
        ),
    )


def insert_stored_turn(turn: StoredTurn) -> Statement:
    """A turn as it came out of an archive."""
    return Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt_uuid, prompt, attachments,"
        " conversation_id, last_uuid, alternative_of, reason, cost_usd, input_tokens, output_tokens,"
        " cache_read_tokens, cache_write_tokens, queued_ms, started_ms, ended_ms, duration_ms, first_text_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            turn.id,
            turn.session_id,
            turn.number,
            turn.kind,
            turn.status,
            turn.author_id,
            turn.prompt_uuid,
            turn.prompt,
            _json(turn.attachments),
            turn.conversation_id,
            turn.last_uuid,
            turn.alternative_of,
            turn.reason,
            turn.cost_usd,
            turn.usage.input_tokens,
            turn.usage.output_tokens,
            turn.usage.cache_read_tokens,
            turn.usage.cache_write_tokens,
            turn.queued_ms,
            turn.started_ms,
            turn.ended_ms,
            turn.duration_ms,
            turn.first_text_ms,
        ),
    )


def insert_block(turn_id: TurnId, ordinal: int, block: Block) -> Statement:
    """One block of a turn."""
    body = msgspec.to_builtins(block)
    return Statement(
        "INSERT INTO blocks (turn_id, ordinal, kind, body) VALUES (?, ?, ?, ?)",
        (turn_id, ordinal, str(body["type"]), _json(body)),
    )


def insert_stored_ask(stored: StoredAsk) -> Statement:
    """A decided or withdrawn ask as it came out of an archive."""
    body = msgspec.to_builtins(stored.ask.body)
    return Statement(
        "INSERT INTO asks (id, session_id, turn_id, host, request_id, kind, body, status, decision, decided_by,"
        " opened_ms, closed_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stored.ask.id,
            stored.session_id,
            stored.ask.turn_id,
            stored.ask.host,
            stored.ask.request_id,
            str(body["type"]),
            _json(body),
            stored.status,
            _json(stored.decision) if stored.decision is not None else "",
            stored.decided_by,
            stored.ask.opened_ms,
            stored.closed_ms,
        ),
    )


def insert_host(session_id: SessionId, number: int, at_ms: int) -> Statement:
    """The row that must be there before a host is launched, so that no launch is ever unknown."""
    return Statement(
        "INSERT INTO hosts (session_id, number, status, launched_ms) VALUES (?, ?, 'launching', ?)",
        (session_id, number, at_ms),
    )


def host_launched(session_id: SessionId, number: int, ref: HostRef) -> Statement:
    return Statement(
        "UPDATE hosts SET status = 'live', backend = ?, address = ? WHERE session_id = ? AND number = ?",
        (ref.backend, ref.address, session_id, number),
    )


def host_applied(session_id: SessionId, number: int, applied: int, replay_from: int) -> Statement:
    return Statement(
        "UPDATE hosts SET applied = ?, replay_from = ? WHERE session_id = ? AND number = ?",
        (applied, replay_from, session_id, number),
    )


def insert_input(session_id: SessionId, host: int, number: int, line: InputLine, token: str) -> Statement:
    return Statement(
        "INSERT INTO inputs (session_id, host, number, start, line, token) VALUES (?, ?, ?, ?, ?, ?)",
        (session_id, host, number, line.start, line.data, token),
    )


def acknowledge_input(session_id: SessionId, host: int, number: int) -> Statement:
    """The line has arrived: it need not be kept (a follower is never replaced from before it)."""
    return Statement(
        "UPDATE inputs SET acknowledged = 1, line = x'' WHERE session_id = ? AND host = ? AND number = ?",
        (session_id, host, number),
    )


def upsert_share(
    session_id: SessionId, grantee: str, level: ShareLevel, granted_by: str, at_ms: int
) -> Statement:
    return Statement(
        "INSERT INTO shares (session_id, grantee, level, granted_by, granted_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (session_id, grantee) DO UPDATE SET level = excluded.level,"
        " granted_by = excluded.granted_by, granted_ms = excluded.granted_ms",
        (session_id, grantee, level, granted_by, at_ms),
    )


def delete_share(session_id: SessionId, grantee: str) -> Statement:
    return Statement("DELETE FROM shares WHERE session_id = ? AND grantee = ?", (session_id, grantee))


# --- reading --------------------------------------------------------------------------------------------

_TURN_COLUMNS = (
    "id, session_id, number, kind, status, author_id, prompt, prompt_uuid, attachments, conversation_id,"
    " last_uuid, alternative_of, reason, cost_usd, input_tokens, output_tokens, cache_read_tokens,"
    " cache_write_tokens, queued_ms, started_ms, ended_ms, duration_ms, first_text_ms, origin"
)


def _turn(row: Sequence[Any]) -> StoredTurn:
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
    )


async def load_snapshot(db: Database, session_id: SessionId) -> Snapshot | None:
    row = await db.read_one("SELECT data FROM sessions WHERE id = ?", (session_id,))
    return None if row is None else _snapshots.decode(str(row[0]))


async def find_by_key(db: Database, key: str) -> SessionId | None:
    """The session that has not ended and holds `key`."""
    row = await db.read_one("SELECT id FROM sessions WHERE key = ? AND status <> 'ended'", (key,))
    return None if row is None else SessionId(str(row[0]))


async def sessions_to_recover(db: Database) -> list[SessionId]:
    """Sessions that had, or waited for, a process when the last owner went away; oldest activity first."""
    rows = await db.read(
        "SELECT id FROM sessions WHERE status IN ('queued', 'starting', 'live', 'stopping') OR id IN"
        " (SELECT session_id FROM turns WHERE status IN ('queued', 'sent', 'running'))"
        " ORDER BY last_activity_ms"
    )
    return [SessionId(str(row[0])) for row in rows]


async def conversations_in_use(db: Database) -> set[str]:
    """The conversations that a session has, ended ones included."""
    rows = await db.read("SELECT conversation_id FROM sessions WHERE conversation_id <> ''")
    return {str(row[0]) for row in rows}


async def load_shares(db: Database, session_id: SessionId) -> dict[str, ShareLevel]:
    """With whom the session is shared, and for what."""
    rows = await db.read("SELECT grantee, level FROM shares WHERE session_id = ?", (session_id,))
    return {str(grantee): ShareLevel(str(level)) for grantee, level in rows}


async def load_turn(db: Database, turn_id: TurnId) -> StoredTurn:
    """Raises `TurnNotFound`."""
    row = await db.read_one(f"SELECT {_TURN_COLUMNS} FROM turns WHERE id = ?", (turn_id,))  # noqa: S608
    if row is None:
        raise TurnNotFound(turn_id)
    return _turn(row)


async def find_branch_point(db: Database, session_id: SessionId, turn_id: TurnId | None) -> StoredTurn:
    """The turn to branch from: the named one of this session, or the newest that Claude has ended.

    Raises `TurnNotFound`.
    """
    row = await db.read_one(
        f"SELECT {_TURN_COLUMNS} FROM turns WHERE session_id = ?1 AND (id = ?2 OR (?2 IS NULL"  # noqa: S608
        " AND last_uuid <> '')) ORDER BY number DESC LIMIT 1",
        (session_id, turn_id),
    )
    if row is None:
        raise TurnNotFound(turn_id or "")
    return _turn(row)


async def find_turn_by_origin(db: Database, origin: str) -> StoredTurn | None:
    row = await db.read_one(f"SELECT {_TURN_COLUMNS} FROM turns WHERE origin = ?", (origin,))  # noqa: S608
    return None if row is None else _turn(row)


async def load_turns(
    db: Database, session_id: SessionId, *, before: int | None = None, limit: int = 50
) -> list[StoredTurn]:
    """A page of turns, newest first: those with a number below `before`."""
    rows = await db.read(
        f"SELECT {_TURN_COLUMNS} FROM turns WHERE session_id = ? AND number < ?"  # noqa: S608
        " ORDER BY number DESC LIMIT ?",
        (session_id, before if before is not None else 1 << 62, limit),
    )
    return [_turn(row) for row in rows]


async def load_blocks(db: Database, turn_id: TurnId) -> list[Block]:
    rows = await db.read("SELECT body FROM blocks WHERE turn_id = ? ORDER BY ordinal", (turn_id,))
    return [_blocks.decode(str(row[0])) for row in rows]


async def count_blocks(db: Database, turn_id: TurnId) -> int:
    """The ordinal that the turn's next block gets."""
    row = await db.read_one("SELECT coalesce(max(ordinal) + 1, 0) FROM blocks WHERE turn_id = ?", (turn_id,))
    return int(str(row[0])) if row is not None else 0


async def load_ask(db: Database, ask_id: AskId) -> StoredAsk | None:
    row = await db.read_one(
        "SELECT id, turn_id, host, request_id, opened_ms, body, session_id, status, decision, decided_by,"
        " closed_ms FROM asks WHERE id = ?",
        (ask_id,),
    )
    return None if row is None else _ask(row)


def _ask(row: Sequence[Any]) -> StoredAsk:
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
        status=row[7],
        decision=_decisions.decode(row[8]) if row[8] else None,
        decided_by=row[9],
        closed_ms=row[10],
    )


async def load_asks(db: Database, session_id: SessionId) -> list[StoredAsk]:
    """Every ask of the session, oldest first."""
    rows = await db.read(
        "SELECT id, turn_id, host, request_id, opened_ms, body, session_id, status, decision, decided_by,"
        " closed_ms FROM asks WHERE session_id = ? ORDER BY opened_ms, id",
        (session_id,),
    )
    return [_ask(row) for row in rows]


async def load_events(db: Database, session_id: SessionId, *, after: int, limit: int = 200) -> list[e.Numbered]:
    """A page of events in order, from the first one numbered above `after`, blocks filled in."""
    rows = await db.read(
        "SELECT events.number, events.at_ms, events.body, blocks.body FROM events"
        " LEFT JOIN blocks ON events.kind = 'block_added'"
        " AND blocks.turn_id = events.body ->> 'turn_id' AND blocks.ordinal = events.body ->> 'ordinal'"
        " WHERE events.session_id = ? AND events.number > ? ORDER BY events.number LIMIT ?",
        (session_id, after, limit),
    )
    return [_numbered(session_id, row) for row in rows]


def _numbered(session_id: SessionId, row: Sequence[Any]) -> e.Numbered:
    event = _events.decode(row[2])
    if isinstance(event, e.BlockAdded) and row[3] is not None:
        event = msgspec.structs.replace(event, block=_blocks.decode(row[3]))
    return e.Numbered(session_id, row[0], row[1], event)


async def load_host(db: Database, session_id: SessionId, number: int) -> StoredHost | None:
    row = await db.read_one(
        "SELECT number, backend, address, status, applied, replay_from FROM hosts"
        " WHERE session_id = ? AND number = ?",
        (session_id, number),
    )
    if row is None:
        return None
    number_, backend, address, status, applied, replay_from = row
    ref = HostRef(str(backend), str(address)) if address else None
    return StoredHost(int(str(number_)), ref, str(status), int(str(applied)), int(str(replay_from)))


async def load_inputs(db: Database, session_id: SessionId, host: int) -> list[StoredInput]:
    """Every input of the host in order; acknowledged ones have lost their bytes but not their place."""
    rows = await db.read(
        "SELECT number, start, line, token, acknowledged FROM inputs WHERE session_id = ? AND host = ?"
        " ORDER BY number",
        (session_id, host),
    )
    return [_input(row) for row in rows]


def _input(row: Sequence[Any]) -> StoredInput:
    return StoredInput(row[0], InputLine(row[1], bytes(row[2])), row[3], bool(row[4]))

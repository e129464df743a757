"""The SQL of a turn's times: when each of its steps happened, from the events of the session."""

import json
from typing import Any

import msgspec

from sessions.model import SessionId, TurnId
from storage import Database

_MOST = 5_000


class TimedStep(msgspec.Struct, frozen=True):
    """A step of a turn or of its session's process, by its event.

    `state` is the new lifecycle of a process. A tool's call has its id, name and input, its result only the id.
    """

    at_ms: int
    kind: str
    state: str = ""
    block: str = ""
    tool_use_id: str = ""
    tool: str = ""
    input: dict[str, Any] = {}


async def load_turn_steps(
    db: Database, session_id: SessionId, turn_id: TurnId, begin_ms: int, end_ms: int
) -> list[TimedStep]:
    """Return the turn's steps and the process's between two times, in order; at most 5,000."""
    # Events have an index by number, not by time: the search by halves spares reading the whole session.
    first = await _number_at(db, session_id, begin_ms)
    rows = await db.read(
        "SELECT at_ms, events.kind, coalesce(events.body ->> 'new', ''), coalesce(blocks.kind, ''),"
        " coalesce(blocks.body ->> 'tool_use_id', ''), coalesce(blocks.body ->> 'name', ''),"
        " iif(blocks.kind = 'tool_call', blocks.body -> 'input', '{}') FROM events"
        " LEFT JOIN blocks ON events.kind = 'block_added' AND blocks.turn_id = events.body ->> 'turn_id'"
        " AND blocks.ordinal = events.body ->> 'ordinal'"
        " WHERE events.session_id = ? AND events.number >= ? AND at_ms <= ? AND (events.kind ="
        " 'lifecycle_changed' OR events.body ->> 'turn_id' = ?) ORDER BY events.number LIMIT ?",
        (session_id, first, end_ms, turn_id, _MOST),
    )
    return [_step(row) for row in rows]


def _step(row: Any) -> TimedStep:
    at_ms, kind, state, block, tool_use_id, tool, arguments = row
    decoded = json.loads(arguments) if arguments else {}
    return TimedStep(at_ms, kind, state, block, tool_use_id, tool, decoded if isinstance(decoded, dict) else {})


async def _number_at(db: Database, session_id: SessionId, at_ms: int) -> int:
    """Return the number of the session's first event at or after a time: numbers and times grow together."""
    row = await db.read_one("SELECT coalesce(max(number), 0) FROM events WHERE session_id = ?", (session_id,))
    low, high = 1, int(str(row[0])) if row is not None else 0
    while low < high:
        middle = (low + high) // 2
        found = await db.read_one(
            "SELECT number, at_ms FROM events WHERE session_id = ? AND number >= ? ORDER BY number LIMIT 1",
            (session_id, middle),
        )
        if found is not None and int(str(found[1])) < at_ms:
            low = int(str(found[0])) + 1
        else:
            high = middle
    return low

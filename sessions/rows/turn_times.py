"""The SQL of a turn's times: when each of its steps happened, from the events of the session."""

import json
from typing import Any

import msgspec

from sessions.model import SessionId, TurnId
from storage import Database

_MOST = 5_000
_NEWEST = 2**62


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


async def load_turn_steps(db: Database, session_id: SessionId, turn_id: TurnId) -> list[TimedStep]:
    """Return the turn's steps and the process's from its first event to its last, in order; at most 5,000."""
    first, last = await _bounds(db, session_id, turn_id)
    rows = await db.read(
        "SELECT at_ms, events.kind, coalesce(events.body ->> 'new', ''), coalesce(blocks.kind, ''),"
        " coalesce(blocks.body ->> 'tool_use_id', ''), coalesce(blocks.body ->> 'name', ''),"
        " iif(blocks.kind = 'tool_call', blocks.body -> 'input', '{}') FROM events"
        " LEFT JOIN blocks ON events.kind = 'block_added' AND blocks.turn_id = events.body ->> 'turn_id'"
        " AND blocks.ordinal = events.body ->> 'ordinal'"
        " WHERE events.session_id = ? AND events.number BETWEEN ? AND ? AND (events.kind ="
        " 'lifecycle_changed' OR events.body ->> 'turn_id' = ?) ORDER BY events.number LIMIT ?",
        (session_id, first, last, turn_id, _MOST),
    )
    return [_step(row) for row in rows]


def _step(row: Any) -> TimedStep:
    at_ms, kind, state, block, tool_use_id, tool, arguments = row
    decoded = json.loads(arguments) if arguments else {}
    return TimedStep(at_ms, kind, state, block, tool_use_id, tool, decoded if isinstance(decoded, dict) else {})


async def _bounds(db: Database, session_id: SessionId, turn_id: TurnId) -> tuple[int, int]:
    """Return the numbers of the turn's first and last event. A turn that has not ended lasts to the newest.

    By number, not by time: after the clock was set back, later events have earlier times.
    """
    # SQLite would not choose the index by itself. The condition on kinds has to be that of the index.
    found = await db.read(
        "SELECT number, kind FROM events INDEXED BY events_turn_bounds WHERE session_id = ?"
        " AND body ->> 'turn_id' = ? AND kind IN ('turn_queued', 'turn_elsewhere', 'background_turn_started',"
        " 'turn_requeued', 'turn_withdrawn', 'turn_ended') ORDER BY number",
        (session_id, turn_id),
    )
    if not found:
        return 1, _NEWEST
    # A turn that was cut goes on after its end.
    last, kind = found[-1]
    return int(str(found[0][0])), int(str(last)) if kind in ("turn_withdrawn", "turn_ended") else _NEWEST

"""Rows of `tool_calls`: the calls of Claude to tools of ours that are not answered yet."""

import json
from dataclasses import dataclass, field
from typing import Any

from sessions.claude.control_lines import RpcId, ToolCalled
from sessions.model import SessionId
from storage import Database, Statement


@dataclass(frozen=True, slots=True)
class OpenToolCall:
    """A call that waits for its answer. `at` is its place in the output log."""

    at: int
    called: ToolCalled = field(repr=False)


def insert_tool_call(session_id: SessionId, host: int, call: OpenToolCall) -> Statement:
    """Insert a call. A repeat changes nothing."""
    called = call.called
    return Statement(
        "INSERT INTO tool_calls (session_id, host, at, request_id, rpc_id, name, arguments, tool_use_id)"
        # The key is the place in the output log: a line that is read again makes no second call.
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            session_id,
            host,
            call.at,
            called.request_id,
            # As JSON, since `1` and `"1"` are two ids.
            json.dumps(called.rpc_id),
            called.name,
            json.dumps(dict(called.arguments)),
            called.tool_use_id,
        ),
    )


def delete_tool_call(session_id: SessionId, host: int, at: int) -> Statement:
    """Delete a call, because it is answered."""
    return Statement(
        "DELETE FROM tool_calls WHERE session_id = ? AND host = ? AND at = ?", (session_id, host, at)
    )


def delete_cancelled_call(session_id: SessionId, host: int, rpc_id: RpcId) -> Statement:
    """Delete the call with this JSON-RPC id. No error if it does not exist."""
    return Statement(
        "DELETE FROM tool_calls WHERE session_id = ? AND host = ? AND rpc_id = ?",
        (session_id, host, json.dumps(rpc_id)),
    )


async def load_tool_calls(db: Database, session_id: SessionId, host: int) -> list[OpenToolCall]:
    """Return the calls of a host that are not answered, oldest first."""
    found = await db.read(
        "SELECT at, request_id, rpc_id, name, arguments, tool_use_id FROM tool_calls"
        " WHERE session_id = ? AND host = ? ORDER BY at",
        (session_id, host),
    )
    return [
        OpenToolCall(
            int(str(row[0])),
            ToolCalled(str(row[1]), json.loads(str(row[2])), str(row[3]), _object(str(row[4])), str(row[5])),
        )
        for row in found
    ]


def _object(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value

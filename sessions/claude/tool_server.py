"""The MCP server inside the control protocol: tools of ours for Claude, over the host's two logs.

The CLI is told of the server when it is greeted. It then sends each JSON-RPC message as a control request,
`mcp_message`, and takes the answer from the control response. There is no socket and no token, so a sandbox
needs no opening for it. Measured with 2.1.332: a call waits for its answer for 27 hours by default, and
`timeout` prolongs that; an interrupted call is cancelled by a notification.

Format: Model Context Protocol, lifecycle and tools; Claude Code CLI, `initialize` with `sdkMcpServers`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sessions.claude.control_lines import (
    RpcId,
    ToolCallCancelled,
    ToolCalled,
    ToolServerAsked,
    ToolServerLine,
)
from sessions.claude.launch import OWN_SERVER
from sessions.claude.wire import Json, object_of, text_of
from sessions.tools import Tool, Toolbox, ToolReply

_PROTOCOL = "2025-11-25"
_UNKNOWN_METHOD = -32601
_NO_ID = 0
# The largest number that the CLI accepts, 24 days: a call waits until the bridge is back.
_TIMEOUT_MS = 2**31 - 1


def server_message(request_id: str, asked: Json) -> ToolServerLine | None:
    """Return the message in an `mcp_message` to our server; None if it goes to another one or has no id."""
    if not request_id or text_of(asked, "server_name") != OWN_SERVER:
        return None
    message = object_of(asked, "message")
    params = object_of(message, "params")
    match text_of(message, "method"):
        case "tools/call":
            return ToolCalled(
                request_id=request_id,
                rpc_id=_rpc_id(message, "id"),
                name=text_of(params, "name"),
                arguments=object_of(params, "arguments"),
                tool_use_id=text_of(object_of(params, "_meta"), "claudecode/toolUseId"),
            )
        case "notifications/cancelled":
            return ToolCallCancelled(request_id, _rpc_id(params, "requestId"))
        case method:
            return ToolServerAsked(
                request_id, _rpc_id(message, "id"), method, text_of(params, "protocolVersion")
            )


def announcement(toolbox: Toolbox) -> dict[str, Any]:
    """Return the fields of `initialize` that tell the CLI of the server.

    The manifest answers the handshake in advance. Without it, a bridge that dies at that moment leaves the
    process without tools: the CLI waits 60 seconds for a handshake, once (measured). An older CLI ignores the
    manifest and sends the messages.
    """
    manifest = {"initializeResult": _greeting(toolbox, _PROTOCOL), "toolsListResult": _listing(toolbox.tools)}
    # Without `disableAutoBackground`, a call that waits for the bridge would become a background task.
    settings = {"timeout": _TIMEOUT_MS, "alwaysLoad": True, "disableAutoBackground": True}
    return {
        "sdkMcpServers": [OWN_SERVER],
        "sdkMcpServerConfigs": {OWN_SERVER: settings},
        "sdkMcpServerManifests": {OWN_SERVER: manifest},
    }


def answer_message(line: ToolServerLine, toolbox: Toolbox | None) -> dict[str, Any]:
    """Return the control response to a message that needs no work. Without a toolbox no tool is listed."""
    tools = () if toolbox is None else toolbox.tools
    match line:
        case ToolServerAsked(method="initialize"):
            result = _greeting(toolbox, line.protocol or _PROTOCOL)
        case ToolServerAsked(method="tools/list"):
            result = _listing(tools)
        case ToolServerAsked(method="ping") | ToolCallCancelled():
            result = {}
        case ToolServerAsked() if line.rpc_id is None:  # a notification: the CLI wants some answer all the same
            result = {}
        case _:
            error = {"code": _UNKNOWN_METHOD, "message": "This method is not offered."}
            return _response(line.request_id, line.rpc_id, "error", error)
    return _response(line.request_id, line.rpc_id, "result", result)


def answer_call(request_id: str, rpc_id: RpcId, reply: ToolReply) -> dict[str, Any]:
    """Return the control response with the result of a call."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": reply.text}]}
    if reply.is_error:
        result["isError"] = True
    return _response(request_id, rpc_id, "result", result)


def _greeting(toolbox: Toolbox | None, protocol: str) -> dict[str, Any]:
    facts = {"protocolVersion": protocol, "capabilities": {"tools": {}}}
    named = {**facts, "serverInfo": {"name": OWN_SERVER, "version": "1"}}
    return named if toolbox is None else {**named, "instructions": toolbox.instructions}


def _listing(tools: Sequence[Tool]) -> dict[str, Any]:
    return {
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": dict(tool.input_schema),
                # In plan mode the CLI asks a person for every other tool, whatever the rules say (measured).
                # No tool of ours touches the project.
                "annotations": {"readOnlyHint": True},
            }
            for tool in tools
        ]
    }


def _response(request_id: str, rpc_id: RpcId, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": _NO_ID if rpc_id is None else rpc_id, kind: body}
    inner = {"subtype": "success", "request_id": request_id, "response": {"mcp_response": message}}
    return {"type": "control_response", "response": inner}


def _rpc_id(body: Json, key: str) -> RpcId:
    value = body.get(key)
    # In Python `True` is an int; as an id it would come back as another value.
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None

"""Serve an MCP request that came over HTTP: streamable HTTP without sessions, one JSON answer each.

The web face checks the sender and hands over the body. The SDK speaks ASGI, so a request becomes its messages.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import msgspec
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from api.access import Actor, ActorSource
from api.core import Core
from mcp_server.serving import FACE, AgentServer, new_origin
from mcp_server.tool import Caller
from sessions.errors import SessionError

Headers = Sequence[tuple[bytes, bytes]]
_PLACE = "mcp:http"
_PACKAGE = "claude-discord-bridge"


class ScopeTooSmall(SessionError):
    """The token allows reading only."""

    def __init__(self) -> None:
        super().__init__("This token only reads. Make one with the scope operate for this tool.")


async def answer(
    core: Core, who: ActorSource, headers: Headers, body: bytes, *, may_change: bool
) -> tuple[int, Headers, bytes]:
    """Answer a POST of the actor that `who` tells: return status, headers and body."""

    async def agent() -> Actor:
        # The audit then shows an agent, not a browser.
        return msgspec.structs.replace(await who(), face=FACE)

    caller = await agent()

    @asynccontextmanager
    async def reach(changes: bool) -> AsyncIterator[Caller]:
        if changes and not may_change:
            raise ScopeTooSmall
        yield Caller(core, caller, origin=new_origin(), place=_PLACE, who=agent)

    # A server for each request: it keeps nothing between two. The web face ends it when the token is revoked.
    server = AgentServer(reach, version=version(_PACKAGE)).server
    manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
    # The SDK asks for an answer in one piece, so the exchange needs no stream.
    exchange = _Exchange(body)
    async with manager.run():
        await manager.handle_request(_scope(headers), exchange.receive, exchange.send)
    return exchange.status, exchange.headers, bytes(exchange.body)


def _scope(headers: Headers) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        # ASGI has names of headers in small letters.
        "headers": [(name.lower(), value) for name, value in headers],
    }


class _Exchange:
    """One request and its answer, as ASGI passes them."""

    def __init__(self, body: bytes) -> None:
        self._sent = body
        self._is_read = False
        # The answer if the SDK ends without one.
        self.status = 500
        self.headers: Headers = ()
        self.body = bytearray()

    async def receive(self) -> dict[str, Any]:
        if self._is_read:
            return {"type": "http.disconnect"}
        self._is_read = True
        return {"type": "http.request", "body": self._sent, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            self.body += message.get("body", b"")

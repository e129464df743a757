"""One WebSocket of the gateway and the session that may outlive it. What is said on it, `gateway` decides."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from aiohttp import web

from .model import Json

SENDS_PER_MINUTE = 120


class Op(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


@dataclass(slots=True)
class Session:
    """A gateway session that a bot may resume: its events, and the connection that hears them now."""

    id: str
    intents: int
    sequence: int = 0
    events: deque[tuple[int, Json]] = field(default_factory=lambda: deque(maxlen=10_000))
    connection: Connection | None = None
    lost_at: float | None = None


class Connection:
    """One WebSocket. Sending never blocks: a task of the connection's own writes."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, *, compress: bool) -> None:
        self.socket = socket
        self.session: Session | None = None
        self.zombie = False
        self.sent_at: deque[float] = deque(maxlen=SENDS_PER_MINUTE)
        self._request = request
        self._out: asyncio.Queue[Json | tuple[int, str] | None] = asyncio.Queue()
        self._deflate = zlib.compressobj() if compress else None

    def send(self, payload: Json) -> None:
        if not self.zombie:
            self._out.put_nowait(payload)

    def close(self, code: int, reason: str = "") -> None:
        """Close once everything sent before is on its way."""
        self._out.put_nowait((code, reason))

    def abort(self) -> None:
        """Cut the TCP connection, with no close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()
        self._out.put_nowait(None)

    async def write(self) -> None:
        """Write what is sent until the connection is to end."""
        while True:
            item = await self._out.get()
            if item is None:
                return
            if isinstance(item, tuple):
                await self.socket.close(code=item[0], message=item[1].encode())
                return
            try:
                await self._write_one(item)
            except ConnectionError:
                return

    async def _write_one(self, payload: Json) -> None:
        text = json.dumps(payload)
        if self._deflate is None:
            await self.socket.send_str(text)
            return
        packed = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        await self.socket.send_bytes(packed)

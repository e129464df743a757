"""Many tabs in a process of their own: raw sockets, so that a tab costs this side next to nothing.

Reads a `Plan` as JSON from standard input. Prints how many seconds it took until each tab had its first
frame; then the moment (of the machine's monotonic clock) at which the last tab had the awaited words.
"""

import asyncio
import base64
import os
import sys
import time

import msgspec


class Plan(msgspec.Struct, frozen=True):
    """The tabs: one for each cookie, all on `session` from event `after` on, which is not the last one."""

    host: str
    port: int
    cookies: tuple[str, ...]
    session: str
    after: int
    words: str


class _Tab(asyncio.Protocol):
    def __init__(self, plan: Plan, cookie: str, greeted: asyncio.Semaphore, told: asyncio.Semaphore) -> None:
        self._plan = plan
        self._cookie = cookie
        self._greeted = greeted
        self._told = told
        self._is_greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        where = f"{self._plan.host}:{self._plan.port}"
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            "GET /api/live HTTP/1.1",
            f"Host: {where}",
            f"Origin: http://{where}",
            f"Cookie: {self._cookie}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        )
        transport.write("\r\n".join((*lines, "", "")).encode())

    def data_received(self, data: bytes) -> None:
        if b'"type":"hello"' in data:
            wish = {"type": "sub", "sub": "s", "session": self._plan.session, "after": self._plan.after}
            self._transport.write(_masked(msgspec.json.encode(wish)))
        if not self._is_greeted and b'"type":"event"' in data:
            self._is_greeted = True
            self._greeted.release()
        if self._plan.words.encode() in data:
            self._told.release()


def _masked(text: bytes) -> bytes:
    """Return a text frame of a client with a mask of zeros. Source: RFC 6455, section 5.2."""
    size = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2)
    return b"\x81" + size + bytes(4) + text


async def _run(plan: Plan) -> None:
    loop = asyncio.get_running_loop()
    greeted, told = asyncio.Semaphore(0), asyncio.Semaphore(0)
    begun = time.monotonic()
    for start in range(0, len(plan.cookies), 100):
        group = plan.cookies[start : start + 100]
        makes = (
            loop.create_connection(lambda cookie=each: _Tab(plan, cookie, greeted, told), plan.host, plan.port)  # type: ignore[misc]
            for each in group
        )
        await asyncio.gather(*makes)
        for _ in group:
            await greeted.acquire()
    print(time.monotonic() - begun, flush=True)
    for _ in plan.cookies:
        await told.acquire()
    print(time.monotonic(), flush=True)


if __name__ == "__main__":
    asyncio.run(_run(msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)))

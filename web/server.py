"""The port of the web face. The application behind it is loaded when somebody comes.

Loading takes 0.2 s of CPU time and 5 MB, and on most days of most bridges nobody opens the dashboard. The
kernel keeps the first connections meanwhile.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace  # noqa: TID251
from importlib import import_module

from web.parts import WebOptions, WebParts

log = logging.getLogger(__name__)

BACKLOG = 128


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `OSError` if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


@asynccontextmanager
async def serving(make: Callable[[WebOptions], WebParts], options: WebOptions) -> AsyncIterator[WebParts]:
    """Serve inside the block; yield the parts, whose options have the real port (`port` 0 takes any).

    Raises `OSError` if the port is taken. Leaving closes all sockets within a second.
    """
    # Before the parts: the cookie's name and the allowed hosts need the real port.
    sock = listening(options.host, options.port)
    parts = make(replace(options, port=sock.getsockname()[1]))
    running = asyncio.create_task(_run(parts, sock), name="web application")
    try:
        yield parts
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        sock.close()
        parts.renderer.close()


async def _run(parts: WebParts, sock: socket.socket) -> None:
    """Wait until the face is wanted; then load the application and serve until cancelled."""
    loop = asyncio.get_running_loop()
    # A connection makes the listening socket readable. It is not accepted here: it waits in the kernel's queue.
    loop.add_reader(sock, parts.wanted.set)
    try:
        await parts.wanted.wait()
    finally:
        # asyncio keeps one reader for a descriptor, and the application's server needs it.
        loop.remove_reader(sock)
    try:
        # In a thread: Discord must be answered meanwhile.
        application = await asyncio.to_thread(import_module, "web.application")
        await application.serve(parts, sock)
    except Exception:
        # Nobody awaits this task before the face ends, so the error would be seen nowhere else.
        log.exception("the web face has ended")
        sock.close()

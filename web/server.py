"""The server: one aiohttp application with all routes, inside the caller's event loop."""

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace  # noqa: TID251

from aiohttp import web

from web import guard
from web.live.pulse import PULSE, Pulse
from web.live.shared_feed import FEEDS, SharedFeeds
from web.pages.layout import FILES
from web.parts import WebOptions, WebParts
from web.routing import MOST_BODY_BYTES, add
from web.table import ROUTES

_SHUTDOWN_S = 1.0
_BACKLOG = 128


def listening(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises `OSError` if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def application(parts: WebParts) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[guard.guarding(parts.options)], client_max_size=MOST_BODY_BYTES)
    app[guard.OPTIONS] = parts.options
    app[FEEDS] = SharedFeeds(parts)
    app[PULSE] = Pulse()
    app.on_cleanup.append(_end_feeds)
    app.on_response_prepare.append(guard.set_headers)
    for route in ROUTES:
        add(app, route, parts)
    FILES.add(app, parts.options.base_path)
    return app


async def _end_feeds(app: web.Application) -> None:
    await app[FEEDS].close()


@asynccontextmanager
async def serving(make: Callable[[WebOptions], WebParts], options: WebOptions) -> AsyncIterator[WebParts]:
    """Serve inside the block; yield the parts, whose options have the real port (`port` 0 takes any).

    Raises `OSError` if the port is taken. Leaving closes all sockets within a second.
    """
    sock = listening(options.host, options.port)
    parts = make(replace(options, port=sock.getsockname()[1]))
    # What fails in a handler is logged by the guard. The rest is broken HTTP, which anybody can send.
    quiet = logging.getLogger("web.http")
    quiet.setLevel(logging.CRITICAL)
    runner = web.AppRunner(application(parts), access_log=None, logger=quiet, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, sock).start()
        yield parts
    finally:
        await runner.cleanup()
        parts.renderer.close()

"""The aiohttp application with all routes, inside the caller's event loop."""

import asyncio
import logging
import socket

from aiohttp import web

from web import guard
from web.live.pulse import PULSE, Pulse
from web.live.shared_feed import FEEDS, SharedFeeds
from web.pages.layout import FILES
from web.parts import WebParts
from web.routing import MOST_BODY_BYTES, add
from web.server import BACKLOG
from web.table import ROUTES

_SHUTDOWN_S = 1.0
_ACCEPTED_AT_ONCE = 4
"""Connections that the event loop takes in one turn: the rest of the bridge comes in between."""


def application(parts: WebParts) -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[guard.guarding(parts.options)], client_max_size=MOST_BODY_BYTES)
    app[guard.OPTIONS] = parts.options
    app[FEEDS] = SharedFeeds(parts)
    app[PULSE] = Pulse()
    # At the clean-up, when no connection is left that could still wait for a catch-up.
    app.on_cleanup.append(_end_feeds)
    app.on_response_prepare.append(guard.set_headers)
    for route in ROUTES:
        add(app, route, parts)
    FILES.add(app, parts.options.base_path)
    return app


async def serve(parts: WebParts, sock: socket.socket) -> None:
    """Serve on the listening socket until cancelled; then close all connections within a second."""
    # What fails in a handler is logged by the guard. The rest is broken HTTP, which anybody can send.
    quiet = logging.getLogger("web.http")
    quiet.setLevel(logging.CRITICAL)
    # No access log: it would hold the addresses of shared pages, which are secrets, and what people search for.
    runner = web.AppRunner(application(parts), access_log=None, logger=quiet, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, backlog=_ACCEPTED_AT_ONCE).start()
        # For asyncio one number is both how many it accepts in a turn and how many may wait in the kernel.
        sock.listen(BACKLOG)
        await asyncio.get_running_loop().create_future()
    finally:
        await runner.cleanup()


async def _end_feeds(app: web.Application) -> None:
    await app[FEEDS].close()

"""The bridge in figures, as OpenMetrics text: in a file for a node exporter, or on a port of this machine.

Format: the OpenMetrics specification, version 1.0. Figures carry states and kinds as labels, never ids, names,
prompts or paths.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

import machine
from api import Core, ReadStatistics, Statistics
from bridge.control_socket import local_actor
from bridge.env_file import write_whole
from sessions.errors import SessionError
from storage import StorageError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EVERY_S = 30.0

_PREFIX = "claude_bridge"
_STARTED = time.time()
_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Host names that a request may use. Any other means that a web page was redirected here (DNS rebinding)."""


def exposition(figures: Statistics, started: float = _STARTED) -> str:
    """Return `figures` as OpenMetrics text; `started` is the bridge's start in seconds since 1970. Pure."""
    return "".join(f"{line}\n" for line in _lines(figures, started)) + "# EOF\n"


async def read_exposition(core: Core) -> str:
    """Read the current figures; takes milliseconds per live process. Raises `SessionError`, `StorageError`."""
    return exposition(await core.perform(local_actor(), ReadStatistics()))


async def keep_file(core: Core, path: Path, every_s: float = EVERY_S) -> None:
    """Write the figures to `path` again and again, each time in one step. Never returns; logs failures."""
    while True:
        try:
            text = await read_exposition(core)
            # Readable for other users: a collector runs as one of them.
            await asyncio.to_thread(write_whole, path, text, mode=0o644)
        except (OSError, SessionError, StorageError) as error:
            log.warning("metrics not written", extra={"why": str(error)})
        await asyncio.sleep(every_s)


@asynccontextmanager
async def serving(core: Core, port: int) -> AsyncIterator[int]:
    """Serve the figures at `http://127.0.0.1:PORT/metrics` inside the block; yields the port (0 takes any).

    Raises `OSError` if the port is taken.
    """

    async def answer(request: web.Request) -> web.Response:
        # A browser sends the name in its address bar: only our own names pass.
        if request.host.rpartition(":")[0] not in _LOCAL and request.host not in _LOCAL:
            return web.Response(status=403)
        try:
            text = await read_exposition(core)
        # A collector takes 503 for a gap, and asks again.
        except (SessionError, StorageError):
            return web.Response(status=503)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    # A collector asks every few seconds for months: no line in the log for each.
    # At the end aiohttp would wait a minute for collectors that keep their connection.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _lines(figures: Statistics, started: float) -> Iterator[str]:
    totals = figures.totals
    yield from _gauge("sessions", "Sessions that are kept, by lifecycle.", figures.by_lifecycle, "lifecycle")
    yield from _one("live_processes", "Claude processes that hold a place.", figures.live_processes)
    yield from _one("max_processes", "Places that there are (MAX_SESSIONS).", figures.max_processes)
    yield from _one("waiting", "Sessions that wait for a place.", figures.waiting)
    yield from _one("open_asks", "Questions of Claude that wait for an answer.", figures.open_asks)
    yield from _one("host_memory_bytes", "Memory of all process trees.", figures.memory_bytes, unit="bytes")
    # Sums over stored turns fall when retention deletes sessions, so they are gauges, not counters.
    turns = {"failed": totals.failed_turns, "other": totals.turns - totals.failed_turns}
    yield from _gauge("stored_turns", "Turns that are kept.", turns, "outcome")
    tokens = {
        "input": totals.input_tokens,
        "output": totals.output_tokens,
        "cache_read": totals.cache_read_tokens,
        "cache_write": totals.cache_write_tokens,
    }
    yield from _gauge("stored_tokens", "Tokens of the turns that are kept.", tokens, "kind")
    yield from _one("stored_tool_calls", "Tool calls of the turns that are kept.", totals.tool_calls)
    yield from _one("stored_asks", "Asks of the turns that are kept.", totals.asks)
    yield from _one("stored_cost_dollars", "What these turns cost.", totals.cost_usd, unit="dollars")
    means = {
        "turn": totals.mean_duration_ms / 1000,
        "first_text": totals.mean_first_text_ms / 1000,
        "ask": totals.mean_ask_wait_ms / 1000,
    }
    yield from _gauge("mean_seconds", "Mean times of these turns.", means, "of", unit="seconds")
    yield from _one("start_time_seconds", "When the bridge started.", round(started, 3), unit="seconds")
    yield from _one(
        "memory_bytes", "Memory of the bridge itself.", machine.this().memory_bytes([os.getpid()]), unit="bytes"
    )


def _one(name: str, does: str, value: float, *, unit: str = "") -> Iterator[str]:
    yield from _head(name, does, unit)
    yield f"{_PREFIX}_{name} {value}"


def _gauge(name: str, does: str, values: Mapping[str, float], label: str, *, unit: str = "") -> Iterator[str]:
    yield from _head(name, does, unit)
    for kind, value in sorted(values.items()):
        yield f'{_PREFIX}_{name}{{{label}="{kind}"}} {value}'


def _head(name: str, does: str, unit: str) -> Iterator[str]:
    yield f"# TYPE {_PREFIX}_{name} gauge"
    if unit:
        yield f"# UNIT {_PREFIX}_{name} {unit}"
    yield f"# HELP {_PREFIX}_{name} {does}"

"""The web face: bytes and CPU for an answer that grows, and what a crowd of tabs costs.

The floors are one rendering of the whole answer, and the answer's own bytes.
"""

import asyncio
import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

import api as c
import machine
from sessions.events import PartialText
from sessions.model import GrowingKind, SessionId, TurnId
from storage import BulkStatement
from tests.bench.figures import Figure, percentile
from tests.bench.loop_lag import loop_lag
from tests.bench.web_tabs import Plan
from tests.web.web_world import OWNER, Browser, WebWorld, web_world
from web.live.frames import Step
from web.live.growing import GrowingText
from web.live.socket import MOST_SOCKETS
from web.rendering import Renderer

_PIECE = 40
_PARAGRAPH = """## Part

Some *words* in a paragraph that is long enough to be one, with `code` and [a link](https://example.org/).

- one thing
- another thing

```python
def greet(name: str) -> str:
    return f"Hello, {name}"
```

"""


_IDLE_FACE = """
import asyncio, gc, os, time
import bridge.discord_face, bridge.wiring, machine

async def idle():
    gc.collect()
    begun, before = time.process_time(), machine.this().memory_bytes([os.getpid()])
    from bridge.web_face import serving
    from web.parts import WebOptions, WebParts
    async with serving(lambda served: WebParts(None, None, None, served), WebOptions(0)):
        await asyncio.sleep(0.1)
        print(time.process_time() - begun, machine.this().memory_bytes([os.getpid()]) - before)

asyncio.run(idle())
"""


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    idle_s, idle_bytes = await asyncio.to_thread(_idle)
    small, large = _answer(14_000), _answer(56_000)
    sent, grown_s = await _grown(small)
    sent_large, _ = await _grown(large)
    whole_s = await _rendered(small)
    figures = [
        Figure("CPU of a web face that nobody opened", idle_s * 1000, "ms", at_most=80),
        Figure("memory of it", idle_bytes / 2**20, "MB", at_most=4),
        Figure(
            "bytes to a tab for a growing answer of 14 kB", sent, "bytes", len(small), "its bytes", at_most=10
        ),
        Figure("the same for 56 kB", sent_large, "bytes", sent, "for 14 kB", at_most=5),
        Figure("CPU of a growing answer", grown_s * 1000, "ms", whole_s * 1000, "rendered once", at_most=6),
    ]
    async with web_world(directory / "core") as world:
        long = await _long_session(world, 2_000 if short else 10_000)
        return [*figures, *long, *await _crowd(world, 50 if short else 1_000)]


def _idle() -> tuple[float, float]:
    """Return the CPU seconds and bytes that the web face adds to a bridge with Discord."""
    command = (sys.executable, "-c", _IDLE_FACE)
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    )
    cpu_s, size = done.stdout.split()
    return float(cpu_s), float(size)


async def _long_session(world: WebWorld, count: int) -> list[Figure]:
    """Open the page of a session with so many turns, beside one with 100."""
    ann = await world.browser(OWNER)
    short, long = [await _filled(world, ann, number) for number in (100, count)]
    took = dict.fromkeys((short, long), 1000000000.0)
    read_s, packed = 1e9, 0
    for _ in range(9):
        for session in took:
            begun = time.process_time()
            page = await ann.done("GET", f"/chat/{session}")
            took[session] = min(took[session], time.process_time() - begun)
            packed = len(gzip.compress(page.encode()))
        begun = time.process_time()
        await world.core.do(c.ReadTurns(session_id=long, limit=30))
        read_s = min(read_s, time.process_time() - begun)
    return [
        Figure(
            f"CPU of the page of {count:,} turns", took[long] * 1000, "ms", took[short] * 1000, "100 turns",
            at_most=1.2,
        ),
        Figure("CPU of reading its turns", read_s * 1000, "ms", at_most=10),
        Figure("bytes of the page, packed", packed, "bytes", 80_000, "allowed", at_most=1),
    ]  # fmt: skip


async def _filled(world: WebWorld, ann: Browser, count: int) -> str:
    """Make a session with one turn, and copy the turn until there are so many."""
    session = await world.session_of(ann, "demo:text hello demo:long 30")
    await world.settled(ann, session)
    db = world.core.db
    columns = [str(row[1]) for row in await db.read("PRAGMA table_info(turns)")]
    kept = [name for name in columns if name not in ("id", "number", "origin", "prompt_uuid")]
    (turn,) = await db.read(f"SELECT id, {', '.join(kept)} FROM turns WHERE session_id = ?", (session,))
    blocks = await db.read("SELECT ordinal, kind, body FROM blocks WHERE turn_id = ?", (turn[0],))
    names = [f"{session[:-6]}{number:06d}" for number in range(2, count + 1)]
    marks = ", ".join("?" * (len(kept) + 4))
    rows = [(name, number, "", name, *turn[1:]) for number, name in enumerate(names, 2)]
    await db.write(
        [
            BulkStatement(
                f"INSERT INTO turns (id, number, origin, prompt_uuid, {', '.join(kept)}) VALUES ({marks})",
                rows,
            ),
            BulkStatement(
                "INSERT INTO blocks (turn_id, ordinal, kind, body) VALUES (?, ?, ?, ?)",
                [(name, *block) for name in names for block in blocks],
            ),
        ]
    )
    return session


def _answer(size: int) -> str:
    return (_PARAGRAPH * (size // len(_PARAGRAPH) + 1))[:size]


async def _grown(text: str) -> tuple[int, float]:
    """Let `text` grow in pieces; return the bytes of all frames, and the seconds of CPU."""
    renderer = Renderer()
    growing = GrowingText(renderer)
    sent, begun = 0, time.process_time()
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        growing.take(PartialText(SessionId("s"), 1, TurnId("t"), "0", GrowingKind.TEXT, start, piece))
        sent += len(msgspec.json.encode(Step("s", tuple(await growing.changes()))))
    renderer.close()
    return sent, time.process_time() - begun


async def _rendered(text: str) -> float:
    renderer = Renderer()
    begun = time.process_time()
    await renderer.markdown(text)
    renderer.close()
    return time.process_time() - begun


async def _crowd(world: WebWorld, count: int) -> list[Figure]:
    """So many tabs on one session: memory of each, and how soon the last is back and has an event."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text hello")
    last = (await world.settled(ann, session))["core"]["last_event"]
    options = world.parts.options
    logins = [await _cookie(world) for _ in range((count + MOST_SOCKETS - 1) // MOST_SOCKETS)]
    cookies = tuple(f"{options.cookie}={logins[number // MOST_SOCKETS]}" for number in range(count))
    plan = Plan("127.0.0.1", options.port, cookies, session, last - 1, "For all")
    before = machine.this().memory_bytes([os.getpid()])
    async with loop_lag() as lag_ms:
        tabs = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.web_tabs", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert tabs.stdin is not None
        assert tabs.stdout is not None
        tabs.stdin.write(msgspec.json.encode(plan) + b"\n")
        back_s = float(await tabs.stdout.readline())
        back_lag_ms = percentile(lag_ms, 0.99)
        each = (machine.this().memory_bytes([os.getpid()]) - before) / count / 1024
        lag_ms.clear()
        begun, cpu = time.monotonic(), time.process_time()
        await ann.done("PATCH", f"/api/sessions/{session}", {"title": "For all"})
        took_s = float(await tabs.stdout.readline()) - begun
        cpu_s = time.process_time() - cpu
    await tabs.wait()
    return [
        Figure(f"memory of a tab, {count} of them", each, "KiB", at_most=24 if count > 50 else 90),
        Figure(f"{count} tabs are back", back_s, "s", at_most=5),
        Figure("event loop lag meanwhile, p99", back_lag_ms, "ms", at_most=50),
        Figure(f"an event at the last of {count} tabs", took_s * 1000, "ms", at_most=100),
        Figure("CPU of that for a tab", cpu_s / count * 1e6, "µs", at_most=40 if count > 50 else 200),
        Figure("event loop lag meanwhile, p99", percentile(lag_ms, 0.99), "ms", at_most=50),
    ]


async def _cookie(world: WebWorld) -> str:
    """Return the cookie of a login that is not made over HTTP, where so many would be slowed down."""
    new = await world.parts.doors.redeem(await world.parts.doors.make_code(OWNER), "")
    assert new is not None
    return new.cookie

"""The web face: bytes and CPU for an answer that grows, and what a crowd of tabs costs.

The floors are one rendering of the whole answer, and the answer's own bytes.
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

import machine
from sessions.events import PartialText
from sessions.model import GrowingKind, SessionId, TurnId
from tests.bench.figures import Figure, percentile
from tests.bench.loop_lag import loop_lag
from tests.bench.web_tabs import Plan
from tests.web.web_world import OWNER, WebWorld, web_world
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


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    small, large = _answer(14_000), _answer(56_000)
    sent, grown_s = await _grown(small)
    sent_large, _ = await _grown(large)
    whole_s = await _rendered(small)
    figures = [
        Figure(
            "bytes to a tab for a growing answer of 14 kB", sent, "bytes", len(small), "its bytes", at_most=10
        ),
        Figure("the same for 56 kB", sent_large, "bytes", sent, "for 14 kB", at_most=5),
        Figure("CPU of a growing answer", grown_s * 1000, "ms", whole_s * 1000, "rendered once", at_most=6),
    ]
    async with web_world(directory / "core") as world:
        return [*figures, *await _crowd(world, 50 if short else 1_000)]


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
        Figure("CPU of that for a tab", cpu_s / count * 1e6, "µs", at_most=100),
        Figure("event loop lag meanwhile, p99", percentile(lag_ms, 0.99), "ms", at_most=50),
    ]


async def _cookie(world: WebWorld) -> str:
    """Return the cookie of a login that is not made over HTTP, where so many would be slowed down."""
    new = await world.parts.doors.redeem(await world.parts.doors.make_code(OWNER), "")
    assert new is not None
    return new.cookie

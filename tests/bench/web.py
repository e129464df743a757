"""The web face: bytes and CPU for an answer that grows, and what a crowd of tabs costs.

The floors are one rendering of the whole answer, and the answer's own bytes.
"""

import asyncio
import os
import time
from pathlib import Path

import msgspec
from yarl import URL

import machine
from sessions.events import PartialText
from sessions.model import SessionId, TurnId
from tests.bench.figures import Figure, percentile
from tests.bench.loop_lag import loop_lag
from tests.web.web_world import OWNER, Browser, WebWorld, web_world
from web.live.frames import Step
from web.live.growing import GrowingText
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
        growing.take(PartialText(SessionId("s"), 1, TurnId("t"), "0", "text", start, piece))
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
    """So many tabs on one session: memory of each, and how soon the last has an event."""
    ann = await world.browser(OWNER)
    session = await world.session_of(ann, "demo:text hello")
    await world.settled(ann, session)
    before = machine.this().memory_bytes([os.getpid()])
    people = [await _logged_in(world) for _ in range((count + 7) // 8)]
    arrived: list[float] = []
    ready = asyncio.Semaphore(0)
    tabs = [asyncio.create_task(_tab(people[number // 8], session, ready, arrived)) for number in range(count)]
    for _ in tabs:
        await ready.acquire()
    each = (machine.this().memory_bytes([os.getpid()]) - before) / count / 1024
    async with loop_lag() as lag_ms:
        begun = time.monotonic()
        await ann.done("PATCH", f"/api/sessions/{session}", {"title": "For all"})
        await asyncio.gather(*tabs)
    last = (max(arrived) - begun) * 1000
    return [
        # Both ends are in this process: a tab's client is in the figure, too.
        Figure(f"memory of a tab and its client, {count} of them", each, "KiB", at_most=120),
        Figure(f"an event at the last of {count} tabs", last, "ms", at_most=100 if count <= 50 else 1_000),
        Figure("event loop lag meanwhile, p99", percentile(lag_ms, 0.99), "ms", at_most=50),
    ]


async def _logged_in(world: WebWorld) -> Browser:
    """A browser with a login that is not made over HTTP, where so many would be slowed down."""
    new = await world.parts.doors.redeem(await world.parts.doors.make_code(OWNER), "")
    assert new is not None
    browser = await world.stranger()
    browser.http.cookie_jar.update_cookies({world.parts.options.cookie: new.cookie}, URL(browser.address))
    return browser


async def _tab(browser: Browser, session: str, ready: asyncio.Semaphore, arrived: list[float]) -> None:
    async with asyncio.timeout(120), browser.socket() as socket:
        await socket.receive_json()
        await socket.send_json({"type": "sub", "sub": "s", "session": session, "after": 0})
        told = False
        while True:
            frame = await socket.receive_json()
            if not told:
                ready.release()
                told = True
            if "For all" in str(frame):
                arrived.append(time.monotonic())
                return

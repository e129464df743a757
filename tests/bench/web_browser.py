"""The web face in a real browser: the first paint, and how soon an event is in the page."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.figures import Figure, percentile
from tests.web.chromium import CHROMIUM, logged_in, phone
from tests.web.web_world import OWNER, Browser, WebWorld, web_world

if TYPE_CHECKING:
    from playwright.async_api import Page

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_SEEN = """() => {
  window.seen = {};
  new MutationObserver(() => {
    const words = document.getElementById("title").textContent;
    window.seen[words] ??= performance.timeOrigin + performance.now();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    if CHROMIUM is None:
        return []
    async with web_world(directory / "core") as world, phone() as context:
        ann = await world.browser(OWNER)
        session = await world.session_of(ann, "demo:text hello demo:long 40")
        await world.settled(ann, session)
        page = await logged_in(world, context)
        address = f"{world.parts.options.address}/chat/{session}"
        paints = [await _paint(page, address) for _ in range(3 if short else 10)]
        devtools = await context.new_cdp_session(page)
        await devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        slow = [await _paint(page, address) for _ in range(3 if short else 10)]
        await devtools.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        late_ms = await _lateness(world, ann, page, session, 20 if short else 100)
    return [
        Figure("first contentful paint, best", min(paints), "ms", at_most=400),
        Figure("the same with a processor of a quarter", min(slow), "ms", at_most=1_200),
        Figure("event in the page, median", percentile(late_ms, 0.5), "ms", at_most=30),
        Figure("event in the page, p95", percentile(late_ms, 0.95), "ms", at_most=100),
    ]


async def _paint(page: "Page", address: str) -> float:
    await page.goto(address)
    # A function: the page's policy forbids the `eval` with which Playwright asks an expression a second time.
    await page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    return float(await page.evaluate(_PAINT))


async def _lateness(world: WebWorld, ann: Browser, page: "Page", session: str, count: int) -> list[float]:
    """Milliseconds from the moment at which an event is published to its place in the page."""
    await page.wait_for_function("() => document.querySelector('#broken')?.textContent === ''")
    await page.evaluate(_SEEN)
    published: dict[str, float] = {}
    noting = asyncio.create_task(_note(world, session, published), name="published")
    for number in range(count):
        words = f"Title {number}."
        world.parts.commands.forget_all()
        await ann.done("PATCH", f"/api/sessions/{session}", {"title": words})
        await page.wait_for_selector(f"h1:has-text('{words}')")
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)
    seen = await page.evaluate("window.seen")
    return [seen[words] - at_ms for words, at_ms in published.items()]


async def _note(world: WebWorld, session: str, published: dict[str, float]) -> None:
    """Note the moment at which each new title is published."""
    loaded = await world.core.manager.get_session(session)
    async for item in world.core.manager.bus.follow(loaded.id, loaded.snapshot.next_event - 1):
        if title := getattr(getattr(item, "event", None), "title", ""):
            published[title] = time.time() * 1000

"""One Chromium per process of tests, which each test enters through a context of its own.

A start of Chromium takes more than a second of CPU. A context has its own cookies, storage and pages, as a new
profile has, and goes with its test. The browser starts with the first phone and ends with the process.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.web.web_world import OWNER, WebWorld

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_S = 60.0

_LEFT_OUT = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,"
    "PaintHolding,PreconnectToSearch,ThirdPartyStoragePartitioning"
)
# Those with which Playwright starts a browser, and those that keep Chromium from the network and from a screen.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--allow-pre-commit-input",
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
    "--disable-back-forward-cache",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    f"--disable-features={_LEFT_OUT}",
    "--disable-field-trial-config",
    "--disable-gpu",
    "--disable-hang-monitor",
    "--disable-ipc-flooding-protection",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--disable-quic",
    "--disable-renderer-backgrounding",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-startup-window",
    "--password-store=basic",
    "--remote-debugging-port=0",
)


@asynccontextmanager
async def phone() -> AsyncIterator["BrowserContext"]:
    """A phone's browser, 390 px wide, that nobody has used before."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(_address())
        context = await browser.new_context(
            viewport={"width": 390, "height": 844},
            is_mobile=True,
            has_touch=True,
            # Dots that breathe while Claude works are drawn sixty times a second, without a graphics card.
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_S * 1000)
        try:
            yield context
        finally:
            await context.close()
            await browser.close()  # only the connection


async def find_barriers(page: "Page", options: dict[str, Any] | None = None) -> str:
    """Return what Axe finds on the page that keeps somebody out, in words; empty if nothing."""
    from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # no stubs
    from axe_playwright_python.base import AxeResults  # type: ignore[import-untyped]

    # Half a megabyte: read once a document.
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(Axe().axe_script)
    wish = {"resultTypes": ["violations"], **(options or {})}
    found = AxeResults(await page.evaluate("options => axe.run(options)", wish))
    return str(found.generate_report()) if found.violations_count else ""


async def find_barriers_light_and_dark(page: "Page") -> str:
    """The same in both schemes. They differ in colours only, so dark is looked at for those alone."""
    await page.emulate_media(color_scheme="light")
    light = await find_barriers(page)
    await page.emulate_media(color_scheme="dark")
    return light + await find_barriers(page, {"runOnly": {"type": "rule", "values": ["color-contrast"]}})


@cache
def _address() -> str:
    """Where the browser of this process listens; the first call starts it."""
    assert CHROMIUM is not None
    profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile.name}"],
        # Nothing of a test is in its environment: who looks for what a test left running does not find it.
        env={"PATH": os.environ["PATH"], "HOME": profile.name},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def end() -> None:
        process.kill()
        process.wait()
        profile.cleanup()

    atexit.register(end)
    told = Path(profile.name, "DevToolsActivePort")
    deadline = time.monotonic() + PATIENCE_S
    while not (told.exists() and told.read_text().count("\n")):
        assert process.poll() is None, "Chromium ends at once"
        assert time.monotonic() < deadline, "Chromium does not say where it listens"
        time.sleep(0.01)
    return f"http://127.0.0.1:{told.read_text().splitlines()[0]}"


async def logged_in(world: WebWorld, context: "BrowserContext") -> "Page":
    """Open a login link and confirm it; return the page with the list."""
    page = await context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.troubles = troubles  # type: ignore[attr-defined]
    code = await world.parts.doors.make_code(OWNER)
    await page.goto(f"{world.parts.options.address}/login#{code}")
    await page.click("#confirm:not([hidden])")
    await page.wait_for_selector("#new")
    return page

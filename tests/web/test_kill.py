"""The bridge is killed in the middle of an answer: the page goes on, with nothing lost and nothing twice."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.nursery import Program, fork_program
from tests.sessions.running_core import until
from tests.web.page_model import Page
from tests.web.web_world import Browser

_ENDS = "the last words"
_LINES = 20


class Bridge:
    """`claude-bridge web --demo` on a directory of its own, forked and killed by the test."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self.port = port
        self._program: Program | None = None
        self._starts = 0

    async def start(self) -> str:
        """Start it; return the link that it prints once it answers."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self._directory),
            "WEB_PORT": str(self.port),
        }
        self._starts += 1
        output = self._directory / f"output{self._starts}"
        program = await fork_program(
            "tests.web.web_program",
            environment=environment,
            cwd=self._directory,
            output=output,
            errors=Path(os.devnull),
        )
        self._program = program
        await until(lambda: program.ended.done() or output.read_bytes().endswith(b"\n"))
        assert not program.ended.done(), "the bridge ended by itself"
        return output.read_text().strip()

    @property
    def demo_address(self) -> str:
        """The address of the demo model, which outlives the bridge."""
        (record,) = self._directory.rglob("demo.json")
        return f"http://127.0.0.1:{json.loads(record.read_text())['port']}"

    async def kill(self) -> None:
        assert self._program is not None
        os.kill(self._program.pid, signal.SIGKILL)
        await self._program.ended

    async def end(self) -> None:
        """End the bridge and what outlives it: the demo model, Claude."""
        if self._program is not None and not self._program.ended.done():
            await self.kill()
        await end_programs(self._directory)


async def end_programs(directory: Path) -> None:
    """End what outlives a bridge that ran in this directory, and wait until it is gone."""
    for pid in programs_of(directory):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    await until(lambda: not programs_of(directory))


def programs_of(directory: Path) -> Sequence[int]:
    """Return the processes that have this directory in their command line, as the demo model has."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                words = (each / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in words:
                found.append(int(each.name))
    return found


@pytest.mark.real_cli
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="gate"), pytest.param(50, id="soak", marks=pytest.mark.soak)]
)
async def test_a_killed_bridge_loses_nothing_of_a_page(tmp_path: Path, kills: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bridge = Bridge(tmp_path, port)
    try:
        await _killed_and_read(bridge, kills)
    finally:
        await bridge.end()


async def _killed_and_read(bridge: Bridge, kills: int) -> None:
    code, port = (await bridge.start()).partition("#")[2], bridge.port
    address = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        ann = Browser(http, address, address)
        await ann.done("POST", "/api/logins", {"code": code, "confirmed": True})
        # A part for each kill, told apart by its number of lines. The answer waits after it until the kill.
        parts = range(_LINES, _LINES + kills)
        said = " demo:block ".join(f"demo:long {lines} demo:gate part{lines}" for lines in parts)
        session = (await ann.done("POST", "/api/sessions", {"prompt": f"{said} demo:text {_ENDS}"}))["id"]
        html = await ann.done("GET", f"/chat/{session}")
        page, after = Page(html), int(html.partition('data-after="')[2].partition('"')[0])
        for lines in parts:
            after = await _read(ann, page, session, after, f"DEMO line {lines} of {lines}")
            assert not _is_over(page)
            # The answer goes on while no bridge is there.
            async with http.get(f"{bridge.demo_address}/demo/release/part{lines}") as released:
                assert released.status < 400
            await bridge.kill()
            await bridge.start()
        await _read(ann, page, session, after)
        fresh = Page(await ann.done("GET", f"/chat/{session}"))
        shown = page.shown("turns")
        assert shown == fresh.shown("turns")
        for lines in parts:
            for number in range(1, lines + 1):
                ends = (f"DEMO line {number} of {lines}{end}" for end in ("\n", "<"))
                assert sum(map(shown.count, ends)) == 1, (number, lines)
        await ann.done("DELETE", f"/api/sessions/{session}")


async def _read(browser: Browser, page: Page, session: str, after: int, words: str = "") -> int:
    """Follow until the page has the words, or without words until the turn is over; return the place."""
    page.forget_growing()
    async with asyncio.timeout(120), browser.socket() as live:
        assert (await live.receive_json())["type"] == "hello"
        await live.send_json({"type": "sub", "sub": "s", "session": session, "after": after})
        while not (words in page.shown("turns") if words else _is_over(page)):
            frame = await live.receive_json()
            if frame["type"] != "event":
                continue
            for change in frame["changes"]:
                page.apply(change)
            after = frame["n"] if frame["n"] is not None else after
    return after


def _is_over(page: Page) -> bool:
    """Whether the answer's last words are there, beside those of the prompt, and nothing grows any more."""
    shown = page.shown("turns")
    # A prompt that waits has its words twice: it can be edited.
    return shown.count(_ENDS) == 2 and not any(word in shown for word in ("queued", "growing", "running"))

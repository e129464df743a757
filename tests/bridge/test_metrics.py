"""The figures as OpenMetrics text: complete, well-formed, without a word of anybody; on loopback only."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import pytest
from aiohttp import ClientSession

from api import Command, FeedOfAll, GetFile, Position, PutFile, ReadStatistics, Statistics, Totals, UsageRow
from api.access import Action, Actor, ActorSource
from bridge.metrics import CONTENT_TYPE, exposition, keep_file, serving
from sessions.errors import SessionError
from sessions.events import Feed
from sessions.model import Attachment

R = TypeVar("R")
FIGURES = Statistics(
    by_lifecycle={"live": 2, "parked": 100_000_001},
    live_processes=2,
    max_processes=10,
    waiting=1,
    open_asks=3,
    memory_bytes=123_456_789_012,
    totals=Totals(turns=7, failed_turns=2, cost_usd=1.25, input_tokens=1_234_567, mean_duration_ms=1500.0),
    groups=(UsageRow("SENTINEL", Totals()),),
)
SAMPLE = re.compile(r'claude_bridge_[a-z_]+(\{[a-z]+="[a-z_]+"\})? -?[0-9.e+-]+')


class Figures:
    """A core that only knows its figures; `fails` times it does not."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails

    async def perform(self, actor: Actor, command: Command[R]) -> R:
        assert isinstance(command, ReadStatistics)
        self.fails -= 1
        if self.fails >= 0:
            raise SessionError("not now")
        return cast("R", FIGURES)

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        raise NotImplementedError

    async def put_file(self, actor: Actor, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
        raise NotImplementedError

    def get_file(self, actor: Actor, wish: GetFile) -> AsyncGenerator[bytes, None]:
        raise NotImplementedError

    def follow_all(
        self, who: ActorSource, after: Position | None, *, growing: bool = True
    ) -> AsyncGenerator[FeedOfAll, None]:
        raise NotImplementedError

    def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        raise NotImplementedError


def test_every_line_is_openmetrics_and_large_numbers_are_whole() -> None:
    text = exposition(FIGURES, started=1_700_000_000.5)
    *lines, last, empty = text.split("\n")
    assert (last, empty) == ("# EOF", "")
    samples = [line for line in lines if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    for expected in (
        'claude_bridge_sessions{lifecycle="parked"} 100000001',
        "claude_bridge_host_memory_bytes 123456789012",
        'claude_bridge_stored_turns{outcome="failed"} 2',
        'claude_bridge_stored_turns{outcome="other"} 5',
        'claude_bridge_stored_tokens{kind="input"} 1234567',
        "claude_bridge_stored_cost_dollars 1.25",
        'claude_bridge_mean_seconds{of="turn"} 1.5',
        "claude_bridge_start_time_seconds 1700000000.5",
    ):
        assert expected in samples
    assert "SENTINEL" not in text


def test_each_metric_has_its_type_and_help_before_its_samples_and_its_unit_in_its_name() -> None:
    described: set[str] = set()
    for line in exposition(FIGURES).splitlines():
        words = line.split()
        if words[0] == "#" and words[1] == "TYPE":
            assert words[2] not in described
            described.add(words[2])
        elif words[0] == "#" and words[1] == "UNIT":
            assert words[2].endswith(f"_{words[3]}")
        elif words[0] != "#":
            assert re.split(r"[{ ]", line)[0] in described


async def test_the_port_answers_this_machine_and_refuses_a_page_that_was_led_here() -> None:
    async with serving(Figures(), 0) as port, ClientSession() as http:
        url = f"http://127.0.0.1:{port}/metrics"
        async with http.get(url) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, CONTENT_TYPE)
            assert (await answer.text()).endswith("# EOF\n")
        async with http.get(url, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403
        async with http.get(url, headers={"Host": "localhost"}) as answer:
            assert answer.status == 200


async def test_figures_that_cannot_be_read_are_a_503() -> None:
    async with (
        serving(Figures(fails=1), 0) as port,
        ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 503


async def test_the_file_is_whole_readable_for_a_collector_and_written_again_after_trouble(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bridge.prom"
    os.umask(umask := os.umask(0))
    task = asyncio.create_task(keep_file(Figures(fails=2), path, every_s=0.001))
    async with asyncio.timeout(60):
        while not path.exists():  # noqa: ASYNC110  what it makes is a file, and no event
            await asyncio.sleep(0.001)
        assert path.read_text().endswith("# EOF\n")
        assert path.stat().st_mode & 0o777 == 0o644 & ~umask
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("directory", ["missing"])
async def test_a_directory_that_is_not_there_ends_nothing(tmp_path: Path, directory: str) -> None:
    task = asyncio.create_task(keep_file(Figures(), tmp_path / directory / "x.prom", every_s=0.001))
    async with asyncio.timeout(60):
        for _ in range(20):
            await asyncio.sleep(0.001)
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

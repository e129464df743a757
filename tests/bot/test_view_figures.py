"""The view's figures with 80 ms to Discord and its real bucket sizes; asserted with room for a busy machine."""

import asyncio
import os
import statistics
import time
from pathlib import Path

import pytest

from bot.view import ViewOptions
from sessions.model import Text
from tests.bot.room import room
from tests.chaos.discord_world import discord_world
from tests.fakes.discord_server import FakeDiscord, Settings
from tests.fakes.discord_server.fixtures import fake_discord

LATENCY_S = 0.08
MOST_S = 0.6
"""The goal is 300 ms; a busy machine may take twice as long."""


@pytest.mark.bench
async def test_the_first_text_is_there_within_300_ms(tmp_path: Path) -> None:
    async with (
        fake_discord(FakeDiscord(Settings(latency_s=LATENCY_S))) as fake,
        room(fake, tmp_path, ViewOptions()) as r,
    ):
        figures = []
        for number in range(3):  # a busy machine only adds: the best counts
            words = f"The words of round {number}"
            await r.session.prompt("ask")
            fake.advance(60)
            await asyncio.sleep(0.3)  # Claude thinks before it speaks
            began = time.perf_counter()
            await r.session.say(words)
            await r.thread.wait_for(lambda place, words=words: words in place.last.text)  # type: ignore[misc]
            figures.append(time.perf_counter() - began)
            if min(figures) < MOST_S:
                break
            await r.session.add(Text(words))
            await r.session.end()
            await r.settled()
        print(f"\nfirst text after {min(figures) * 1000:.0f} ms")
        assert min(figures) < MOST_S


@pytest.mark.bench
@pytest.mark.timeout(600)
async def test_a_bot_with_many_sessions_acknowledges_soon_and_stays_small(tmp_path: Path) -> None:
    """The real bot process, its sessions streaming together; VIEW_SESSIONS sets how many."""
    sessions = int(os.environ.get("VIEW_SESSIONS", "4"))
    async with discord_world(tmp_path / "w", settings=Settings(latency_s=LATENCY_S)) as town:
        await town.start()
        for number in range(sessions):
            await town.begin(f"s{number}")
        await town.right()
        for thread in town.threads:
            town.write(thread, "streams", "{name} demo:slow 33 demo:long 90 demo:digest")
        await town.fake.until(lambda: all("streams" in thread.last.text for thread in town.threads), 60)
        took_ms = []
        for _ in range(10):
            outcome = await town.ann.slash(town.fake.general, "session list")
            assert outcome.failure is None
            took_ms.append(outcome.ack_ms)
        status = Path(f"/proc/{town.made.pid}/status").read_text()
        memory_mb = int(next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)) / 1024
        await town.right()
        worst = sorted(took_ms)[-2]
        print(
            f"\n{sessions} sessions streaming: acknowledged after {statistics.median(took_ms):.0f} ms,"
            f" p95 {worst:.0f} ms; the bot has {memory_mb:.0f} MB"
        )
        assert worst < 2_500
        assert memory_mb < 120

"""The view's figures with 80 ms to Discord and its real bucket sizes; asserted with room for a busy machine."""

import asyncio
import os
import re
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.view import ViewOptions
from sessions.model import Text
from tests.bot.room import room, watched
from tests.bot.stage import stage
from tests.chaos.discord_world import discord_world
from tests.fakes.discord_server import FakeDiscord, Place, Settings
from tests.fakes.discord_server.fixtures import fake_discord

LATENCY_S = 0.08
_WORD = re.compile(r"\bword(\d+)")


@pytest.mark.bench
async def test_the_first_text_is_there_within_300_ms(tmp_path: Path) -> None:
    async with (
        fake_discord(FakeDiscord(Settings(latency_s=LATENCY_S))) as fake,
        room(fake, tmp_path, ViewOptions()) as r,
    ):
        figures = []
        for _ in range(4):
            await r.session.prompt("ask")
            fake.advance(60)
            await asyncio.sleep(0.3)  # Claude thinks before it speaks
            began = time.perf_counter()
            await r.session.say("The first words")
            await r.thread.wait_for(lambda place: "The first words" in place.last.text)
            figures.append(time.perf_counter() - began)
            await r.session.add(Text("The first words"))
            await r.session.end()
            await r.settled()
        print(f"\nfirst text after {statistics.median(figures) * 1000:.0f} ms")
        assert statistics.median(figures) < 0.6


@pytest.mark.bench
async def test_answers_are_complete_soon_after_their_end_while_many_stream(tmp_path: Path) -> None:
    """Sessions in as many threads, 30 tokens a second each; no 429. VIEW_STREAMS and VIEW_SECONDS set more."""
    streams, seconds = int(os.environ.get("VIEW_STREAMS", "12")), float(os.environ.get("VIEW_SECONDS", "8"))
    async with (
        fake_discord(FakeDiscord(Settings(latency_s=LATENCY_S))) as fake,
        stage(tmp_path) as core,
        watched(fake, core, ViewOptions()) as view,
    ):
        owner = fake.member("ann")
        threads = [owner.start_thread(fake.general, f"thread {n}") for n in range(streams)]
        sessions = [await core.session(thread.id, owner.id) for thread in threads]
        for session in sessions:
            await view.show(await core.place(session.id))
        await view.settled()
        lags = []
        ages = list[float]()

        async def stream(number: int) -> None:
            session, thread = sessions[number], threads[number]
            await session.prompt("go")
            text, said = "", list[float]()
            async with sampled(thread, said, ages):
                for n in range(int(seconds * 30)):
                    word = f"word{n} " if n % 12 else f"word{n}.\n\n"
                    text += word
                    said.append(time.perf_counter())
                    await session.say(word)
                    await asyncio.sleep(1 / 30)
            await session.add(Text(text))
            began = time.perf_counter()
            await session.end()
            await thread.wait_for(lambda place: place.messages and "Done in" in place.last.text, 60)
            lags.append(time.perf_counter() - began)

        await asyncio.gather(*(stream(number) for number in range(streams)))
        worst = sorted(lags)[int(len(lags) * 0.95)]
        limited = [one for one in fake.requests if one.status == 429]
        stale, late = statistics.mean(ages), sorted(ages)[int(len(ages) * 0.95)]
        print(
            f"\n{streams} streams: final text p95 {worst:.2f} s, {len(limited)} requests limited,"
            f" shown text {stale:.2f} s old on average, p95 {late:.2f} s"
        )
        assert len(limited) <= len(fake.requests) / 100
        assert worst < 4
        assert stale < 2


@asynccontextmanager
async def sampled(thread: Place, said: Sequence[float], ages: list[float]) -> AsyncIterator[None]:
    """While the block runs, note how long the first word that `thread` does not show was said ago."""

    async def sample() -> None:
        while True:
            await asyncio.sleep(0.1)
            words = _WORD.findall(thread.last.text)
            if words and int(words[-1]) + 1 < len(said):
                ages.append(time.perf_counter() - said[int(words[-1]) + 1])
            elif words:
                ages.append(0.0)

    sampling = asyncio.create_task(sample(), name="sampling")
    try:
        yield
    finally:
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)


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
            town.write(thread, "streams", "{name} demo:slow 33 demo:long 240 demo:digest")
        await town.fake.until(lambda: all("streams" in thread.last.text for thread in town.threads), 60)
        took_ms = []
        for _ in range(20):
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

"""The view's figures with 80 ms to Discord and its real bucket sizes; asserted with room for a busy machine."""

import asyncio
import os
import statistics
import time
from pathlib import Path

import pytest

from bot.view import ViewOptions
from sessions.model import Text
from tests.bot.room import room, watched
from tests.bot.stage import stage
from tests.fakes.discord_server import FakeDiscord, Settings
from tests.fakes.discord_server.fixtures import fake_discord

LATENCY_S = 0.08


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

        async def stream(number: int) -> None:
            session, thread = sessions[number], threads[number]
            await session.prompt("go")
            text = ""
            for n in range(int(seconds * 30)):
                word = f"word{n} " if n % 12 else f"word{n}.\n\n"
                text += word
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
        print(f"\n{streams} streams: final text p95 {worst:.2f} s, {len(limited)} requests limited")
        assert limited == []
        assert worst < 4

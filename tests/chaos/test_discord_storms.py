"""Fault 10: Discord limits, fails, loses answers and is away; a minute later everything is there, once."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.discord_world import RIGHT_WITHIN_S, DiscordWorld, discord_world
from tests.chaos.test_kills import SEED
from tests.fakes.discord_server import FakeDiscord

Storm = Callable[[FakeDiscord, float], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def limits(fake: FakeDiscord, seconds: float) -> AsyncIterator[None]:
    """429 on half of all calls, from limits that others have used up."""
    for retry_after_s in (0.1, 0.4, 1.0):
        fake.faults.limit(retry_after_s, times=None, is_shared=True, probability=0.2)
    yield


@asynccontextmanager
async def global_limit(fake: FakeDiscord, seconds: float) -> AsyncIterator[None]:
    """The bot's own global limit is used up, twice a minute, each time for a second.

    What is under way in that moment counts as invalid, whatever the bot does.
    """

    async def close() -> None:
        for _ in range(max(1, int(seconds / 30))):
            fake.site.rate_limits.close_global(1.0)
            await asyncio.sleep(30)

    closing = asyncio.create_task(close(), name="global limit")
    try:
        yield
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)


@asynccontextmanager
async def errors(fake: FakeDiscord, seconds: float) -> AsyncIterator[None]:
    """Half of all calls fail with a 5xx."""
    for status in (500, 502, 503, 504):
        fake.faults.fail(status, times=None, probability=0.16)
    yield


@asynccontextmanager
async def lost_answers(fake: FakeDiscord, seconds: float) -> AsyncIterator[None]:
    """A fifth of all calls take effect, and their answers are lost."""
    fake.faults.lose_answer("*", times=None, probability=0.2)
    yield


@asynccontextmanager
async def away(fake: FakeDiscord, seconds: float) -> AsyncIterator[None]:
    """Nobody answers."""
    async with fake.outage():
        yield


async def weather(town: DiscordWorld, storms: Sequence[Storm], seconds: float) -> float:
    """Let `storms` rage together for `seconds` while people write; how long it took afterwards to be right."""
    rounds = min(12, max(3, int(seconds / 10)))  # a thread takes a post a second
    rng = random.Random(SEED)
    async with AsyncExitStack() as stack:
        for storm in storms:
            await stack.enter_async_context(storm(town.fake, seconds))
        for number in range(rounds):
            for thread in town.threads:
                town.write(thread, f"{'-'.join(each.__name__ for each in storms)}-{number}")
            await asyncio.sleep(seconds / rounds * rng.uniform(0.9, 1.1))
        town.fake.faults.clear()
    return await town.right(RIGHT_WITHIN_S)


async def storms(root: Path, *, threads: int, plan: Sequence[tuple[float, Sequence[Storm]]]) -> None:
    async with discord_world(root, seed=SEED) as town:
        await town.start()
        for number in range(threads):
            await town.begin(f"t{number}")
        await town.right()
        for seconds, each in plan:
            took_s = await weather(town, each, seconds)
            names = " and ".join(one.__name__ for one in each)
            print(f"\n{names} for {seconds:.0f} s: right {took_s:.1f} s after")
        limits_met = town.fake.site.rate_limits.invalid_requests
        print(f"{limits_met} of {len(town.fake.requests)} requests invalid")
        await town.finish()


@pytest.mark.timeout(400)
async def test_storms_of_discord_lose_nothing_double_nothing_and_are_over_in_a_minute(tmp_path: Path) -> None:
    plan = [(3.0, [limits, lost_answers]), (3.0, [errors, global_limit]), (3.0, [away])]
    await storms(tmp_path / "w", threads=3, plan=plan)


@pytest.mark.soak
async def test_long_storms_of_discord_lose_nothing_double_nothing_and_are_over_in_a_minute(
    tmp_path: Path,
) -> None:
    away_s = float(os.environ.get("CHAOS_AWAY_S", "600"))
    single = [[limits], [global_limit], [errors], [lost_answers], [limits, lost_answers, global_limit]]
    plan = [(60.0, each) for each in single]
    await storms(tmp_path / "w", threads=8, plan=[*plan, (away_s, [away])])

"""Faults 1 and 2: the bot is killed, at random moments and at every named point."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from faults import EXIT_CODE
from tests.chaos.people import Crowd
from tests.chaos.points import crash_points
from tests.chaos.world import World, world

SEED = int(os.environ.get("CHAOS_SEED", "5"))
REACH_S = 45.0

# A point of the Discord face is passed only with Discord; one of migrations only by an old database.
MIGRATION_POINTS = frozenset(name for name in crash_points() if "migration" in name)
DISCORD_POINTS = frozenset(name for name, package in crash_points().items() if package == "bot")
# Nobody makes branches, bundles or backups here, or ends a session with a summary: their own tests die there.
OTHERS = ("branch.", "merge.", "backup.", "bundle_restore.", "end.")
OTHER_POINTS = frozenset(name for name in crash_points() if name.startswith(OTHERS))
CORE_POINTS = sorted(crash_points().keys() - MIGRATION_POINTS - DISCORD_POINTS - OTHER_POINTS)


async def kill_at_random(world: World, rng: random.Random, times: int) -> None:
    """Kill bots after a random life, a third of them before they answer."""
    for _ in range(times):
        early = rng.random() < 0.3
        await world.start_bot(wait=not early)
        # The moment of death is the point here, not something to wait for.
        await asyncio.sleep(rng.uniform(0, 0.25))
        await world.kill_bot()


async def finish(world: World, crowd: Crowd) -> None:
    """Park everybody, stop the bot, and have everything judged."""
    await crowd.park_all()
    await world.cleared_away()
    await world.stop_bot()
    found = await world.violations()
    assert found == [], "\n".join(map(str, found)) + world.sentences()


async def random_kills(root: Path, *, sessions: int, kills: int) -> None:
    async with world(root) as made:
        crowd = Crowd(made, SEED, sessions)
        async with crowd.busy(finish_s=90 + 5 * sessions):
            await kill_at_random(made, random.Random(SEED), kills)
            await made.start_bot()
        await finish(made, crowd)


async def die_at_each_point(root: Path, *, times: int) -> None:
    """Have the bot die `times` times at each point, while restless people use it."""
    rng = random.Random(SEED)
    points = [name for name in CORE_POINTS for _ in range(times)]
    rng.shuffle(points)
    async with world(root) as made:
        crowd = Crowd(made, SEED, 3, restless=True)
        async with crowd.busy():
            for name in points:
                await made.start_bot(crash_at=f"{name}:{rng.randint(1, 3)}")
                async with asyncio.timeout(REACH_S):
                    assert await made.death() == EXIT_CODE, f"{name}\n{made.sentences()}"
            await made.start_bot()
        await finish(made, crowd)


@pytest.mark.timeout(300)
async def test_eight_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    await random_kills(tmp_path / "w", sessions=4, kills=8)


@pytest.mark.timeout(300)
async def test_dying_once_at_every_named_point_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    await die_at_each_point(tmp_path / "w", times=1)


@pytest.mark.soak
async def test_a_thousand_kills_of_fifty_sessions_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    sessions, kills = (int(os.environ.get(f"CHAOS_{name}", "0")) for name in ("SESSIONS", "KILLS"))
    await random_kills(tmp_path / "w", sessions=sessions or 50, kills=kills or 1000)


@pytest.mark.soak
async def test_dying_twenty_times_at_every_named_point_loses_nothing(tmp_path: Path) -> None:
    await die_at_each_point(tmp_path / "w", times=int(os.environ.get("CHAOS_TIMES", "20")))

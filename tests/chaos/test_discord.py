"""Faults 1 and 11 with Discord: the bot is killed, cut off and away while it writes and people write to it."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.chaos.discord_world import DEADLINE_S, DiscordWorld, discord_world, has_button
from tests.chaos.test_kills import SEED
from tests.fakes.discord_server import Place, Settings

HASTE = 1200.0
ASK = "{name} demo:bash touch seen-{name} demo:digest"
AWAY_S = 900.0


async def kills(root: Path, *, threads: int, times: int) -> None:
    """Kill the bot `times` times while `threads` answers are written and more prompts come, bot or no bot."""
    rng = random.Random(SEED)
    async with discord_world(root, haste=HASTE) as town:
        await town.start()
        for number in range(threads):
            await town.begin(f"t{number}")
        for number in range(times):
            # The moment of death is the point here, not something to wait for.
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            await town.kill()
            town.write(rng.choice(town.threads), f"m{number}")
            await town.start()
        await town.finish(within_s=DEADLINE_S + times)


async def dropped(town: DiscordWorld) -> None:
    """The gateway closes, is cut, and asks to come back; each time the bot resumes."""
    gateway = town.fake.gateway
    for number, drop in enumerate((gateway.drop, gateway.abort, gateway.reconnect)):
        resumed = gateway.resumes
        drop()
        for thread in town.threads:
            town.write(thread, f"dropped-{number}")
        await until_resumed(town, resumed)


async def until_resumed(town: DiscordWorld, before: int) -> None:
    """Wait until the bot has resumed more often than `before`."""
    await town.fake.until(lambda: town.fake.gateway.resumes > before, DEADLINE_S)


async def silent(town: DiscordWorld) -> None:
    """The gateway keeps the connection and says nothing more on it."""
    resumed = town.fake.gateway.resumes
    town.fake.gateway.zombie()
    for thread in town.threads:
        town.write(thread, "silent")
    await until_resumed(town, resumed)


async def refused(town: DiscordWorld, times: int) -> None:
    """The session is gone, and so many new ones are refused before one is given."""
    gateway, began = town.fake.gateway, len(town.fake.gateway.identifies)
    logins = len(town.fake.requests.to("GET /users/@me"))
    gateway.refuse_identifies(times)
    gateway.invalidate()
    for thread in town.threads:
        town.write(thread, "refused")
    await town.fake.until(lambda: gateway.connected, DEADLINE_S + times)
    assert len(gateway.identifies) == began + times + 1
    assert len(town.fake.requests.to("GET /users/@me")) == logins, "only the gateway was to be waited for"


async def away(town: DiscordWorld, seconds: float) -> None:
    """The bot is off for a quarter of an hour, and people write; `seconds` of it pass for this machine."""
    await town.kill()
    for number in range(3):
        for thread in town.threads:
            town.write(thread, f"away-{number}")
        await asyncio.sleep(seconds / 3)
    town.fake.advance(AWAY_S - seconds)
    await town.start()


async def open_ask(town: DiscordWorld) -> Place:
    """A thread in which Claude waits for an answer; it is none of those that are written in."""
    thread = await town.begin("asks")
    town.threads.remove(thread)
    town.write(thread, "ask", ASK)
    await thread.wait_for_message(has_button("Allow once"), DEADLINE_S)
    return thread


async def gateway(root: Path, *, threads: int, refusals: int, away_s: float) -> None:
    settings = Settings(heartbeat_interval_ms=500, identify_every_s=5.0 / HASTE)
    async with discord_world(root, haste=HASTE, settings=settings) as town:
        await town.start()
        asked = await open_ask(town)
        for number in range(threads):
            await town.begin(f"t{number}")
        await dropped(town)
        await town.right(at_rest=False)
        await silent(town)
        await town.right(at_rest=False)
        await refused(town, refusals)
        await town.right(at_rest=False)
        await away(town, away_s)
        await town.right(at_rest=False)
        card = await asked.wait_for_message(has_button("Allow once"))
        outcome = await town.ann.click(card, "Allow once")
        assert outcome.failure is None
        town.threads.append(asked)
        await town.finish()
        assert len(list(town.made.root.glob("workspaces/**/seen-ask"))) == 1


@pytest.mark.timeout(240)
async def test_threads_show_every_answer_once_although_the_bot_is_killed(tmp_path: Path) -> None:
    await kills(tmp_path / "w", threads=2, times=3)


@pytest.mark.timeout(300)
async def test_whatever_the_gateway_does_each_message_is_handled_once(tmp_path: Path) -> None:
    await gateway(tmp_path / "w", threads=2, refusals=20, away_s=0.0)


@pytest.mark.soak
async def test_threads_show_every_answer_once_although_the_bot_is_killed_often(tmp_path: Path) -> None:
    times = int(os.environ.get("CHAOS_KILLS", "200"))
    await kills(tmp_path / "w", threads=8, times=times)


@pytest.mark.soak
async def test_a_gateway_that_refuses_for_two_days_and_a_bot_away_for_15_minutes_lose_nothing(
    tmp_path: Path,
) -> None:
    refusals = int(os.environ.get("CHAOS_REFUSALS", "500"))
    await gateway(tmp_path / "w", threads=4, refusals=refusals, away_s=AWAY_S)

"""The supervisor: connects again after trouble, never too often, and gives up with a sentence where it must."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.errors import DiscordRefused
from bot.supervisor import (
    MAX_DELAY_S,
    MAX_RECONNECT_S,
    CappedBackoff,
    Pace,
    StartBudget,
    Supervisor,
    TooManyStarts,
    cap_reconnect_backoff,
    logged_in,
    permanent_refusal,
    start_delay_s,
)
from tests.bot.ways import core
from tests.fakes.discord_server import FakeDiscord, Settings
from tests.fakes.discord_server.fixtures import QuietClient, fake, fake_discord
from tests.sessions.running_core import RunningCore

__all__ = ["core", "fake"]

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("starts", "delay"),
    [
        pytest.param([], 0.0, id="the first"),
        pytest.param([0] * 4, 0.0, id="the fifth in an hour"),
        pytest.param([0] * 5, 2.0, id="the sixth"),
        pytest.param([0] * 7, 8.0, id="the eighth"),
        pytest.param([0] * 100, MAX_DELAY_S, id="never longer than five minutes"),
        pytest.param([-HOUR_MS] * 100, 0.0, id="old starts do not count"),
        pytest.param([-1500] * 5, 0.5, id="time that passed since counts"),
        pytest.param([-HOUR_MS - 5] * 99 + [0] * 4, 0.0, id="old and new"),
        pytest.param([24 * HOUR_MS, *[0] * 5], 2.0, id="a start from before the clock was set back"),
    ],
)
def test_starts_that_follow_closely_wait_longer_and_longer(starts: list[int], delay: float) -> None:
    now = 10 * HOUR_MS
    assert start_delay_s([now + each for each in starts], now) == delay


def test_connections_that_follow_closely_are_slowed_down() -> None:
    clock = SimpleNamespace(now=0.0)
    pace = Pace(lambda: clock.now)
    pauses = [pace.next_pause_s() for _ in range(12)]
    assert pauses == [0, 0, 0, 0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    clock.now = 100.0
    assert pace.next_pause_s() == 0.0


def test_the_librarys_pause_before_a_reconnect_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord.client, "ExponentialBackoff", discord.client.ExponentialBackoff)  # type: ignore[attr-defined]  # put back after
    cap_reconnect_backoff()
    backoff = vars(discord.client)["ExponentialBackoff"]()
    assert isinstance(backoff, CappedBackoff)
    assert max(backoff.delay() for _ in range(200)) <= MAX_RECONNECT_S


def closed(code: int) -> discord.ConnectionClosed:
    return discord.ConnectionClosed(cast("Any", SimpleNamespace(close_code=code)), shard_id=None, code=code)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (discord.LoginFailure(), "DISCORD_TOKEN"),
        (discord.PrivilegedIntentsRequired(None), "Message Content Intent"),
        (closed(4004), "DISCORD_TOKEN"),
        (closed(4010), "shard"),
        (closed(4011), "sharded"),
        (closed(4012), "Update the bridge"),
        (closed(4013), "Update the bridge"),
        (closed(4014), "Message Content Intent"),
        (closed(4000), None),
        (OSError(), None),
        (AttributeError(), None),
    ],
)
def test_what_cannot_get_better_becomes_a_sentence(error: Exception, words: str | None) -> None:
    refusal = permanent_refusal(error)
    assert (refusal is None) if words is None else (words in str(refusal))


async def test_starts_are_remembered_and_too_many_are_refused(core: RunningCore) -> None:
    now = 5 * HOUR_MS
    budget = StartBudget(core.db, lambda: now)
    for _ in range(9):
        await budget.spend()
    again = StartBudget(core.db, lambda: now)
    assert await again.delay_s() == 32.0
    with pytest.raises(TooManyStarts):
        await again.spend()


class Connections:
    """Makes clients, counting; `broken` is raised by so many connections first."""

    def __init__(self, fake: FakeDiscord, *broken: Exception) -> None:
        self.fake = fake
        self.broken = list(broken)
        self.made = 0

    @asynccontextmanager
    async def make(self) -> AsyncIterator[discord.Client]:
        self.made += 1
        if self.broken:
            raise self.broken.pop(0)
        async with logged_in(QuietClient(), self.fake.token) as client:
            yield client


@asynccontextmanager
async def supervised(connections: Connections, core: RunningCore) -> AsyncIterator[asyncio.Task[None]]:
    budget = StartBudget(core.db, core.manager.now_ms)
    task = asyncio.create_task(Supervisor(connections.make, budget).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("error", "traceback"), [(OSError("no network"), False), (AttributeError("a bug"), True)]
)
async def test_only_a_failure_that_nobody_expects_is_logged_with_its_traceback(
    fake: FakeDiscord, core: RunningCore, caplog: pytest.LogCaptureFixture, error: Exception, traceback: bool
) -> None:
    async with supervised(Connections(fake, error), core):
        await fake.until_connected()
    (record,) = [
        each for each in caplog.records if each.levelname == "WARNING" and each.name == "bot.supervisor"
    ]
    assert bool(record.exc_info) is traceback
    assert type(error).__name__ in vars(record)["why"]


async def test_trouble_at_the_start_is_tried_again(fake: FakeDiscord, core: RunningCore) -> None:
    # What the library raises when the gateway cannot be reached at the first connect.
    connections = Connections(fake, AttributeError("'NoneType' object has no attribute 'sequence'"))
    async with supervised(connections, core):
        await fake.until_connected()
    assert connections.made == 2


async def test_without_the_intent_it_ends_with_a_sentence(core: RunningCore) -> None:
    async with fake_discord(FakeDiscord(Settings(message_content_intent=False))) as fake:
        connections = Connections(fake)
        async with supervised(connections, core) as task:
            with pytest.raises(DiscordRefused, match="Message Content Intent"):
                await task
    assert connections.made == 1


async def test_the_reserve_of_session_starts_is_never_touched(core: RunningCore) -> None:
    async with fake_discord(FakeDiscord(Settings(session_starts_per_day=49))) as fake:
        async with supervised(Connections(fake), core) as task:
            with pytest.raises(DiscordRefused, match="49 more session starts"):
                await task
        assert not fake.gateway.connected


async def test_a_gateway_that_refuses_every_resume_is_not_stormed(fake: FakeDiscord, core: RunningCore) -> None:
    async with supervised(Connections(fake), core):
        await fake.until_connected()
        opened = 0
        deadline = asyncio.get_running_loop().time() + 2.0
        while asyncio.get_running_loop().time() < deadline:
            if fake.gateway.connected:
                opened += 1
                fake.gateway.drop()
            await asyncio.sleep(0.001)
    assert opened < 12

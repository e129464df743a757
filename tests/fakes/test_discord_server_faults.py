"""Faults of the fake's REST side, and what the real discord.py makes of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import discord
import pytest

from .discord_server import FakeDiscord, Settings
from .discord_server.fixtures import fake, fake_discord, logged_in
from .discord_server.sample_bot import TOKEN_VARIABLE

__all__ = ["fake"]


async def test_a_lost_answer_leaves_the_message_there_and_a_retry_with_its_nonce_finds_it(
    fake: FakeDiscord,
) -> None:
    lost = fake.faults.lose_answer()
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await channel.send("once", nonce="row-1")
        again = await channel.send("once", nonce="row-1")
    assert [one.id for one in fake.general.messages] == [again.id]
    assert (lost.hits, fake.requests[-2].answer_lost, fake.requests[-2].accepted) == (1, True, True)


async def test_a_reset_before_acceptance_leaves_nothing(fake: FakeDiscord) -> None:
    fake.faults.reset("POST /channels/*/messages")
    async with logged_in(fake) as client:
        with pytest.raises(aiohttp.ClientError):
            await client.get_partial_messageable(fake.general.id).send("x")
    assert fake.general.messages == []
    assert not fake.requests[-1].accepted


async def test_only_the_nth_matching_request_is_hit(fake: FakeDiscord) -> None:
    fake.faults.fail(503, "POST /channels/*/messages", skip=1)
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        await channel.send("one")
        with pytest.raises(discord.DiscordServerError):
            await channel.send("two")
        await channel.send("three")
    assert [one.content for one in fake.general.messages] == ["one", "three"]


@pytest.mark.parametrize(("shared", "counted"), [(False, 2), (True, 0)])
async def test_a_limit_that_others_used_up_counts_as_no_invalid_request(
    fake: FakeDiscord, shared: bool, counted: int
) -> None:
    fake.faults.limit(0.01, "POST /channels/*/messages", times=2, is_shared=shared)
    async with logged_in(fake) as client:
        await client.get_partial_messageable(fake.general.id).send("at last")
    assert fake.site.rate_limits.invalid_requests == counted


async def test_a_global_limit_holds_for_its_time_and_whoever_waits_is_told_once(fake: FakeDiscord) -> None:
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        fake.site.rate_limits.close_global(0.3)
        for n in range(3):
            await channel.send(f"{n}")
    assert [one.content for one in fake.general.messages] == ["0", "1", "2"]
    assert fake.site.rate_limits.invalid_requests == 1


@pytest.mark.parametrize("granted", [True, False])
async def test_the_application_shows_which_intents_the_portal_grants(granted: bool) -> None:
    made = FakeDiscord(Settings(message_content_intent=granted))
    async with fake_discord(made) as fake, logged_in(fake) as client:
        application = await client.application_info()
    assert application.flags.gateway_message_content_limited is granted
    assert not application.flags.gateway_guild_members_limited


async def test_a_seed_makes_faults_of_chance_repeatable() -> None:
    def hits(seed: int) -> list[bool]:
        faults = FakeDiscord(seed=seed).faults
        faults.reset(times=None, probability=0.5)
        return [faults.strike("GET /users/@me") is not None for _ in range(40)]

    assert hits(1) == hits(1) != hits(2)
    assert 5 < sum(hits(1)) < 35


async def test_a_502_is_retried_by_the_library(fake: FakeDiscord) -> None:
    fake.faults.fail(502, "GET /users/{user_id}")
    async with logged_in(fake) as client:
        assert (await client.fetch_user(fake.admin.id)).name == "admin"


@pytest.mark.parametrize("is_global", [False, True])
async def test_a_storm_of_429s_passes(fake: FakeDiscord, is_global: bool) -> None:
    storm = fake.faults.limit(0.01, "GET /users/{user_id}", times=3, is_global=is_global)
    async with logged_in(fake) as client:
        assert (await client.fetch_user(fake.admin.id)).name == "admin"
    assert storm.hits == 3


async def test_a_429_from_cloudflare_is_raised_at_once(fake: FakeDiscord) -> None:
    fake.faults.limit(0.01, "GET /users/{user_id}", cloudflare=True)
    async with logged_in(fake) as client:
        with pytest.raises(discord.HTTPException) as refused:
            await client.fetch_user(fake.admin.id)
    assert refused.value.status == 429


async def test_in_an_outage_every_connection_is_refused_and_afterwards_all_is_as_before(
    fake: FakeDiscord,
) -> None:
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        await channel.send("before")
        async with fake.outage():
            with pytest.raises(aiohttp.ClientError):
                await channel.send("cut")
            with pytest.raises(aiohttp.ClientConnectorError):
                await channel.send("during")
        await channel.send("after")
    assert [one.content for one in fake.general.messages] == ["before", "after"]


@asynccontextmanager
async def sample_bot(fake: FakeDiscord, cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The sample bot as a process, connected; killed at the end if it still runs."""
    argv, added = fake.command_line("tests.fakes.discord_server.sample_bot")
    environment = {**os.environ, **added, TOKEN_VARIABLE: fake.token}
    process = await asyncio.create_subprocess_exec(*argv, cwd=cwd, env=environment)
    try:
        await fake.until_connected(60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_bot_killed_between_its_post_and_the_answer_says_nothing_twice(
    fake: FakeDiscord, tmp_path: Path
) -> None:
    alice = fake.member("alice")
    async with sample_bot(fake, tmp_path) as process:
        held = fake.faults.hold()
        alice.send(fake.general, "say it once")
        async with asyncio.timeout(60):
            await held.reached.wait()
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        await fake.until_gone()
        held.release()
    before = len(fake.requests)
    async with sample_bot(fake, tmp_path):
        retried = "POST /channels/{channel_id}/messages"
        await fake.general.wait_for(lambda place: len(fake.requests.to(retried)) == 2 or None)
    assert [one.content for one in fake.general.from_bot] == ["it once"]
    assert len(fake.requests) > before

"""How requests keep to Discord's buckets, with the real library on the fake."""

import asyncio
import time

import aiohttp
import discord
import pytest

from bot.errors import sentence_for
from bot.rate_limits import keep_to_buckets
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server import FakeDiscord, Rate, RateSettings, Settings
from tests.fakes.discord_server.fixtures import fake_discord, logged_in
from tests.fakes.discord_server.rate_limits import POST_MESSAGE, POST_THREAD, POST_THREAD_ON_MESSAGE

__all__ = ["core", "fake", "town", "ways"]


async def test_a_second_session_of_the_channel_is_opened_within_the_window_of_the_first(ways: Ways) -> None:
    for prompt in ("demo:text one", "demo:text two"):
        await ways.started(ways.town.ann, prompt)
    assert len(ways.fake.general.threads) == 2


async def test_whoever_is_refused_a_thread_is_told_how_long_and_discord_is_not_asked(ways: Ways) -> None:
    ways.fake.site.rate_limits.settings.rates[POST_THREAD] = Rate(1, 300.0)
    await ways.started(ways.town.ann, "demo:text one")
    refused = await ways.town.ann.slash(ways.fake.general, "claude", prompt="demo:text two").settled()
    assert "for 4 min 5" in refused.text or "for 5 min" in refused.text
    ways.town.ann.send(ways.fake.general, f"{ways.fake.bot.mention} demo:text three")
    told = await ways.fake.general.wait_for_message(lambda each: "takes no more of that here" in each.text)
    assert told.author.id == ways.fake.bot.id
    assert len(ways.fake.requests.to(POST_THREAD_ON_MESSAGE)) == 1


async def test_a_request_that_takes_the_last_place_returns_at_once_and_the_next_one_waits() -> None:
    rates = RateSettings(rates={POST_MESSAGE: Rate(2, 0.6)})
    async with fake_discord(FakeDiscord(rates=rates)) as fake, logged_in(fake) as client:
        keep_to_buckets(client)
        channel = client.get_partial_messageable(fake.general.id)
        took_s = []
        for text in "abc":
            began = time.monotonic()
            await channel.send(text)
            took_s.append(time.monotonic() - began)
        assert took_s[1] < 0.3 < took_s[2]
        assert not fake.requests.that(lambda one: one.status == 429)


async def test_requests_made_together_use_what_is_left_and_no_more() -> None:
    rates = RateSettings(rates={POST_MESSAGE: Rate(5, 0.6)})
    async with fake_discord(FakeDiscord(Settings(latency_s=0.02), rates)) as fake, logged_in(fake) as client:
        keep_to_buckets(client)
        channel = client.get_partial_messageable(fake.general.id)
        began = time.monotonic()
        await asyncio.gather(*(channel.send(str(number)) for number in range(12)))
        assert 1.1 < time.monotonic() - began < 1.7
        assert not fake.requests.that(lambda one: one.status == 429)
        assert fake.general.messages[0].content == "0"


async def test_requests_that_got_no_answer_leave_their_places() -> None:
    async with fake_discord() as fake, logged_in(fake) as client:
        keep_to_buckets(client)
        channel = client.get_partial_messageable(fake.general.id)
        fake.faults.reset("POST /channels/*/messages", times=3)
        for _ in range(3):
            with pytest.raises(aiohttp.ClientError):
                await channel.send("lost")
        async with asyncio.timeout(2):
            await channel.send("there")


def test_how_long_a_limit_lasts_is_said() -> None:
    assert sentence_for(discord.RateLimited(269.4)) == (
        "Discord takes no more of that here for 4 min 30 s. Try again then."
    )

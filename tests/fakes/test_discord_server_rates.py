"""Rate limits and nonces of the fake: buckets, hidden limits, the ban, and what a retry gets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest

from .discord_server import FakeDiscord, Rate, RateSettings, Settings
from .discord_server.fixtures import fake, fake_discord, logged_in
from .discord_server.rate_limits import POST_MESSAGE

__all__ = ["fake"]


@pytest.fixture
async def http(fake: FakeDiscord) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bot {fake.token}"}
    async with aiohttp.ClientSession(f"{fake.url}/api/v10/", headers=headers) as session:
        yield session


async def post(http: aiohttp.ClientSession, fake: FakeDiscord, **body: object) -> aiohttp.ClientResponse:
    return await http.post(f"channels/{fake.general.id}/messages", json={"content": "x", **body})


async def test_headers_count_a_bucket_down_and_the_sixth_message_is_429(
    fake: FakeDiscord, http: aiohttp.ClientSession
) -> None:
    answers = [await post(http, fake) for _ in range(6)]
    assert [one.headers.get("X-RateLimit-Remaining") for one in answers[:5]] == ["4", "3", "2", "1", "0"]
    refused = answers[5]
    assert (refused.status, refused.headers["Via"]) == (429, "1.1 google")
    body = await refused.json()
    assert 0 < body["retry_after"] <= 5
    assert body["global"] is False
    fake.advance(5)
    assert (await post(http, fake)).status == 200


async def test_posts_edits_and_channels_have_buckets_of_their_own(
    fake: FakeDiscord, http: aiohttp.ClientSession
) -> None:
    other = fake.channel("other")
    for _ in range(5):
        await post(http, fake)
    edit = await http.patch(
        f"channels/{fake.general.id}/messages/{fake.general.last.id}", json={"content": "y"}
    )
    elsewhere = await http.post(f"channels/{other.id}/messages", json={"content": "x"})
    assert (edit.status, elsewhere.status) == (200, 200)


async def test_discord_py_waits_a_429_out_and_tries_again() -> None:
    async with fake_discord(FakeDiscord(rates=RateSettings(rates={POST_MESSAGE: Rate(1, 0.2)}))) as fake:
        async with logged_in(fake) as client:
            channel = client.get_partial_messageable(fake.general.id)
            started = time.monotonic()
            for text in "abc":
                await channel.send(text)
        assert time.monotonic() - started > 0.3
        assert [one.content for one in fake.general.messages] == ["a", "b", "c"]


async def test_fifty_one_requests_in_a_second_are_a_global_429(
    fake: FakeDiscord, http: aiohttp.ClientSession
) -> None:
    fake.site.rate_limits.settings.other = Rate(1000, 1.0)
    statuses = [(await http.get("users/@me")).status for _ in range(60)]
    assert statuses.count(429) >= 1
    refused = fake.requests.that(lambda one: one.status == 429)[0]
    assert isinstance(refused.answer, dict)
    assert refused.answer["global"] is True


async def test_the_third_rename_in_ten_minutes_waits_and_no_header_said_so(fake: FakeDiscord) -> None:
    thread = fake.member("alice").start_thread(fake.general, "0")
    async with logged_in(fake) as client:
        client.http.max_ratelimit_timeout = 30.0
        channel = await client.fetch_channel(thread.id)
        assert isinstance(channel, discord.Thread)
        await channel.edit(name="1")
        await channel.edit(name="2")
        await channel.edit(auto_archive_duration=60)
        with pytest.raises(discord.RateLimited) as refused:
            await channel.edit(name="3")
        assert refused.value.retry_after > 590
        fake.advance(600)
        await channel.edit(name="4")
    assert thread.name == "4"


async def test_old_messages_take_few_edits(fake: FakeDiscord, http: aiohttp.ClientSession) -> None:
    made = await (await post(http, fake)).json()
    fake.advance(3601)
    url = f"channels/{fake.general.id}/messages/{made['id']}"
    answers = [await http.patch(url, json={"content": str(number)}) for number in range(4)]
    assert [one.status for one in answers] == [200, 200, 200, 429]
    assert (await answers[3].json())["code"] == 30046


async def test_too_many_invalid_requests_end_in_a_ban_by_cloudflare(fake: FakeDiscord) -> None:
    fake.site.rate_limits.settings.invalid = Rate(3, 600.0)
    fake.general.allow(fake.bot, deny=1 << 11)
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        for _ in range(3):
            with pytest.raises(discord.Forbidden):
                await channel.send("x")
        with pytest.raises(discord.HTTPException) as banned:
            await client.fetch_user(fake.admin.id)
        assert banned.value.status == 429
        fake.advance(601)
        assert (await client.fetch_user(fake.admin.id)).name == "admin"


async def test_a_retry_under_the_same_nonce_returns_the_first_message_with_the_first_content(
    fake: FakeDiscord, http: aiohttp.ClientSession
) -> None:
    first = await (await post(http, fake, nonce="row-1", enforce_nonce=True)).json()
    again = await (await post(http, fake, content="other", nonce="row-1", enforce_nonce=True)).json()
    assert (again["id"], again["content"], again["nonce"]) == (first["id"], "x", "row-1")
    assert len(fake.general.messages) == 1


async def test_a_nonce_is_forgotten_after_three_minutes_and_never_in_history(
    fake: FakeDiscord, http: aiohttp.ClientSession
) -> None:
    await post(http, fake, nonce="row-1", enforce_nonce=True)
    fake.advance(179)
    await post(http, fake, nonce="row-1", enforce_nonce=True)
    assert len(fake.general.messages) == 1
    fake.advance(2)
    await post(http, fake, nonce="row-1", enforce_nonce=True)
    assert len(fake.general.messages) == 2
    history = await (await http.get(f"channels/{fake.general.id}/messages")).json()
    assert all("nonce" not in one for one in history)


async def test_without_enforce_nonce_a_retry_makes_a_second_message(
    fake: FakeDiscord, http: aiohttp.ClientSession
) -> None:
    for _ in range(2):
        await post(http, fake, nonce="row-1")
    assert len(fake.general.messages) == 2


async def test_a_wrong_token_is_401_and_ends_the_login(fake: FakeDiscord) -> None:
    async with discord.Client(intents=discord.Intents.none()) as client:
        with pytest.raises(discord.LoginFailure):
            await client.login("wrong")


async def test_latency_is_felt_on_the_way_there_and_back() -> None:
    async with fake_discord(FakeDiscord(Settings(latency_s=0.08))) as fake, logged_in(fake) as client:
        started = time.monotonic()
        await client.fetch_user(fake.admin.id)
        assert time.monotonic() - started >= 0.08

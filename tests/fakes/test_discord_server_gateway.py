"""Connections, sessions and their faults on the fake's gateway, with the real discord.py at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import discord
import pytest

from .discord_server import FakeDiscord, Settings
from .discord_server.fixtures import QuietClient, connected, fake, fake_discord

__all__ = ["fake"]


class Listener(QuietClient):
    """Collects the texts it hears and counts its READYs."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.readies = 0

    async def on_ready(self) -> None:
        self.readies += 1

    async def on_message(self, message: discord.Message) -> None:
        self.texts.put_nowait(message.content)

    async def next(self) -> str:
        async with asyncio.timeout(60):
            return await self.texts.get()


def drop(fake: FakeDiscord) -> None:
    fake.gateway.drop()


def abort(fake: FakeDiscord) -> None:
    fake.gateway.abort()


def reconnect(fake: FakeDiscord) -> None:
    fake.gateway.reconnect()


def invalidate_resumable(fake: FakeDiscord) -> None:
    fake.gateway.invalidate(resumable=True)


@pytest.mark.parametrize("trouble", [drop, abort, reconnect, invalidate_resumable])
async def test_after_a_lost_connection_the_bot_resumes_and_hears_what_it_missed(
    fake: FakeDiscord, trouble: Callable[[FakeDiscord], None]
) -> None:
    alice = fake.member("alice")
    bot = Listener()
    async with connected(fake, bot):
        alice.send(fake.general, "before")
        assert await bot.next() == "before"
        trouble(fake)
        await fake.until(lambda: not fake.gateway.connected)
        alice.send(fake.general, "missed")
        assert await bot.next() == "missed"
        alice.send(fake.general, "after")
        assert await bot.next() == "after"
    assert (fake.gateway.resumes, len(fake.gateway.identifies)) == (1, 1)


async def test_an_invalid_session_is_identified_anew_and_the_gap_is_lost(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    bot = Listener()
    async with connected(fake, bot):
        fake.gateway.invalidate()
        alice.send(fake.general, "lost")
        await fake.until(lambda: len(fake.gateway.identifies) == 2)
        alice.send(fake.general, "heard")
        assert await bot.next() == "heard"
        assert (fake.gateway.resumes, len(fake.gateway.sessions)) == (0, 1)


async def test_a_resume_that_is_refused_becomes_an_identify(fake: FakeDiscord) -> None:
    bot = Listener()
    async with connected(fake, bot):
        fake.gateway.refuse_resumes(1)
        fake.gateway.drop()
        await fake.until(lambda: len(fake.gateway.identifies) == 2)
    assert fake.gateway.resumes == 0


async def test_a_session_cannot_be_resumed_after_its_window(fake: FakeDiscord) -> None:
    fake.settings.resume_window_s = 0.0
    bot = Listener()
    async with connected(fake, bot):
        fake.gateway.drop()
        await fake.until(lambda: len(fake.gateway.identifies) == 2)


async def test_a_silent_gateway_is_noticed_and_left(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    bot = Listener(heartbeat_timeout=0.3)
    async with connected(fake, bot):
        fake.gateway.zombie()
        alice.send(fake.general, "unheard at first")
        assert await bot.next() == "unheard at first"
    assert fake.gateway.resumes >= 1


@pytest.mark.parametrize(
    ("code", "error"), [(4004, discord.ConnectionClosed), (4014, discord.PrivilegedIntentsRequired)]
)
async def test_some_close_codes_end_the_bot(fake: FakeDiscord, code: int, error: type[Exception]) -> None:
    fake.gateway.close_next(code)
    with pytest.raises(error):
        async with connected(fake, Listener()):
            pass


async def test_an_intent_that_the_portal_does_not_grant_is_4014() -> None:
    async with fake_discord(FakeDiscord(Settings(message_content_intent=False))) as fake:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with connected(fake, Listener()):
                pass


async def test_identifies_are_counted_and_the_last_one_of_a_day_costs_the_token() -> None:
    async with fake_discord(FakeDiscord(Settings(session_starts_per_day=2))) as fake:
        for left in (1, 0):
            async with connected(fake, Listener()):
                limit = await _session_start_limit(fake)
                assert limit["remaining"] == left
        with pytest.raises(discord.ConnectionClosed):
            async with connected(fake, Listener()):
                pass
        assert fake.gateway.token_was_reset


async def _session_start_limit(fake: FakeDiscord) -> dict[str, int]:
    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(fake.token)
        answer = await client.http.request(discord.http.Route("GET", "/gateway/bot"))
    limit: dict[str, int] = answer["session_start_limit"]
    return limit


async def test_refused_identifies_are_tried_again(fake: FakeDiscord) -> None:
    fake.gateway.refuse_identifies(2)
    bot = Listener()
    async with connected(fake, bot):
        assert bot.readies == 1
    assert len(fake.gateway.identifies) == 3


async def test_compressed_events_are_understood() -> None:
    async with fake_discord(FakeDiscord(Settings(compress=True))) as fake:
        alice = fake.member("alice")
        bot = Listener()
        async with connected(fake, bot):
            alice.send(fake.general, "packed " * 200)
            assert (await bot.next()).startswith("packed packed")


async def test_a_bot_hears_of_guilds_it_is_added_to_and_may_leave_them(fake: FakeDiscord) -> None:
    bot = Listener()
    async with connected(fake, bot):
        joined = asyncio.ensure_future(bot.wait_for("guild_join", timeout=20))
        await asyncio.sleep(0)
        foreign = fake.guild("Foreign", fake.person("stranger"))
        guild = await joined
        await guild.leave()
    assert fake.bot.id not in foreign.members


async def test_archived_threads_are_not_in_the_cache_and_their_buttons_still_work(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    thread = alice.start_thread(fake.general, "Old")
    alice.send(thread, "x")
    thread.archive()
    bot = Listener()
    async with connected(fake, bot):
        assert bot.get_channel(thread.id) is None
        fetched = await bot.fetch_channel(thread.id)
        assert isinstance(fetched, discord.Thread)
        await bot.get_partial_messageable(thread.id).send("woken")
    assert not thread.archived


async def test_a_presence_is_seen(fake: FakeDiscord) -> None:
    bot = Listener()
    async with connected(fake, bot):
        await bot.change_presence(
            activity=discord.Activity(type=discord.ActivityType.watching, name="2 sessions")
        )
        await fake.until(lambda: fake.gateway.presences)
    assert fake.gateway.presences[-1]["activities"][0]["name"] == "2 sessions"


@pytest.mark.parametrize(("code", "sessions_left"), [(1000, 0), (4000, 1)])
async def test_a_session_ends_with_a_normal_close_only(
    fake: FakeDiscord, code: int, sessions_left: int
) -> None:
    """discord.py's own `close()` reaches the gateway as 4000: its reader closes before it does."""
    async with aiohttp.ClientSession() as http, http.ws_connect(fake.site.gateway_url) as socket:
        await socket.send_json({"op": 2, "d": {"token": fake.token, "intents": 0, "properties": {}}})
        await fake.until_connected()
        await socket.close(code=code)
    await fake.until_gone()
    assert len(fake.gateway.sessions) == sessions_left

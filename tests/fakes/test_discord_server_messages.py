"""Messages of every sort, as the real discord.py reads them from the gateway and from history."""

from __future__ import annotations

import asyncio

import discord
import pytest

from .discord_server import FakeDiscord, NotOffered
from .discord_server.fixtures import QuietClient, connected, fake

__all__ = ["fake"]

ALERT = {
    "title": "Build failed",
    "url": "https://ci.example/1",
    "description": "main is red",
    "fields": [{"name": "Step", "value": "test"}],
    "footer": {"text": "CI"},
    "author": {"name": "octo"},
}


class Listener(QuietClient):
    """Keeps the messages that it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue[discord.Message] = asyncio.Queue()

    async def on_message(self, message: discord.Message) -> None:
        self.heard.put_nowait(message)

    async def next(self) -> discord.Message:
        async with asyncio.timeout(60):
            return await self.heard.get()


async def test_messages_of_every_sort_read_the_same_live_and_from_history(fake: FakeDiscord) -> None:
    ann, robot = fake.member("ann"), fake.person("robot", guild=fake.home, bot=True)
    bot = Listener()
    async with connected(fake, bot):
        alert = robot.send(fake.general, embeds=[ALERT])
        ann.send(fake.general, "why?", reply_to=alert)
        ann.forward(ann.forward(alert, fake.general), fake.general)
        poll = ann.ask_all(fake.general, "Tea?", ["yes", "no"])
        ann.vote(poll, "no")
        ann.stick(fake.general, "wave")
        ann.speak(fake.general)
        gone = ann.send(fake.general, "gone")
        ann.send(fake.general, "reply", reply_to=gone)
        ann.delete(gone)
        fake.webhook(fake.general, "sentry", embeds=(ALERT,))
        post = ann.post(fake.forum("help"), "Login broken", "it is", files={"log.txt": b"boom"})
        live = [await bot.next() for _ in range(11)]
        channel = bot.get_partial_messageable(fake.general.id, guild_id=fake.home.id)
        past = [message async for message in channel.history(oldest_first=True)]
        own = bot.guilds[0].self_role
    assert [message.embeds[0].title for message in (live[0], live[9])] == ["Build failed"] * 2
    for message in (live[1], past[1]):
        assert message.reference is not None
        assert isinstance(message.reference.resolved, discord.Message)
        assert message.reference.resolved.embeds[0].description == "main is red"
    for message in (live[3], past[3]):
        assert not message.content
        assert message.message_snapshots[0].embeds[0].fields[0].value == "test"
    assert past[4].poll is not None
    assert [(each.text, each.vote_count) for each in past[4].poll.answers] == [("yes", 0), ("no", 1)]
    assert [each.name for each in live[5].stickers] == ["wave"]
    assert live[6].flags.voice
    assert past[7].reference is not None
    assert isinstance(past[7].reference.resolved, discord.DeletedReferencedMessage)
    assert (live[10].id, live[10].channel.id, live[10].attachments[0].filename) == (post.id, post.id, "log.txt")
    assert own is not None
    assert own.managed
    fake.assert_clean()


async def test_a_reply_may_come_without_the_message_that_it_replies_to(fake: FakeDiscord) -> None:
    ann = fake.member("ann")
    bot = Listener()
    async with connected(fake, bot):
        first = ann.send(fake.general, "first")
        fake.site.world.leaves_out_replied_to = True
        ann.send(fake.general, "second", reply_to=first)
        await bot.next()
        heard = await bot.next()
    assert heard.reference is not None
    assert (heard.reference.resolved, heard.reference.message_id) == (None, first.id)


def test_people_do_only_what_their_client_offers(fake: FakeDiscord) -> None:
    ann = fake.member("ann")
    poll = ann.ask_all(fake.general, "Tea?", ["yes"])
    with pytest.raises(NotOffered):
        ann.send(fake.general, embeds=[ALERT])
    with pytest.raises(NotOffered):
        ann.forward(poll, fake.general)
    with pytest.raises(NotOffered):
        ann.send(fake.general, files={f"{number}.txt": b"x" for number in range(11)})

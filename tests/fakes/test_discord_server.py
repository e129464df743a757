"""The fake Discord's messages, channels, threads and files, as the real discord.py meets them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine
from typing import Any

import discord
import pytest

from .discord_server import FakeDiscord, MessageFlag, MessageType, NeverHappened, Permission
from .discord_server.fixtures import QuietClient, connected, fake, logged_in

__all__ = ["fake"]


class Echo(QuietClient):
    """Collects what it hears; answers `echo …` in a thread on the message."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: asyncio.Queue[tuple[str, object]] = asyncio.Queue()

    async def on_message(self, message: discord.Message) -> None:
        assert self.user is not None
        if message.author.id == self.user.id or message.type is not discord.MessageType.default:
            return
        self.heard.put_nowait(("message", message))
        if message.content.startswith("echo "):
            thread = await message.create_thread(name="Echo")
            await thread.send(message.content.removeprefix("echo "))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if not payload.message.author.bot:
            self.heard.put_nowait(("edit", payload.message.content))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.heard.put_nowait(("delete", payload.message_id))

    async def next(self) -> tuple[str, object]:
        async with asyncio.timeout(60):
            return await self.heard.get()


async def test_a_bot_hears_what_people_send_edit_and_delete(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    bot = Echo()
    async with connected(fake, bot):
        sent = alice.send(fake.general, "hello", files={"notes.txt": b"one two"})
        kind, heard = await bot.next()
        assert isinstance(heard, discord.Message)
        assert (kind, heard.content, heard.author.name) == ("message", "hello", "alice")
        assert await heard.attachments[0].read() == b"one two"
        alice.edit(sent, "hello again")
        assert await bot.next() == ("edit", "hello again")
        alice.delete(sent)
        assert await bot.next() == ("delete", sent.id)


async def test_a_thread_on_a_message_has_its_id_and_begins_with_discords_own_line(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    async with connected(fake, Echo()):
        asked = alice.send(fake.general, "echo out there")
        thread = await fake.general.wait_for_thread()
        await thread.wait_for_message("out there")
    assert thread.id == asked.id
    assert [one.type for one in thread.model.messages.values()] == [
        MessageType.THREAD_STARTER,
        MessageType.DEFAULT,
    ]
    assert asked.has(MessageFlag.HAS_THREAD)


async def test_a_bot_without_the_content_intent_reads_only_what_is_meant_for_it(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    bot = Echo()
    bot._connection._intents = discord.Intents.default()
    async with connected(fake, bot):
        alice.send(fake.general, "between us", files={"a.txt": b"a"})
        alice.send(fake.general, f"{fake.bot.mention} for you")
        heard = [(await bot.next())[1] for _ in range(2)]
    texts = [(one.content, len(one.attachments)) for one in heard if isinstance(one, discord.Message)]
    assert texts == [("", 0), (f"{fake.bot.mention} for you", 0)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": 2}, ["4", "3"]),
        ({"after": 1, "limit": 2}, ["3", "2"]),
        ({"before": 3, "limit": 2}, ["2", "1"]),
        ({"around": 2, "limit": 3}, ["3", "2", "1"]),
    ],
)
async def test_history_pages_as_discord_does(
    fake: FakeDiscord, query: dict[str, int], expected: list[str]
) -> None:
    alice = fake.member("alice")
    sent = [alice.send(fake.general, str(number)) for number in range(5)]
    params = {key: value if key == "limit" else sent[value].id for key, value in query.items()}
    async with logged_in(fake) as client:
        route = discord.http.Route("GET", "/channels/{channel_id}/messages", channel_id=fake.general.id)
        page = await client.http.request(route, params=params)
    assert [one["content"] for one in page] == expected


async def test_a_file_comes_back_byte_for_byte_and_stays_over_edits(fake: FakeDiscord) -> None:
    data = bytes(range(256)) * 400
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        sent = await channel.send("see", file=discord.File(io.BytesIO(data), "blob.bin", description="a blob"))
        assert await sent.attachments[0].read() == data
        await sent.edit(content="look")
        more = await sent.edit(attachments=[sent.attachments[0], discord.File(io.BytesIO(b"2"), "two.txt")])
        assert [one.filename for one in more.attachments] == ["blob.bin", "two.txt"]
        none_left = await sent.edit(attachments=[])
    assert none_left.attachments == []
    assert fake.general.last.content == "look"


async def test_sending_unarchives_a_thread_and_editing_in_it_is_refused_before(fake: FakeDiscord) -> None:
    async with logged_in(fake) as client:
        channel = await client.fetch_channel(fake.general.id)
        assert isinstance(channel, discord.TextChannel)
        made = await channel.create_thread(name="Work", type=discord.ChannelType.public_thread)
        thread = fake.place(made.id)
        first = await made.send("one")
        thread.archive()
        with pytest.raises(discord.HTTPException) as refused:
            await first.edit(content="two")
        assert refused.value.code == 50083
        await made.send("three")
    assert not thread.archived


async def test_a_locked_thread_takes_messages_only_from_those_who_manage_threads(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    thread = alice.start_thread(fake.general, "Locked")
    thread.archive(locked=True)
    fake.general.allow(fake.bot, deny=Permission.MANAGE_THREADS)
    async with logged_in(fake) as client:
        with pytest.raises(discord.Forbidden) as refused:
            await client.get_partial_messageable(thread.id).send("hello")
    assert refused.value.code == 160005


async def test_a_private_thread_is_hidden_from_a_bot_that_is_not_in_it(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    fake.general.allow(fake.bot, deny=Permission.MANAGE_THREADS)
    bot = Echo()
    async with connected(fake, bot):
        thread = alice.start_thread(fake.general, "Secret", private=True)
        alice.send(thread, "unheard")
        with pytest.raises(discord.Forbidden):
            await bot.fetch_channel(thread.id)
        alice.add_to_thread(thread, fake.bot)
        alice.send(thread, "heard")
        _, heard = await bot.next()
    assert isinstance(heard, discord.Message)
    assert heard.content == "heard"


async def test_a_forum_post_and_its_first_message_share_an_id(fake: FakeDiscord) -> None:
    forum = fake.forum("sessions", tags=("running", "done"), requires_tag=True)
    async with logged_in(fake) as client:
        channel = await client.fetch_channel(forum.id)
        assert isinstance(channel, discord.ForumChannel)
        with pytest.raises(discord.HTTPException) as refused:
            await channel.create_thread(name="No tag", content="x")
        made = await channel.create_thread(
            name="Fix", content="first", applied_tags=[channel.available_tags[0]]
        )
    assert refused.value.code == 40067
    assert made.thread.id == made.message.id == forum.threads[0].id


@pytest.mark.parametrize(
    ("right", "code"),
    [
        (Permission.VIEW_CHANNEL, 50001),
        (Permission.SEND_MESSAGES, 50013),
        (Permission.ATTACH_FILES, 50013),
        (Permission.CREATE_PUBLIC_THREADS, 50013),
    ],
)
async def test_a_missing_right_is_refused_with_discords_code(
    fake: FakeDiscord, right: Permission, code: int
) -> None:
    fake.general.allow(fake.bot, deny=right)
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        message = fake.admin.send(fake.general, "x")
        if right is Permission.CREATE_PUBLIC_THREADS:
            attempt: Coroutine[Any, Any, object] = _open_thread(client, channel.id, message.id)
        else:
            attempt = channel.send("x", file=discord.File(io.BytesIO(b"x"), "x.txt"))
        with pytest.raises(discord.Forbidden) as refused:
            await attempt
    assert refused.value.code == code


def _open_thread(client: discord.Client, channel_id: int, message_id: int) -> Coroutine[Any, Any, object]:
    path = "/channels/{channel_id}/messages/{message_id}/threads"
    route = discord.http.Route("POST", path, channel_id=channel_id, message_id=message_id)
    return client.http.request(route, json={"name": "x", "auto_archive_duration": 60})


@pytest.mark.parametrize(("what", "code"), [("channel", 10003), ("message", 10008), ("other's", 50005)])
async def test_what_is_not_there_or_not_ones_own_is_refused(fake: FakeDiscord, what: str, code: int) -> None:
    theirs = fake.member("alice").send(fake.general, "mine")
    targets = {"channel": (1, 2), "message": (fake.general.id, 2), "other's": (fake.general.id, theirs.id)}
    channel_id, message_id = targets[what]
    async with logged_in(fake) as client:
        with pytest.raises(discord.HTTPException) as refused:
            await client.get_partial_messageable(channel_id).get_partial_message(message_id).edit(content="x")
    assert refused.value.code == code


async def test_reactions_pins_and_typing_are_seen_by_people(fake: FakeDiscord) -> None:
    sent = fake.member("alice").send(fake.general, "look")
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        message = channel.get_partial_message(sent.id)
        await message.add_reaction("\N{EYES}")
        await message.pin()
        await channel.typing()
        shown = [fake.general.bot_is_typing]
        assert [one.id async for one in channel.pins()] == [sent.id]
        fake.advance(11)
        shown.append(fake.general.bot_is_typing)
    assert shown == [True, False]
    assert sent.reactions == {"\N{EYES}": [fake.bot.id]}


async def test_edits_keep_suppressed_embeds_unless_the_request_says_otherwise(fake: FakeDiscord) -> None:
    """`Message.edit` of discord.py 2.7.1 clears the flag with every edit; `PartialMessage.edit` does not."""
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        sent = await channel.send("https://example.org", suppress_embeds=True)
        await channel.get_partial_message(sent.id).edit(content="one")
        kept = fake.general.last.has(MessageFlag.SUPPRESS_EMBEDS)
        await sent.edit(content="two")
    assert (kept, fake.general.last.has(MessageFlag.SUPPRESS_EMBEDS)) == (True, False)


async def test_a_snapshot_reads_as_people_see_the_channel(fake: FakeDiscord) -> None:
    alice = fake.member("alice")

    class Card(discord.ui.LayoutView):
        box: discord.ui.Container[Card] = discord.ui.Container(
            discord.ui.TextDisplay(f"## Status\nfor {alice.mention} since <t:1700000000:R>"),
            discord.ui.Separator(),
            discord.ui.Section("line", accessory=discord.ui.Button(label="Stop", custom_id="stop")),
        )

    async with logged_in(fake) as client:
        channel = await client.fetch_channel(fake.general.id)
        assert isinstance(channel, discord.TextChannel)
        asked = alice.send(fake.general, "please", files={"a.txt": b"abc"})
        alice.react(asked, "\N{THUMBS UP SIGN}")
        reference = discord.MessageReference(message_id=asked.id, channel_id=fake.general.id)
        await channel.send(view=Card(timeout=None), silent=True)
        answer = await channel.send(
            alice.mention, allowed_mentions=discord.AllowedMentions(users=True), reference=reference
        )
        await answer.edit(content="done")
        await answer.create_thread(name="More")
    assert fake.general.snapshot() == (
        "# general\n"
        "alice:\n"
        "  please\n"
        "  file: a.txt (3 bytes)\n"
        "  reaction: \N{THUMBS UP SIGN} alice\n"
        "Bridge [bot, silent]:\n"
        "  +--\n"
        "  | ## Status\n"
        "  | for @alice since <time R>\n"
        "  | ---\n"
        "  | line    [Stop]\n"
        "  +--\n"
        "Bridge [bot, edited]:\n"
        "  reply to alice: please\n"
        "  done\n"
        "  thread: More\n"
        "  notifies: alice\n"
    )


async def test_every_kind_of_author_is_told_apart(fake: FakeDiscord) -> None:
    alice, other_bot = fake.member("alice"), fake.person("helper", guild=fake.home, bot=True)
    bot = Echo()
    async with connected(fake, bot):
        alice.send(fake.general, "person")
        other_bot.send(fake.general, "bot")
        fake.webhook(fake.general, "hook", "webhook")
        alice.send(fake.dm(alice), "direct")
        heard = [(await bot.next())[1] for _ in range(4)]
    told = [
        (one.content, one.author.bot, one.webhook_id is not None, one.guild is not None)
        for one in heard
        if isinstance(one, discord.Message)
    ]
    assert told == [
        ("person", False, False, True),
        ("bot", True, False, True),
        ("webhook", True, True, True),
        ("direct", False, False, False),
    ]


async def test_the_bot_answers_in_a_dm(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    async with logged_in(fake) as client:
        user = await client.fetch_user(alice.id)
        await user.send("hello you")
    assert fake.dm(alice).last.content == "hello you"


async def test_a_wait_that_is_in_vain_shows_the_channel(fake: FakeDiscord) -> None:
    fake.member("alice").send(fake.general, "only this")
    with pytest.raises(NeverHappened, match="only this"):
        await fake.general.wait_for_message("something else", timeout_s=0.01)


async def test_a_thread_without_a_message_is_announced_in_its_channel_and_a_rename_in_the_thread(
    fake: FakeDiscord,
) -> None:
    async with logged_in(fake) as client:
        channel = await client.fetch_channel(fake.general.id)
        assert isinstance(channel, discord.TextChannel)
        thread = await channel.create_thread(name="Fix", type=discord.ChannelType.public_thread)
        await thread.edit(name="Fix it", archived=True)
    assert fake.general.snapshot() == "# general\n* Bridge started a thread: Fix\n"
    renamed = fake.place(thread.id)
    assert renamed.snapshot() == "# Fix it (thread, archived)\n* Bridge changed the name to: Fix it\n"


async def test_active_and_archived_threads_are_listed_apart(fake: FakeDiscord) -> None:
    alice = fake.member("alice")
    open_one, old_one = (alice.start_thread(fake.general, name) for name in ("Open", "Old"))
    old_one.archive()
    async with logged_in(fake) as client:
        guild = await client.fetch_guild(fake.home.id)
        active = await guild.active_threads()
        channel = await client.fetch_channel(fake.general.id)
        assert isinstance(channel, discord.TextChannel)
        archived = [one async for one in channel.archived_threads()]
    assert ([one.id for one in active], [one.id for one in archived]) == ([open_one.id], [old_one.id])


async def test_active_threads_of_a_guild_are_limited(fake: FakeDiscord) -> None:
    fake.home.max_active_threads = 1
    fake.member("alice").start_thread(fake.general, "One")
    async with logged_in(fake) as client:
        channel = await client.fetch_channel(fake.general.id)
        assert isinstance(channel, discord.TextChannel)
        with pytest.raises(discord.HTTPException) as refused:
            await channel.create_thread(name="Two", type=discord.ChannelType.public_thread)
    assert refused.value.code == 160006


async def test_revisions_tell_what_a_streamed_message_showed(fake: FakeDiscord) -> None:
    async with logged_in(fake) as client:
        message = await client.get_partial_messageable(fake.general.id).send("a")
        for text in ("ab", "abc"):
            await message.edit(content=text)
    assert [one.content for one in fake.general.last.revisions] == ["a", "ab"]
    edits = fake.requests.to("PATCH /channels/{channel_id}/messages/{message_id}", message=message.id)
    assert [(one.accepted, one.body) for one in edits if isinstance(one.body, dict)][-1][1]["content"] == "abc"

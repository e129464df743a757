"""Make threads in any kind of channel: on a message, private, or as a post of a forum.

A channel that cannot have the thread is refused in a sentence before anything is made. `opening.py` gives
threads to sessions.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import discord

from bot.errors import Refused
from bot.inbox_rows import mark_seen
from bot.rows import store_fact
from storage import Database

NO_THREADS = "This kind of channel has no threads for sessions. Use a text channel or a forum."
NO_PRIVATE = "This channel has no private threads. Use a text channel for that."
NO_TAG = "Posts in this forum need a tag, and I may set none of its tags. Use a text channel."
TOO_MANY = "This server has too many active threads; archive some and try again."
_HAS_THREAD_ALREADY = 160004
_MAX_THREADS = 160006
_NAME_CHARS = 90  # Discord takes 100
_ARCHIVE_AFTER_MIN: Literal[1440] = 1440
_MENTION = re.compile(r"<(?:@[!&]?|#|a?:\w+:)\d+>")

Parent = discord.TextChannel | discord.ForumChannel
GuildChannel = discord.abc.GuildChannel | discord.Thread


@dataclass(frozen=True, slots=True)
class ThreadFound:
    """A thread for a session; `is_new` if it was made just now for it."""

    id: int
    is_new: bool


def thread_name(text: str) -> str:
    """Return a thread's name from a title or prompt: one line, no mentions, never empty."""
    words = " ".join(_MENTION.sub(" ", text).split())
    if len(words) > _NAME_CHARS:
        words = words[: _NAME_CHARS - 1].rstrip() + "…"
    return words or "Session"


def given_name_fact(thread_id: int) -> str:
    """Return the name of the `face_facts` row with the name that the bot gave a thread last."""
    return f"thread name:{thread_id}"


class Threads:
    """Makes threads. Methods raise `Refused` and `discord.HTTPException`."""

    def __init__(self, client: discord.Client, db: Database) -> None:
        self._client = client
        self._db = db

    async def channel(self, channel_id: int) -> GuildChannel:
        """Return the channel or thread with this id. Raises `Refused` for a direct message."""
        channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
        if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
            return channel
        raise Refused("Sessions live in servers, not in direct messages.")

    async def parent(self, channel_id: int) -> Parent:
        """Return the channel of a thread, or the channel itself. Raises `Refused` if it has no threads."""
        channel = await self.channel(channel_id)
        if isinstance(channel, discord.Thread):
            channel = await self.channel(channel.parent_id)
        if isinstance(channel, discord.TextChannel | discord.ForumChannel):
            return channel
        raise Refused(NO_THREADS)

    async def takes_messages(self, channel_id: int) -> bool:
        """Whether the channel exists and the bot may write in it, as far as its permissions tell."""
        try:
            channel = await self.channel(channel_id)
        except (discord.NotFound, discord.Forbidden):
            return False
        rights = channel.permissions_for(channel.guild.me)
        if isinstance(channel, discord.Thread):
            # In a thread, Discord ignores the permission to send messages in channels.
            return rights.send_messages_in_threads and (not channel.locked or rights.manage_threads)
        return rights.send_messages

    async def open(
        self, parent: GuildChannel, name: str, *, anchor_id: int | None, private: bool
    ) -> ThreadFound:
        """Open a thread in `parent`, on the message `anchor_id` if there is one.

        A repeated call returns the same thread only if it is on a message.
        """
        match parent:
            case discord.ForumChannel() if not private:
                return ThreadFound(await self._post(parent, name), is_new=True)
            case discord.TextChannel() if private and not parent.is_news():
                return ThreadFound(await self._private(parent, name), is_new=True)
            case discord.TextChannel() | discord.ForumChannel() if private:
                raise Refused(NO_PRIVATE)
            case discord.TextChannel():
                return await self._public(parent, name, anchor_id)
            case _:
                raise Refused(NO_THREADS)

    async def _public(self, parent: discord.TextChannel, name: str, anchor_id: int | None) -> ThreadFound:
        if anchor_id is None:
            # On a message of ours: a thread without one is found only in the list of threads.
            anchor_id = (await parent.send(_heading(name), silent=True)).id
        # Mark it first: people may write in it at once, and messages before its session must be read back.
        await self._begin(parent, anchor_id, name)
        try:
            with _translated():
                await self._client.http.start_thread_with_message(
                    parent.id, anchor_id, name=thread_name(name), auto_archive_duration=_ARCHIVE_AFTER_MIN
                )
        except discord.HTTPException as error:
            # An earlier try made it, or a person did: the thread on a message has the message's id.
            if error.code != _HAS_THREAD_ALREADY:
                raise
            return ThreadFound(anchor_id, is_new=False)
        return ThreadFound(anchor_id, is_new=True)

    async def _private(self, parent: discord.TextChannel, name: str) -> int:
        with _translated():
            made = await self._client.http.start_thread_without_message(
                parent.id,
                name=thread_name(name),
                auto_archive_duration=_ARCHIVE_AFTER_MIN,
                type=discord.ChannelType.private_thread.value,
                # Else every member of a private thread could bring others in.
                invitable=False,
            )
        # Its id is known only now. Nobody can have written in it: people are brought in later.
        await self._begin(parent, int(made["id"]), name)
        return int(made["id"])

    async def _post(self, forum: discord.ForumChannel, name: str) -> int:
        """Make a post in a forum; its first message is only its name."""
        tags: list[discord.ForumTag] = []
        if forum.flags.require_tag:
            manages = forum.permissions_for(forum.guild.me).manage_threads
            # A tag for everybody first: "solved" and its like are for moderators.
            tags = sorted(forum.available_tags, key=lambda tag: tag.moderated)[:1]
            tags = [tag for tag in tags if manages or not tag.moderated]
            if not tags:
                raise Refused(NO_TAG)
        with _translated():
            made = await forum.create_thread(
                name=thread_name(name),
                content=_heading(name),
                applied_tags=tags,
                auto_archive_duration=_ARCHIVE_AFTER_MIN,
                silent=True,
            )
        await self._begin(forum, made.thread.id, name)
        return made.thread.id

    async def _begin(self, parent: Parent, thread_id: int, name: str) -> None:
        """Have the thread's messages read from its beginning, and remember its name as the bot's."""
        given = store_fact(given_name_fact(thread_id), thread_name(name))
        await self._db.write([mark_seen(parent.guild.id, thread_id, thread_id), given])


def _heading(name: str) -> str:
    return f"**{discord.utils.escape_markdown(thread_name(name))}**"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except discord.HTTPException as error:
        if error.code == _MAX_THREADS:
            raise Refused(TOO_MANY) from error
        raise

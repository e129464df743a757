"""Reads back what people wrote while the bot was away: per channel, from the last message that was seen on.

Discord tells with each channel which message is its newest, so a channel without news costs no request. Rows of
a channel wait (`Inbox.hold`) until it was read back, so that old and new messages keep their order.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

import discord

from bot.errors import CONNECTION_BROKEN
from bot.face import Face
from bot.inbox import Inbox
from bot.rows import load_seen, mark_seen
from storage import Database

log = logging.getLogger(__name__)

MAX_MESSAGES = 2_000
MAX_ARCHIVED = 200
_AT_ONCE = 4
_EVERYTHING = 0

Take = Callable[[discord.Message], Awaitable[None]]
Channel = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread


class CatchUp:
    """Reads back the channels of the allowed guilds. `take` gets every message, oldest first."""

    def __init__(self, face: Face, client: discord.Client, inbox: Inbox, take: Take) -> None:
        self._face = face
        self._client = client
        self._inbox = inbox
        self._take = take
        self._running = asyncio.Lock()

    async def run(self) -> None:
        """Read back every channel with messages newer than the last one seen; then let all rows go on.

        What cannot be read keeps its mark for the next time. Runs of this method follow one another.
        """
        async with self._running:
            # Whatever happens, rows must not wait for ever; marks may: the next start reads again from there.
            failed = frozenset({_EVERYTHING})
            try:
                failed = await self._read_all()
            finally:
                await self._inbox.release_all(failed)

    async def _read_all(self) -> frozenset[int]:
        """Read back every channel; the ids of those that could not be read."""
        seen = await load_seen(self._face.db)
        last_seen = max(seen.values(), default=0)
        failed: set[int] = set()
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(channel: Channel) -> None:
            async with places:
                if not await self._catch_up(channel, seen, last_seen):
                    failed.add(channel.id)

        for guild in self._guilds():
            async with asyncio.TaskGroup() as tasks:
                for channel in _channels(guild):
                    tasks.create_task(one(channel), name=f"read back {channel.id}")
            async for thread in self._archived(guild, seen, last_seen):
                await one(thread)
        return frozenset(failed)

    def _guilds(self) -> Iterable[discord.Guild]:
        return [guild for guild in self._client.guilds if guild.id in self._face.access.guild_ids]

    async def _catch_up(self, channel: Channel, seen: Mapping[int, int], last_seen: int) -> bool:
        """Read one channel back; False if that was not possible."""
        try:
            after = start_of(channel.id, channel.last_message_id, seen, last_seen)
            if after is not None:
                await self._read(channel, after)
            elif channel.id not in seen:
                newest = channel.last_message_id or channel.id
                await _note(self._face.db, channel.guild.id, channel.id, newest)
        except (discord.HTTPException, *CONNECTION_BROKEN) as error:
            code = error.code if isinstance(error, discord.HTTPException) else 0
            log.warning("channel not read back", extra={"channel": channel.id, "code": code})
            may_not = isinstance(error, discord.Forbidden | discord.NotFound)
            self._inbox.release(channel.id, complete=may_not)
            return may_not
        self._inbox.release(channel.id)
        return True

    async def _read(self, channel: Channel, after: int) -> None:
        count = 0
        newest = after
        async for message in channel.history(
            limit=MAX_MESSAGES, after=discord.Object(after), oldest_first=True
        ):
            await self._take(message)
            newest = max(newest, message.id)
            count += 1
        if count == MAX_MESSAGES:
            log.warning("channel has more messages than are read back", extra={"channel": channel.id})
        await _note(self._face.db, channel.guild.id, channel.id, newest)

    async def _archived(
        self, guild: discord.Guild, seen: Mapping[int, int], last_seen: int
    ) -> AsyncIterator[discord.Thread]:
        """Threads that were written in and archived again while the bot was away, private ones of ours too."""
        if not seen:
            return
        since = discord.utils.snowflake_time(last_seen)
        for parent in guild.text_channels:
            try:
                async for thread in parent.archived_threads(limit=MAX_ARCHIVED):
                    if thread.archive_timestamp < since:
                        break  # these come newest archived first
                    if start_of(thread.id, thread.last_message_id, seen, last_seen) is not None:
                        yield thread
                async for thread in parent.archived_threads(private=True, joined=True, limit=MAX_ARCHIVED):
                    late = thread.archive_timestamp >= since
                    if late and start_of(thread.id, thread.last_message_id, seen, last_seen) is not None:
                        yield thread
            except (discord.HTTPException, *CONNECTION_BROKEN) as error:
                log.warning(
                    "archived threads not listed", extra={"channel": parent.id, "why": type(error).__name__}
                )


def start_of(channel_id: int, newest: int | None, seen: Mapping[int, int], last_seen: int) -> int | None:
    """The message after which to read, or None if nothing can be missing.

    A channel that was never seen is new since then (its id is newer than all that was seen), or is one that
    the bot could not see: what was said there before is not for it.
    """
    if newest is None:
        return None
    known = seen.get(channel_id)
    if known is not None:
        return known if newest > known else None
    return channel_id - 1 if last_seen and channel_id > last_seen else None


def _channels(guild: discord.Guild) -> list[Channel]:
    return [*guild.text_channels, *guild.voice_channels, *guild.stage_channels, *guild.threads]


async def _note(db: Database, guild_id: int, channel_id: int, message_id: int) -> None:
    await db.write([mark_seen(guild_id, channel_id, message_id)])

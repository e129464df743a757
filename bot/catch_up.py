"""Read back the messages that people wrote while the bot was away: per channel, from the last seen message on.

Discord lists each channel's newest message, so a channel without news costs no request. Rows of a channel wait
(`Inbox.hold`) until it is read back, so that old and new messages keep their order; after `HELD_AT_MOST_S` they
wait no longer. A channel that cannot be read keeps its mark, and is tried again while the connection lasts.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat
from typing import assert_never

import discord
import msgspec

from bot.errors import CONNECTION_BROKEN
from bot.face import Face
from bot.inbox import Inbox
from bot.inbox_rows import load_seen, mark_seen
from storage import StorageError

log = logging.getLogger(__name__)

LAP = 500
"""Most messages of one channel in a row. Then its mark moves, and other channels have their turn."""
HELD_AT_MOST_S = 20.0
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Pauses before each further try of failed jobs; the last one repeats."""
_AT_ONCE = 4  # a guess: more would take requests from posts, fewer would read longer
_TRY_S = 60.0
_MAY_PASS = (discord.HTTPException, discord.RateLimited, StorageError, TimeoutError, *CONNECTION_BROKEN)

Take = Callable[[discord.Message], Awaitable[None]]
Channel = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
Parent = discord.TextChannel | discord.ForumChannel


class _Plan(msgspec.Struct, frozen=True):
    """Find the channels to read. `archives`: archived threads too, for they may have news."""

    archives: bool


@dataclass(slots=True)
class _Archive:
    """Look through a channel's archived threads; `private`: the private ones that the bot is in."""

    parent: Parent
    private: bool
    seen: Mapping[int, int]


@dataclass(slots=True)
class _Reading:
    """Read a channel from `after` on. Each taken message moves `after`."""

    channel: Channel
    after: int


_Job = _Plan | _Archive | _Reading


class CatchUp:
    """Reads back the channels of the allowed guilds. `take` gets every message, oldest first."""

    def __init__(self, face: Face, client: discord.Client, inbox: Inbox, take: Take) -> None:
        self._face = face
        self._client = client
        self._inbox = inbox
        self._take = take
        self._left: list[_Job] = []
        self._readings: set[int] = set()
        self._last_seen: int | None = None
        self._nudged = asyncio.Event()

    def begin(self) -> None:
        """Have `run` read everything since the marks. Call it at each new connection."""
        self._left = [_Plan(archives=True)]
        self._readings.clear()
        self._last_seen = None

    def look_again(self, *, archives: bool = False, now: bool = False) -> None:
        """Have `run` look for messages missed while connected; with `archives`, in archived threads too.

        `now`: also retry failed jobs at once.
        """
        if not any(isinstance(each, _Plan) and each.archives >= archives for each in self._left):
            self._left.append(_Plan(archives))
        if now:
            self._nudged.set()

    async def run(self, tried: Callable[[], Awaitable[bool]]) -> None:
        """Read back until nothing is left. Awaits `tried` once every channel has been tried, until it is True.

        May be cancelled: unread channels keep their marks, and the next connection reads on from there.
        """
        async with asyncio.TaskGroup() as tasks:
            letting_go = tasks.create_task(self._let_go_in_time(), name="rows wait no longer")
            await self._round()
            is_told = await tried()
            for pause_s in chain(PAUSES_S, repeat(PAUSES_S[-1])):
                if not self._left and is_told:
                    break
                await self._pause(pause_s)
                await self._round()
                is_told = is_told or await tried()
            letting_go.cancel()

    async def _let_go_in_time(self) -> None:
        await asyncio.sleep(HELD_AT_MOST_S)
        while True:
            try:
                return await self._inbox.let_go()
            except StorageError:
                log.exception("waiting rows not found")
                await asyncio.sleep(PAUSES_S[-1])

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        self._nudged.clear()

    # --- jobs -------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        """Do every job that is left, and its follow-up jobs. Jobs that fail are left for the next round."""
        jobs, self._left = self._left, []
        searched = await self._do_all(jobs)
        if searched:
            # A thread that somebody wrote in just now has left the archive, perhaps before we looked there.
            await self._do_all([_Plan(archives=False)])
        if all(isinstance(job, _Reading) for job in self._left):
            try:
                await self._inbox.settle(self._readings)
            except StorageError:
                log.exception("waiting rows not found")
                self.look_again()

    async def _do_all(self, jobs: Iterable[_Job]) -> bool:
        """Do `jobs` and the jobs that follow, several at once. Return whether one searched an archive."""
        queue: asyncio.Queue[_Job] = asyncio.Queue()
        for job in jobs:
            queue.put_nowait(job)
        done: list[_Job] = []
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._work(queue, done), name="read back") for _ in range(_AT_ONCE)]
            # `task_done` comes after the follow-up jobs are queued, so this ends only when none is left.
            await queue.join()
            for worker in workers:
                worker.cancel()
        return any(isinstance(job, _Archive) for job in done)

    async def _work(self, queue: asyncio.Queue[_Job], done: list[_Job]) -> None:
        while True:
            job = await queue.get()
            done.append(job)
            try:
                async with asyncio.timeout(_TRY_S):
                    async for follows in self._do(job):
                        queue.put_nowait(follows)
            except _MAY_PASS as error:
                log.warning("not read back", extra={**_facts(job), "why": type(error).__name__})
                # A reading keeps how far it came: its next try goes on from there.
                self._left.append(job)
            except Exception:
                log.exception("not read back", extra=_facts(job))
                self._left.append(job)
            finally:
                queue.task_done()

    def _do(self, job: _Job) -> AsyncIterator[_Job]:
        """Do `job` and yield its follow-up jobs. Passes errors of the library and the database on."""
        match job:
            case _Plan():
                return self._plan(job)
            case _Archive():
                return self._search(job)
            case _Reading():
                return self._read(job)
            case _:
                assert_never(job)

    async def _plan(self, job: _Plan) -> AsyncIterator[_Job]:
        seen = await load_seen(self._face.db)
        if self._last_seen is None:
            # Once for a connection, before marks move: it tells new
            # channels from those that the bot could not see before.
            self._last_seen = max(seen.values(), default=0)
        for guild in self._guilds():
            for channel in _channels(guild):
                for reading in await self._news_of(channel, seen):
                    yield reading
            if job.archives and seen:
                for parent in guild.text_channels:
                    yield _Archive(parent, False, seen)
                    yield _Archive(parent, True, seen)
                for forum in guild.forums:
                    yield _Archive(forum, False, seen)

    async def _news_of(self, channel: Channel, seen: Mapping[int, int]) -> list[_Reading]:
        """Return the reading that the channel needs. If it has no news, release its rows."""
        if channel.id in self._readings:
            return []
        after = start_of(channel.id, channel.last_message_id, seen, self._last_seen or 0)
        if after is not None:
            return [self._reading(channel, after)]
        if channel.id not in seen:
            await self._note(channel, channel.last_message_id or channel.id)
        self._inbox.release(channel.id)
        return []

    def _reading(self, channel: Channel, after: int) -> _Reading:
        self._inbox.expect(channel.id)
        self._readings.add(channel.id)
        return _Reading(channel, after)

    async def _search(self, job: _Archive) -> AsyncIterator[_Job]:
        """Yield a reading for each thread that got messages and was archived again while the bot was away."""
        last_seen = self._last_seen or 0
        since = discord.utils.snowflake_time(last_seen)
        try:
            async for thread in _archived(job):
                if thread.archive_timestamp < since:
                    if not job.private:
                        break  # these come newest archived first
                    # Private threads that the bot is in come by id, so an old one tells nothing of the others.
                    continue
                after = start_of(thread.id, thread.last_message_id, job.seen, last_seen)
                if after is not None and thread.id not in self._readings:
                    yield self._reading(thread, after)
        except (discord.Forbidden, discord.NotFound) as error:
            log.warning("archive is not for us", extra={**_facts(job), "code": error.code})

    async def _read(self, job: _Reading) -> AsyncIterator[_Job]:
        """Take at most `LAP` messages; then other channels have their turn."""
        # The count of misses is taken before the first page: see below.
        channel, count, misses = job.channel, 0, self._inbox.misses
        try:
            after = discord.Object(job.after)
            async for message in channel.history(limit=LAP, after=after, oldest_first=True):
                await self._take(message)
                job.after = message.id
                count += 1
        except (discord.Forbidden, discord.NotFound) as error:
            log.warning("channel is not for us", extra={**_facts(job), "code": error.code})
        await self._note(channel, job.after)
        # A message missed live meanwhile may be in this channel, and newer than the last page.
        if count == LAP or misses != self._inbox.misses:
            yield job
            return
        # No await before the release: a plan in between would begin another reading of the channel.
        self._readings.discard(channel.id)
        self._inbox.release(channel.id)

    # --- marks ------------------------------------------------------------------------------------------

    def _guilds(self) -> Iterable[discord.Guild]:
        return [guild for guild in self._client.guilds if guild.id in self._face.access.guild_ids]

    async def _note(self, channel: Channel, message_id: int) -> None:
        await self._face.db.write([mark_seen(channel.guild.id, channel.id, message_id)])


def start_of(channel_id: int, newest: int | None, seen: Mapping[int, int], last_seen: int) -> int | None:
    """Return the id of the message after which to read, or None if nothing can be missing.

    A channel without a mark is either new (its id is newer than every seen message) and is read from its start,
    or the bot could not see it before: its old messages were not meant for the bot.
    """
    if newest is None:
        return None
    known = seen.get(channel_id)
    if known is not None:
        return known if newest > known else None
    return channel_id - 1 if last_seen and channel_id > last_seen else None


def _channels(guild: discord.Guild) -> list[Channel]:
    return [*guild.text_channels, *guild.voice_channels, *guild.stage_channels, *guild.threads]


def _archived(job: _Archive) -> AsyncIterator[discord.Thread]:
    if isinstance(job.parent, discord.ForumChannel):
        return job.parent.archived_threads(limit=None)
    # `joined`: all private threads are listed only for those who manage threads.
    return job.parent.archived_threads(private=job.private, joined=job.private, limit=None)


def _facts(job: _Job) -> dict[str, object]:
    match job:
        case _Plan():
            return {"job": "plan"}
        case _Archive():
            return {"job": "archive", "channel": job.parent.id}
        case _Reading():
            return {"job": "reading", "channel": job.channel.id}
        case _:
            assert_never(job)

"""The inbox: store each message as a row first, then act on it, in order within its channel, exactly once.

A row is closed after it was acted on. Acting on a row again has no second effect (the core knows its origin),
so a crash in between costs nothing. `prompts.py` acts on rows; interactions have `entry.py`.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from enum import Enum, auto
from itertools import chain, repeat
from typing import Any, Protocol

from bot.inbox_rows import (
    InboxRow,
    InboxStatus,
    close_inbox_row,
    mark_seen,
    next_message_row,
    take_in,
    waiting_channels,
)
from faults import crash_point
from storage import ConstraintViolated, Database, DatabaseClosed, StatementRefused, StorageError

log = logging.getLogger(__name__)

_RETRY_S = (1.0, 5.0, 30.0)  # the last one repeats: Discord may be away for hours
_DATABASE_RETRY_S = 2.0


class Handler(Protocol):
    """Acts on rows. Returns a note if the row was refused, or an empty string."""

    async def handle(self, row: InboxRow) -> str:
        """Act on `row`; the same one again has no second effect. Raises `TryAgain`, `NotYet`."""
        ...

    async def give_up(self, row: InboxRow, error: Exception) -> str:
        """Tell the row's author about `error` and return the note for the row. Raises `TryAgain`."""
        ...


class TryAgain(Exception):
    """The row could not be handled now, for a reason that may pass."""


class NotYet(Exception):
    """The row waits for what its author writes next, at most `seconds`; it stays the channel's next one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ReadBack(Enum):
    """The state of a channel after a gap. `HELD`: rows wait, and the mark of the last seen message stays.
    `GOING`: rows are handled, but the mark stays: some messages may be unread. `READ`: the mark moves too.
    """

    HELD = auto()
    GOING = auto()
    READ = auto()


class Inbox:
    """The rows, and one worker per channel with open rows. `start_task` starts a task that the client owns."""

    def __init__(
        self,
        db: Database,
        handler: Handler,
        start_task: Callable[[Coroutine[Any, Any, None], str], Any],
        now_ms: Callable[[], int],
    ) -> None:
        self._db = db
        self._handler = handler
        self._start_task = start_task
        self._now_ms = now_ms
        self._working: dict[int, asyncio.Event] = {}
        self._read_back: dict[int, ReadBack] = {}
        self._others = ReadBack.HELD
        self.misses = 0
        self._resting = False
        self.idle = asyncio.Event()
        self.idle.set()

    # --- taking in --------------------------------------------------------------------------------------

    async def take(self, row: InboxRow) -> None:
        """Store `row` unless it is known, and handle it in its turn. Raises `StorageError`."""
        # A known message needs no wake: it was handled, or waits
        # for its channel. Reading back overlaps with live events.
        if await take_in(self._db, row):
            crash_point("message-stored")
            self.wake(row.channel_id)

    def miss(self) -> None:
        """Note that a message could not be stored: no mark moves until everything is read back."""
        self.misses += 1
        for channel_id, state in self._read_back.items():
            if state is ReadBack.READ:
                self._read_back[channel_id] = ReadBack.GOING
        if self._others is ReadBack.READ:
            self._others = ReadBack.GOING

    async def note_seen(self, guild_id: int, channel_id: int, message_id: int) -> None:
        """Move the channel's mark to a message that is stored or not for us, so that it is not read back later.

        While the channel may have unread messages, the mark stays: it must not pass them.
        """
        await self.note_all_seen({channel_id: (guild_id, message_id)})

    async def note_all_seen(self, newest: Mapping[int, tuple[int, int]]) -> None:
        """Move the marks of several channels, as `note_seen`: each to the message of its guild given here."""
        marks = [
            mark_seen(guild_id, channel_id, message_id)
            for channel_id, (guild_id, message_id) in newest.items()
            # A mark must not pass unread messages: nobody would look for those before it.
            if self._read_back.get(channel_id, self._others) is ReadBack.READ
        ]
        await self._db.write(marks)

    # --- reading back -----------------------------------------------------------------------------------

    def hold(self) -> None:
        """Note the start of a gap: rows wait and marks stay until their channel is read back."""
        self._read_back.clear()
        self._others = ReadBack.HELD

    def expect(self, channel_id: int) -> None:
        """Note that the channel must be read back: its mark stays. Its rows wait only if they are held now."""
        if self._read_back.get(channel_id, self._others) is not ReadBack.HELD:
            self._read_back[channel_id] = ReadBack.GOING
        else:
            self._read_back[channel_id] = ReadBack.HELD

    def release(self, channel_id: int) -> None:
        """Note that the channel is read back to its end: its rows are handled, and its mark moves."""
        self._read_back[channel_id] = ReadBack.READ
        self.wake(channel_id)

    async def let_go(self) -> None:
        """Handle all held rows, though some channels are still unread. Raises `StorageError`."""
        for channel_id, state in self._read_back.items():
            if state is ReadBack.HELD:
                self._read_back[channel_id] = ReadBack.GOING
        if self._others is ReadBack.HELD:
            self._others = ReadBack.GOING
        await self._wake_waiting()

    async def settle(self, unread: Collection[int]) -> None:
        """Note that every channel is read back, except those in `unread`. Raises `StorageError`."""
        self._read_back = {key: each for key, each in self._read_back.items() if key in unread}
        self._others = ReadBack.READ
        await self._wake_waiting()

    async def _wake_waiting(self) -> None:
        for channel_id in await waiting_channels(self._db):
            self.wake(channel_id)

    def rest(self) -> None:
        """Wait no longer for what authors write next: the client closes."""
        self._resting = True
        for news in self._working.values():
            news.set()

    # --- acting on rows ---------------------------------------------------------------------------------

    def wake(self, channel_id: int) -> None:
        """Start to handle the channel's rows, unless that is running or the channel is held."""
        if self._read_back.get(channel_id, self._others) is ReadBack.HELD:
            return
        news = self._working.get(channel_id)
        if news is not None:
            news.set()
            return
        # No await since the look: a channel has one worker, or its messages would lose their order.
        self._working[channel_id] = asyncio.Event()
        self.idle.clear()
        self._start_task(self._work(channel_id), f"inbox of {channel_id}")

    async def _work(self, channel_id: int) -> None:
        news = self._working[channel_id]
        try:
            while True:
                # Before the read: a row that comes during it sets `news` again, and the worker does not end.
                news.clear()
                try:
                    row = await next_message_row(self._db, channel_id)
                    if row is not None:
                        await self._deal_with(row)
                    elif not news.is_set():
                        return
                except NotYet as wait:
                    if self._resting:
                        return  # the row stays; the next start takes it up
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait.seconds):
                            await news.wait()
                except DatabaseClosed:
                    return  # the rows stay; the next start takes them up
                except StorageError:
                    log.exception("the inbox waits for the database", extra={"channel": channel_id})
                    await asyncio.sleep(_DATABASE_RETRY_S)
        finally:
            del self._working[channel_id]
            if not self._working:
                self.idle.set()

    async def _deal_with(self, row: InboxRow) -> None:
        note = await self._acted_on(row)
        # A kill here handles the row once more: the core knows its origin and does nothing.
        crash_point("message-acted-on")
        status = InboxStatus.REFUSED if note else InboxStatus.DONE
        await self._db.write([close_inbox_row(row.external, status, self._now_ms(), note)])

    async def _acted_on(self, row: InboxRow) -> str:
        """Act on `row`, and retry for as long as Discord is in trouble.

        A row is given up once its author has been told, or if its body is of no use for that.
        """
        failure: Exception | None = None
        for pause_s in chain(_RETRY_S, repeat(_RETRY_S[-1])):
            try:
                if failure is None:
                    return await self._handler.handle(row)
            except NotYet:
                raise
            except TryAgain:
                await asyncio.sleep(pause_s)
                continue
            except (ConstraintViolated, StatementRefused) as error:
                failure = error  # a retry would fail in the same way
            except StorageError:
                raise
            except Exception as error:
                failure = error
            try:
                return await self._handler.give_up(row, failure)
            except TryAgain:
                await asyncio.sleep(pause_s)
            except StorageError:
                raise
            except Exception:
                # Open, it would stay the channel's next row, and nobody would deal with those after it.
                log.exception("row given up, its author not told", extra={"inbox": row.external})
                return "given up"
        raise AssertionError("there is always another try")

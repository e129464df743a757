"""Turn messages, edits and deletions from Discord, live or read back, into rows of the inbox.

Answers for which of them become rows, and in which order. `prompts.py` acts on a row; `inbox.py` decides when.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace  # noqa: TID251
from functools import partial
from typing import Any

import discord

from api.access import Role
from bot.errors import CONNECTION_BROKEN
from bot.face import Face
from bot.inbox import Inbox
from bot.inbox_rows import InboxRow, author_of
from bot.late_changes import LateChanges
from bot.messages import is_for_us, is_soon, live_author, message_row, snowflake_ms
from bot.refusal_audit import RefusalAudit
from bot.rows import new_nonce
from bot.rows_and_core import queued_messages
from bot.talk_rows import forget_talk, last_talk, note_talk
from storage import StorageError

log = logging.getLogger(__name__)

_BETWEEN_S = 0.05
"""Pause between two reads of queued messages: leaves most of Discord's 50 requests a second to posts."""
_OWN_MARKS_S = 1.0
"""The marks of own messages are written together, so late. A lost one costs one read at the next start."""


class Arrivals:
    """Takes messages in, in the order in which they come. Calls `missed` if one could not be stored.

    `start_task` starts a task that the client owns.
    """

    def __init__(
        self,
        face: Face,
        client: discord.Client,
        inbox: Inbox,
        refusal_audit: RefusalAudit,
        missed: Callable[[], None],
        start_task: Callable[[Coroutine[Any, Any, None], str], Any],
    ) -> None:
        self._face = face
        self._client = client
        self._inbox = inbox
        self._refusal_audit = refusal_audit
        self._missed = missed
        self._start_task = start_task
        self._own: dict[int, tuple[int, int]] = {}
        self._resting = asyncio.Event()
        # The library starts a task for each event, in order; the lock keeps that order while rows are written.
        self._taking_in = asyncio.Lock()
        self._late = LateChanges(self._taking_in, start_task)
        self._connection = new_nonce()

    async def take(self, message: discord.Message) -> None:
        """Take in a message that somebody wrote. Raises `StorageError`; the message is then read back later."""
        row = message_row(message, self._bot_id)
        try:
            async with self._taking_in:
                if row is not None and await is_for_us(self._face, row):
                    await self._take(row)
                elif row is not None:
                    await self._note_talk(row)
        except StorageError:
            self._inbox.miss()
            self._missed()
            raise
        if message.guild is not None and message.guild.id in self._face.access.guild_ids:
            # After the row: a kill in between reads the message back, and its row is known then.
            await self._inbox.note_seen(message.guild.id, message.channel.id, message.id)

    def note_own(self, guild_id: int, channel_id: int, message_id: int) -> None:
        """Note a message of the bot's own: the channel's mark moves to it soon."""
        if self._resting.is_set() or guild_id not in self._face.access.guild_ids:
            return
        # One task for all marks of the next second.
        if not self._own:
            self._start_task(self._mark_own(), "marks of own messages")
        self._own[channel_id] = guild_id, message_id

    async def _mark_own(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_OWN_MARKS_S):
                await self._resting.wait()
        # Behind what people wrote before: a mark must not pass a message that is not stored yet.
        async with self._taking_in:
            own, self._own = self._own, {}
            await self._inbox.note_all_seen(own)

    def rest(self) -> None:
        """Write marks without waiting for more of them: the client closes."""
        self._resting.set()
        self._late.rest()

    async def _take(self, row: InboxRow) -> None:
        """Store the row, unless its author may not use the bot: strangers could fill the database."""
        actor = live_author(self._face, row)
        if actor is not None and actor.role is Role.NOBODY:
            await self._refusal_audit.note(actor)
        else:
            await self._inbox.take(row)

    async def _note_talk(self, row: InboxRow) -> None:
        """Remember a live message that is not for us: an edit may add a mention, even while the bot is away."""
        actor = live_author(self._face, row)
        if actor is not None and actor.role is not Role.NOBODY:
            message_id = int(row.body["message_id"])
            await self._face.db.write(note_talk(self._connection, row.channel_id, message_id))

    async def edited(self, message: discord.Message) -> None:
        """Take an edit in, if the message has a row, or if the edit adds a mention soon enough.

        One that the database does not take now is stored later.
        """
        # Discord sends an update without `edited_at` when it adds a link's preview: the text is the same.
        if message.edited_at is None:
            return
        row = message_row(message, self._bot_id)
        if row is None:
            return
        edited_ms = int(message.edited_at.timestamp() * 1000)
        # The time of the edit makes each one a row, and the same one twice only one.
        external = f"edit:{message.id}:{edited_ms}"
        # An edit is handled after its message, even if both bear the same time.
        at_ms = max(edited_ms, row.received_ms + 1)
        new = replace(row, received_ms=at_ms)
        edit = replace(new, external=external, kind="edit")
        async with self._taking_in:
            await self._late.store(message.id, partial(self._take_edit, edit, new))

    async def _take_edit(self, edit: InboxRow, message: InboxRow) -> None:
        """Store `edit` if its message has a row. Otherwise store `message`, if the edit made it one for us."""
        is_ours = message.body["guild_id"] in self._face.access.guild_ids
        if await author_of(self._face.db, message.external) is not None:
            await self._inbox.take(edit)
        elif message.body["mentions_bot"] and is_ours and is_soon(message):
            await self._take(message)

    async def deleted(self, guild_id: int, channel_id: int, message_id: int) -> None:
        """Take a deletion in, if the message has a row. One that the database does not take now comes later."""
        at_ms = max(self._face.now_ms(), snowflake_ms(message_id) + 1)
        body = {"guild_id": guild_id, "message_id": message_id}
        row = InboxRow(f"delete:{message_id}", "delete", channel_id, 0, body, at_ms)
        async with self._taking_in:
            await self._late.store(message_id, partial(self._take_deletion, message_id, row))

    async def _take_deletion(self, message_id: int, row: InboxRow) -> None:
        author_id = await author_of(self._face.db, f"message:{message_id}")
        if author_id is not None:
            await self._inbox.take(replace(row, author_id=author_id))

    def connected(self) -> None:
        """Note a new connection: Discord did not report edits from before it."""
        self._connection = new_nonce()

    async def look_at_edited(self) -> None:
        """Read the messages whose prompt is queued, and people's last talk; take in edits and deletions.

        Discord does not report those that happened while the bot was away.
        """
        queued = [each async for each in queued_messages(self._face.core, self._face.db)]
        talk = await last_talk(self._face.db, self._connection)
        await self._look_at([*queued, *talk])
        await self._face.db.write([forget_talk(self._connection)])

    async def _look_at(self, messages: Sequence[tuple[int, int]]) -> None:
        for channel_id, message_id in messages:
            await asyncio.sleep(_BETWEEN_S)
            try:
                guild_id = await self._guild_of(channel_id)
                channel = self._client.get_partial_messageable(channel_id, guild_id=guild_id)
            except (discord.HTTPException, *CONNECTION_BROKEN):
                continue  # the channel is gone; its prompts stay
            try:
                await self.edited(await channel.fetch_message(message_id))
            except discord.NotFound:
                if guild_id is not None:
                    await self.deleted(guild_id, channel_id, message_id)
            except (discord.HTTPException, *CONNECTION_BROKEN) as error:
                log.warning(
                    "queued message not read", extra={"channel": channel_id, "why": type(error).__name__}
                )

    async def _guild_of(self, channel_id: int) -> int | None:
        channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
        return channel.guild.id if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else None

    @property
    def _bot_id(self) -> int:
        assert self._client.user is not None
        return self._client.user.id

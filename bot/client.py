"""The Discord client: least intents, nobody pinged, our own tasks awaited at the end, foreign guilds left.

Turns what the gateway says into rows of the inbox and interactions; what they mean is decided elsewhere.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.asking import Asker
from bot.catch_up import CatchUp
from bot.command_sync import sync_commands
from bot.controls import Controls
from bot.entry import Entry, Interaction
from bot.errors import CONNECTION_BROKEN, Refused
from bot.face import Face
from bot.inbox import Inbox
from bot.leftovers import Leftovers
from bot.opening import Opener
from bot.prompts import PromptHandler, is_for_us, message_row, snowflake_ms
from bot.rows import InboxRow, author_of, queued_messages
from storage import StorageError

log = logging.getLogger(__name__)

CLOSE_PATIENCE_S = 5.0
_MAX_RATELIMIT_S = 30.0
_COMMANDS_CHANGED = "The commands have changed. Reload Discord (Ctrl+R) and use the command again."


def intents() -> discord.Intents:
    """What we are told of: guilds, messages in them, and their text."""
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = True
    wanted.message_content = True
    return wanted


class Tree(app_commands.CommandTree["BridgeClient"]):
    """The commands; every one comes in through `Entry`."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return await self.client.entry.admit(interaction)

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        await self.client.entry.settle(interaction, _cause(error))


def _cause(error: app_commands.AppCommandError) -> BaseException:
    match error:
        case app_commands.CommandInvokeError():
            return error.original
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return Refused(_COMMANDS_CHANGED)
        case app_commands.TransformerError():
            return Refused(f"“{error.value}” is not something that this option takes.")
        case _:
            return error


class BridgeClient(commands.Bot):
    """One connection to Discord. Make a new one for every start; `close` ends it for good.

    `before_start` is awaited before every session start (IDENTIFY); what it raises ends `connect`.
    """

    def __init__(
        self,
        make_face: Callable[[discord.Client], Face],
        before_start: Callable[[], Awaitable[None]],
        *,
        guild_ready_timeout: float = 2.0,
    ) -> None:
        super().__init__(
            command_prefix=_no_prefix,
            help_command=None,
            tree_cls=Tree,
            intents=intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=_MAX_RATELIMIT_S,
            guild_ready_timeout=guild_ready_timeout,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        self.face = face = make_face(self)
        self.entry = Entry(face, self.start_task)
        self.opener = Opener(face, self)
        self.asker = Asker(face, self.opener)
        self.controls = Controls(face, self, self.opener, self.asker)
        self.inbox = Inbox(face.db, PromptHandler(face, self, self.opener), self.start_task, face.now_ms)
        self.catch_up = CatchUp(face, self, self.inbox, self._take)
        self.caught_up = asyncio.Event()
        self._leftovers = Leftovers(face, self, self.asker)
        self._before_start = before_start
        self._started_ms = face.now_ms()
        # The library starts a task for each event, in order; the lock keeps that order while rows are written.
        self._taking_in = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def setup_hook(self) -> None:
        from bot.cogs import add_cogs

        await add_cogs(self)

    # --- tasks and the end ------------------------------------------------------------------------------

    def start_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` beside everything else; `close` awaits it. What escapes from it is logged."""
        task = asyncio.create_task(_logged(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Take nothing more in, let what is under way end (at most 5 s), then disconnect."""
        await self.drain()
        await super().close()

    async def drain(self) -> None:
        """Take nothing more in and let what is under way end, at most 5 s. What is left is in the inbox."""
        if self._closing:
            return
        self._closing = True
        pending = [task for task in self._tasks if task is not asyncio.current_task()]
        if pending:
            _, late = await asyncio.wait(pending, timeout=CLOSE_PATIENCE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # --- coming and going -------------------------------------------------------------------------------

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        await self._before_start()
        await super().before_identify_hook(shard_id, initial=initial)

    async def on_connect(self) -> None:
        """A new session with the gateway: what happened before it must be read back."""
        self.caught_up.clear()
        self.inbox.hold()

    async def on_ready(self) -> None:
        for guild in list(self.guilds):
            await self._settle_in(guild)
        self.start_task(self._read_back(), "catch-up")
        self.start_task(self._leftovers.run(self._started_ms), "leftovers")

    async def on_resumed(self) -> None:
        # Discord has replayed the gap; reading back costs nothing where it did.
        self.start_task(self._read_back(), "catch-up")

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._settle_in(guild)

    async def _read_back(self) -> None:
        await self.catch_up.run()
        await self._look_at_queued()
        self.caught_up.set()

    async def _look_at_queued(self) -> None:
        """Messages whose prompts wait may have been edited or deleted meanwhile: Discord does not tell."""
        for channel_id, message_id in await queued_messages(self.face.db):
            try:
                channel = self.get_partial_messageable(channel_id, guild_id=await self._guild_of(channel_id))
            except (discord.HTTPException, *CONNECTION_BROKEN):
                continue  # the channel is gone; its prompts stay
            try:
                await self._edited(await channel.fetch_message(message_id))
            except discord.NotFound:
                await self._deleted(channel.guild_id, channel_id, message_id)
            except (discord.HTTPException, *CONNECTION_BROKEN) as error:
                log.warning(
                    "queued message not read", extra={"channel": channel_id, "why": type(error).__name__}
                )

    async def _guild_of(self, channel_id: int) -> int | None:
        channel = self.get_channel(channel_id) or await self.fetch_channel(channel_id)
        return channel.guild.id if isinstance(channel, discord.abc.GuildChannel | discord.Thread) else None

    async def _settle_in(self, guild: discord.Guild) -> None:
        """Register the commands there; leave a server that is not ours."""
        try:
            if guild.id not in self.face.access.guild_ids:
                log.warning("left a server that is not in ALLOWED_GUILD_IDS", extra={"guild": guild.id})
                await guild.leave()
            else:
                await sync_commands(self, self.face.db, guild.id)
        except (discord.HTTPException, *CONNECTION_BROKEN) as error:
            log.warning("commands not registered", extra={"guild": guild.id, "why": type(error).__name__})

    # --- messages ---------------------------------------------------------------------------------------

    async def on_message(self, message: discord.Message, /) -> None:
        if not self._closing:
            await self._take(message)

    async def _take(self, message: discord.Message) -> None:
        assert self.user is not None
        row = message_row(message, self.user.id)
        try:
            async with self._taking_in:
                if row is not None and await is_for_us(self.face, row):
                    await self.inbox.take(row)
        except StorageError:
            self.inbox.miss()
            raise
        if message.guild is not None and message.guild.id in self.face.access.guild_ids:
            await self.inbox.note_seen(message.guild.id, message.channel.id, message.id)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        await self._edited(payload.message)

    async def _edited(self, message: discord.Message) -> None:
        assert self.user is not None
        # Without the time of an edit it is only a link's preview that was added.
        if self._closing or message.edited_at is None:
            return
        row = message_row(message, self.user.id)
        if row is None:
            return
        edited_ms = int(message.edited_at.timestamp() * 1000)
        external = f"edit:{message.id}:{edited_ms}"
        at_ms = max(edited_ms, row.received_ms + 1)
        async with self._taking_in:
            if await author_of(self.face.db, row.external) is not None:
                await self.inbox.take(replace(row, external=external, kind="edit", received_ms=at_ms))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self._deleted(payload.guild_id, payload.channel_id, payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in sorted(payload.message_ids):
            await self._deleted(payload.guild_id, payload.channel_id, message_id)

    async def _deleted(self, guild_id: int | None, channel_id: int, message_id: int) -> None:
        if self._closing or guild_id is None:
            return
        at_ms = max(self.face.now_ms(), snowflake_ms(message_id) + 1)
        body = {"guild_id": guild_id, "message_id": message_id}
        async with self._taking_in:
            author_id = await author_of(self.face.db, f"message:{message_id}")
            if author_id is not None:
                row = InboxRow(f"delete:{message_id}", "delete", channel_id, author_id, body, at_ms)
                await self.inbox.take(row)

    # --- interactions -----------------------------------------------------------------------------------

    async def on_interaction(self, interaction: Interaction) -> None:
        kinds = (discord.InteractionType.component, discord.InteractionType.modal_submit)
        if interaction.type in kinds and not self._closing:
            self.start_task(self.entry.run(interaction, self.controls.handle), f"control {interaction.id}")

    async def on_app_command_completion(self, interaction: Interaction, _: Any) -> None:
        await self.entry.settle(interaction)


def _no_prefix(_: commands.Bot, __: discord.Message) -> list[str]:
    return []


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception("task ended", extra={"task": name})

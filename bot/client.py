"""The Discord client: least intents, nobody pinged, our own tasks awaited at the end, foreign guilds left.

Passes gateway events on as rows of the inbox and as interactions; other modules act on them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import discord
from discord.ext import commands

from bot.arrivals import Arrivals
from bot.asking import Asker
from bot.catch_up import CatchUp
from bot.cogs.choices import RecentProjects
from bot.command_sync import sync_commands
from bot.command_tree import Tree
from bot.controls import Controls
from bot.cut_interactions import CutInteractions
from bot.entry import Entry, Interaction
from bot.errors import CONNECTION_BROKEN
from bot.face import Face
from bot.inbox import Inbox
from bot.lost_places import LostPlaces
from bot.members import Members
from bot.opening import Opener
from bot.own_messages import keep_own_ids_only
from bot.prompt_making import PromptMaker
from bot.prompts import PromptHandler, PromptParts
from bot.rate_limits import LONGEST_WAIT_S, keep_to_buckets
from bot.refusal_audit import RefusalAudit
from storage import StorageError

log = logging.getLogger(__name__)

CLOSE_PATIENCE_S = 5.0


def intents() -> discord.Intents:
    """Return the events that the bot asks for: guilds, messages in them, and their text."""
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = True
    wanted.message_content = True
    return wanted


class BridgeClient(commands.Bot):
    """One connection to Discord. Make a new one for every start; `close` ends it for good.

    Awaits `before_start` before every IDENTIFY; an error that it raises ends `connect`.
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
            max_ratelimit_timeout=LONGEST_WAIT_S,
            guild_ready_timeout=guild_ready_timeout,
            # No caches of messages or members: posts are addressed by id, roles are read when needed.
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        keep_to_buckets(self)
        self.face = face = make_face(self)
        self.refusal_audit = RefusalAudit(face.core)
        self.entry = Entry(face, self.refusal_audit, self.start_task)
        self.opener = Opener(face, self)
        self.members = Members(self, face.access)
        maker = PromptMaker(face, self, self.members)
        self.asker = Asker(face, self, self.opener, maker)
        self.projects = RecentProjects(face.core)
        self.controls = Controls(face, self, self.opener, self.asker, self.members)
        prompts = PromptHandler(PromptParts(face, self, self.opener, self.members, maker), self.refusal_audit)
        self.inbox = Inbox(face.db, prompts, self.start_task, face.now_ms)
        self.arrivals = Arrivals(face, self, self.inbox, self.refusal_audit, self._missed, self.start_task)
        keep_own_ids_only(self, self.arrivals.note_own)
        self.catch_up = CatchUp(face, self, self.inbox, self.arrivals.take)
        self.caught_up = asyncio.Event()
        self._lost_places = LostPlaces(face, self)
        self._cut_interactions = CutInteractions(face, self, self.asker)
        self._before_start = before_start
        self._started_ms = face.now_ms()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._settled_in: asyncio.Task[None] | None = None
        self._closing = False

    async def setup_hook(self) -> None:
        from bot.cogs.all_commands import add_cogs
        from bot.cogs.parts import CommandParts

        await add_cogs(self, CommandParts(self.face, self.opener, self.asker, self.controls.turns))

    # --- tasks and the end ------------------------------------------------------------------------------

    def start_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` as a task that `close` awaits. Exceptions that escape from it are logged."""
        task = asyncio.create_task(_logged(work, name), name=name)
        self._own(task)
        return task

    def _own(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Make `close` wait for the body of this block, which runs in a task of the library."""
        task = asyncio.current_task()
        assert task is not None
        is_ours = task in self._tasks
        self._tasks.add(task)
        try:
            yield
        finally:
            if not is_ours:
                self._tasks.discard(task)

    async def close(self) -> None:
        """Stop taking events in, wait at most 5 s for running work, then disconnect."""
        await self.drain()
        await super().close()

    async def drain(self) -> None:
        """Stop taking events in and wait at most 5 s for running work. Unfinished work stays in the inbox."""
        if self._closing:
            return
        # First: an event that comes during the wait must not start another handler.
        self._closing = True
        self.inbox.rest()
        self.arrivals.rest()
        self._stop_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                # Again and again: a task that ends may have started another one.
                while pending := self._tasks - {asyncio.current_task()}:
                    await asyncio.wait(pending)
        late = self._tasks - {asyncio.current_task()}
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # --- coming and going -------------------------------------------------------------------------------

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        await self._before_start()
        await super().before_identify_hook(shard_id, initial=initial)

    async def on_connect(self) -> None:
        """Hold the inbox: messages from before this gateway session must be read back first."""
        log.info("Discord connected")
        self.caught_up.clear()
        self._stop_reading()
        self.inbox.hold()
        self.arrivals.connected()

    async def on_ready(self) -> None:
        self._stop_reading()
        self.catch_up.begin()
        self._settled_in = self.start_task(self._settle_in_everywhere(), "settle in")
        self._read_on()
        # Again at every `on_ready`, also after a lost gateway
        # session: Discord's trouble may have left rows open.
        self.start_task(self._cut_interactions.run(self._started_ms), "cut interactions")

    async def on_resumed(self) -> None:
        log.info("Discord resumed")
        # Discord has replayed the gap. Looking again costs no request in channels without missed messages.
        self.catch_up.look_again(now=True)
        self._read_on()

    async def on_channel_closed(self, channel_id: int, code: int) -> None:
        """Tell the owners of the channel's sessions that the view cannot write there; `code` is Discord's."""
        if not self._closing:
            with self._under_way():
                await self._lost_places.tell(channel_id, code)

    async def on_raw_thread_delete(self, deleted: discord.RawThreadDeleteEvent) -> None:
        """Forget what was shown in a thread that somebody deleted."""
        if not self._closing:
            with self._under_way():
                await self._lost_places.forget(deleted.thread_id)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        with self._under_way():
            await self._settle_in(guild)

    # --- reading back -----------------------------------------------------------------------------------

    def _missed(self) -> None:
        self.catch_up.look_again(archives=True)
        self._read_on()

    def _read_on(self) -> None:
        """Start to read back, unless that is running."""
        if not self._closing and (self._reading is None or self._reading.done()):
            self._reading = self.start_task(self.catch_up.run(self._all_tried), "catch-up")

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _all_tried(self) -> bool:
        """Look at edited messages. Return False if that must be tried again."""
        try:
            await self.arrivals.look_at_edited()
        except StorageError:
            log.exception("edited messages not looked at")
            return False
        finally:
            assert self._settled_in is not None
            self._settled_in.add_done_callback(lambda _: self.caught_up.set())
        return True

    async def _settle_in_everywhere(self) -> None:
        for guild in list(self.guilds):
            await self._settle_in(guild)

    async def _settle_in(self, guild: discord.Guild) -> None:
        """Register the commands in the guild, or leave a guild that the settings do not allow."""
        try:
            if guild.id not in self.face.access.guild_ids:
                log.warning("left a server that is not in ALLOWED_GUILD_IDS", extra={"guild": guild.id})
                # The bot acts on its owner's machine, and everybody can invite a public bot.
                await guild.leave()
            else:
                await sync_commands(self, self.face.db, guild.id)
        except (discord.HTTPException, *CONNECTION_BROKEN) as error:
            log.warning("commands not registered", extra={"guild": guild.id, "why": type(error).__name__})

    # --- messages ---------------------------------------------------------------------------------------

    # In place of discord.py's own handler, which would look for prefix commands in each message.
    async def on_message(self, message: discord.Message, /) -> None:
        if not self._closing:
            with self._under_way():
                await self.arrivals.take(message)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        if not self._closing:
            with self._under_way():
                await self.arrivals.edited(payload.message)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self._deleted(payload.guild_id, payload.channel_id, payload.message_id)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in sorted(payload.message_ids):
            await self._deleted(payload.guild_id, payload.channel_id, message_id)

    async def _deleted(self, guild_id: int | None, channel_id: int, message_id: int) -> None:
        if guild_id is not None and not self._closing:
            with self._under_way():
                await self.arrivals.deleted(guild_id, channel_id, message_id)

    # --- interactions -----------------------------------------------------------------------------------

    async def admit(self, interaction: Interaction) -> bool:
        """Return whether to carry a command out; if not, answer it."""
        if self._closing:
            await self.entry.turn_away(interaction)
            return False
        # The library carries the command out in this task and does not await it, so `close` must.
        task = asyncio.current_task()
        assert task is not None
        self._own(task)
        return await self.entry.admit(interaction)

    async def on_interaction(self, interaction: Interaction) -> None:
        kinds = (discord.InteractionType.component, discord.InteractionType.modal_submit)
        if interaction.type not in kinds:
            return
        if self._closing:
            await self.entry.turn_away(interaction)
            return
        self.start_task(self.entry.run(interaction, self.controls.handle), f"control {interaction.id}")

    # discord.py calls this only after success; errors go to `Tree.on_error`.
    async def on_app_command_completion(self, interaction: Interaction, _: Any) -> None:
        with self._under_way():
            await self.entry.settle(interaction)


def _no_prefix(_: commands.Bot, __: discord.Message) -> list[str]:
    return []


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception("task ended", extra={"task": name})

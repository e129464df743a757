"""The one entry for every interaction: check the person, skip repeats, and always answer in time.

Commands come through `Tree`, components and dialogs through `client.on_interaction`; both admit here first.
The library's own registries of views and dialogs are not used: they lose entries, and a restart empties them.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Any

import discord

from api.access import Actor, Role
from bot.actors import Somebody, actor_of
from bot.bodies import Body, Plain
from bot.discord_bodies import edit_kwargs, message_kwargs
from bot.errors import CONNECTION_BROKEN, Refused, sentence_for
from bot.face import Face
from bot.inbox_rows import InboxRow, InboxStatus, close_inbox_row, take_in
from bot.refusal_audit import RefusalAudit
from faults import crash_point

log = logging.getLogger(__name__)

Interaction = discord.Interaction[Any]

ACKNOWLEDGE_AFTER_S = 1.5
"""Discord gives up after 3 s by its own clock. The rest is left for the network and a busy machine."""
STOPPING = "The bot is being restarted. Try again in a minute."
NOT_YOURS = "You may not use this bot here. Ask an admin to add you or one of your roles."
_EXTRA = "reply"


class _Said(Enum):
    NOTHING = auto()
    THINKING = auto()
    UPDATING = auto()
    ANSWERED = auto()


class Reply:
    """The answer to one interaction. Concurrent callers share it: only the first of them acknowledges.

    Methods raise `discord.HTTPException`. `incident` is the number that a person is told after a defect.
    `message_id` is the loading message's, once there is one.
    """

    def __init__(self, interaction: Interaction, actor: Actor) -> None:
        self.interaction = interaction
        self.actor = actor
        self.incident = secrets.token_hex(4)
        self.message_id: int | None = None
        self._said = _Said.NOTHING
        # The handler and the watchdog may both answer: Discord
        # takes one acknowledgement, and refuses a second (40060).
        self._lock = asyncio.Lock()
        self._acknowledged = asyncio.Event()

    @property
    def origin(self) -> str:
        """The core's key for this interaction's request: the core carries a repeated key out only once."""
        return f"discord:interaction:{self.interaction.id}"

    async def say(self, body: Body | str, *, ephemeral: bool = True) -> None:
        """Answer with `body`. If there is an answer already, send `body` as a further message."""
        shown = Plain(body) if isinstance(body, str) else body
        async with self._lock:
            match self._said:
                case _Said.NOTHING:
                    kwargs = message_kwargs(shown)
                    await self.interaction.response.send_message(**kwargs, ephemeral=ephemeral)
                # An edit: that a first follow-up replaces the loading message is deprecated.
                case _Said.THINKING:
                    await self.interaction.edit_original_response(**edit_kwargs(shown))
                case _:
                    kwargs = message_kwargs(shown)
                    await self.interaction.followup.send(**kwargs, ephemeral=ephemeral, wait=True)
            self._now(_Said.ANSWERED)

    async def update(self, body: Body) -> None:
        """Replace the message with the used control by `body`. For the bot's ephemeral panels."""
        async with self._lock:
            before = self._said
            if before is _Said.NOTHING:
                await self.interaction.response.edit_message(**edit_kwargs(body))
            elif before is _Said.UPDATING:
                await self.interaction.edit_original_response(**edit_kwargs(body))
            if before in (_Said.NOTHING, _Said.UPDATING):
                self._now(_Said.ANSWERED)
                return
        await self.say(body)

    async def will_update(self) -> None:
        """Acknowledge the use of a control on a panel; `update` must follow. No effect after another answer."""
        async with self._lock:
            if self._said is _Said.NOTHING:
                await self.interaction.response.defer()
                self._now(_Said.UPDATING)

    async def think(self, *, ephemeral: bool = True) -> None:
        """Acknowledge with a loading message; an answer must follow. No effect after another answer.

        `ephemeral` holds for that answer too: Discord fixes it here.
        """
        async with self._lock:
            if self._said is _Said.NOTHING:
                # `_said` changes only after the request: one that failed
                # leaves the interaction unanswered, and may be tried again.
                made = await self.interaction.response.defer(ephemeral=ephemeral, thinking=True)
                crash_point("interaction-acknowledged")
                self.message_id = made.message_id if made is not None else None
                self._now(_Said.THINKING)

    async def open_dialog(self, dialog: discord.ui.Modal) -> None:
        """Show a dialog. Raises `Refused` unless it is the first answer."""
        async with self._lock:
            # Discord opens a dialog only as the first answer, and the watchdog may have come first.
            if self._said is not _Said.NOTHING:
                raise Refused("That took too long to open; please try again.")
            await self.interaction.response.send_modal(dialog)
            self._now(_Said.ANSWERED)

    async def end(self) -> None:
        """Acknowledge if nothing was said so far, and delete a loading message."""
        async with self._lock:
            match self._said:
                case _Said.NOTHING if self.interaction.type is discord.InteractionType.application_command:
                    await self.interaction.response.send_message("Done.", ephemeral=True)
                # A bare defer changes nothing on the screen: the view shows what a click changed.
                case _Said.NOTHING:
                    await self.interaction.response.defer()
                case _Said.THINKING:
                    await self.interaction.delete_original_response()
                case _:
                    return
            self._now(_Said.ANSWERED)

    async def fail(self, error: BaseException) -> str:
        """Tell the person about `error` and return the sentence. Logs a defect under the incident's number."""
        sentence = sentence_for(error)
        if sentence is None:
            log.error("interaction failed", extra={"incident": self.incident}, exc_info=error)
            sentence = f"Something went wrong. Tell an admin the number {self.incident}."
        try:
            await self.say(sentence)
        except (discord.HTTPException, *CONNECTION_BROKEN) as lost:
            # The person sees Discord's own "interaction failed"; there is no other way to reach them.
            log.warning("answer not delivered", extra={"incident": self.incident, "why": type(lost).__name__})
        return sentence

    async def watch(self) -> None:
        """Acknowledge in time if the handler takes long. Returns at the first acknowledgement."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGE_AFTER_S):
                await self._acknowledged.wait()
                return
        with suppress(discord.HTTPException, *CONNECTION_BROKEN):
            await self.think()

    def _now(self, said: _Said) -> None:
        self._said = said
        self._acknowledged.set()


def reply_to(interaction: Interaction) -> Reply:
    """Return the reply of an admitted interaction."""
    reply = interaction.extras[_EXTRA]
    assert isinstance(reply, Reply)
    return reply


def somebody_behind(interaction: Interaction) -> Somebody:
    """Return the person who uses the command or control, as Discord describes them."""
    user = interaction.user
    roles = frozenset(role.id for role in user.roles) if isinstance(user, discord.Member) else frozenset()
    return Somebody(user.id, interaction.guild_id, roles, is_bot=user.bot)


class Entry:
    """Admits interactions and answers them. `start_task` starts a task that the client owns."""

    def __init__(self, face: Face, refusal_audit: RefusalAudit, start_task: Callable[[Any, str], Any]) -> None:
        self.face = face
        self._refusal_audit = refusal_audit
        self._start_task = start_task

    async def admit(self, interaction: Interaction) -> bool:
        """Return whether to carry the interaction out: the person may use the bot here, and it is no repeat.

        Tells people who may not. Raises nothing: nobody would handle an exception here.
        """
        reply = Reply(interaction, actor_of(self.face.access, somebody_behind(interaction)))
        interaction.extras[_EXTRA] = reply
        autocomplete = interaction.type is discord.InteractionType.autocomplete
        try:
            if reply.actor.role is Role.NOBODY:
                if not autocomplete:
                    await reply.say(NOT_YOURS)
                    # Answered first: a slow database must not cost the three seconds.
                    await self._refusal_audit.note(reply.actor)
                return False
            # Suggestions are no acts: they are not stored, and a failed one needs no answer.
            if autocomplete:
                return True
            # A repeat: the first one is answered, or a start will do that.
            if not await take_in(self.face.db, _row(interaction, self.face.now_ms())):
                return False
            crash_point("interaction-stored")
        except Exception as error:
            await reply.fail(error)
            return False
        # Only now: a stranger gets no loading message, and a repeat no second acknowledgement.
        self._start_task(reply.watch(), f"acknowledge {interaction.id}")
        return True

    async def turn_away(self, interaction: Interaction) -> None:
        """Answer that the bot is about to stop. Stores nothing; raises nothing."""
        if interaction.type is not discord.InteractionType.autocomplete:
            actor = actor_of(self.face.access, somebody_behind(interaction))
            await Reply(interaction, actor).fail(Refused(STOPPING))

    async def close(self, interaction: Interaction, note: str = "") -> None:
        """Close the interaction's row; `note` says why it was refused."""
        status = InboxStatus.REFUSED if note else InboxStatus.DONE
        await self.face.db.write([close_inbox_row(external_id(interaction), status, self.face.now_ms(), note)])

    async def run(self, interaction: Interaction, handle: Callable[[Reply], Awaitable[None]]) -> None:
        """Admit `interaction`, call `handle`, and settle it. Raises nothing."""
        if not await self.admit(interaction):
            return
        reply = reply_to(interaction)
        try:
            await handle(reply)
            await self.settle(interaction)
        except Exception as error:
            await self.settle(interaction, error)

    async def settle(self, interaction: Interaction, error: BaseException | None = None) -> None:
        """End the reply and close the row, after success or `error`. Raises nothing."""
        reply = reply_to(interaction)
        note = ""
        try:
            if error is None:
                await reply.end()
            else:
                note = await reply.fail(error)
        except (discord.HTTPException, *CONNECTION_BROKEN) as lost:
            log.warning("not acknowledged", extra={"incident": reply.incident, "why": type(lost).__name__})
        try:
            # Even if the answer was lost: an open row would be taken for an interaction that a crash cut.
            await self.close(interaction, note)
        except Exception:
            log.exception("not closed", extra={"incident": reply.incident})


def external_id(interaction: Interaction) -> str:
    """Return the interaction's name in the inbox."""
    return f"interaction:{interaction.id}"


def _row(interaction: Interaction, at_ms: int) -> InboxRow:
    kind = interaction.type.name
    body = {"application_id": interaction.application_id, "token": interaction.token}
    return InboxRow(
        external_id(interaction), kind, interaction.channel_id or 0, interaction.user.id, body, at_ms
    )

"""`/checkpoint …`: the files of this thread's session as they were, and the way back to them."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import TakeCheckpoint
from api.access import Action
from bot.checkpoint_controls import (
    compared_body,
    list_body,
    newest_or,
    preview_body,
    shown_body,
    undone_body,
)
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.markdown.cards import escape_inline
from bot.session_lookup import meant
from bot.wording import counted
from sessions.restore_scope import RestoreScope

Interaction = discord.Interaction[Any]
_WHICH = "Which checkpoint; without it, the one before the last prompt"
_SCOPES = [
    app_commands.Choice(name="only files that this session changed", value="session"),
    app_commands.Choice(name="all files of the directory", value="everything"),
]


class CheckpointCommands(
    commands.GroupCog, group_name="checkpoint", group_description="Files as they were, and the way back"
):
    """The group `/checkpoint`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="Keep the files as they are now, for good.")
    @app_commands.describe(label="A name to find it by", milestone="Count it as a milestone of the session")
    async def take(
        self, interaction: Interaction, label: app_commands.Range[str, 0, 100] = "", milestone: bool = False
    ) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        wish = TakeCheckpoint(session_id=info.id, label=label, milestone=milestone)
        taken = await self._face.core.perform(reply.actor, wish)
        named = f" as “{escape_inline(taken.label, 90)}”" if taken.label else ""
        await reply.say(f"{counted(taken.files, 'file')} kept{named}. `/checkpoint list` shows it.")

    @app_commands.command(name="list", description="The checkpoints of this session: open, compare, restore.")
    async def list_(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.say(await list_body(self._face, reply, info.id))

    @app_commands.command(description="What changed up to a checkpoint.")
    @app_commands.describe(checkpoint=_WHICH)
    @app_commands.autocomplete(checkpoint=choices.checkpoints)
    async def show(self, interaction: Interaction, checkpoint: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        chosen = await newest_or(self._face, reply, info.id, checkpoint)
        await reply.say(await shown_body(self._face, reply, info.id, chosen))

    @app_commands.command(description="What changed since a checkpoint.")
    @app_commands.describe(checkpoint=_WHICH)
    @app_commands.autocomplete(checkpoint=choices.checkpoints)
    async def compare(self, interaction: Interaction, checkpoint: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        chosen = await newest_or(self._face, reply, info.id, checkpoint)
        await reply.say(await compared_body(self._face, reply, info.id, chosen))

    @app_commands.command(description="Put the files back to a checkpoint; first you see what would change.")
    @app_commands.describe(checkpoint=_WHICH, files="Which files may change")
    @app_commands.autocomplete(checkpoint=choices.checkpoints)
    @app_commands.choices(files=_SCOPES)
    async def restore(
        self, interaction: Interaction, checkpoint: str | None = None, files: str = RestoreScope.AUTO.value
    ) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        # The preview itself may be seen by others, but leads to a button that would refuse them.
        await self._face.check(reply.actor, Action.APPROVE, info.id)
        await reply.think()
        chosen = await newest_or(self._face, reply, info.id, checkpoint)
        await reply.say(await preview_body(self._face, reply, info.id, chosen, RestoreScope(files)))

    @app_commands.command(description="Undo the last restore of this session.")
    async def undo(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        await reply.say(await undone_body(self._face, reply, info.id))

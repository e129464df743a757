"""`/changes …`: what Claude is told about changed files before each prompt."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import ShowChanges, SwitchChanges
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.markdown.cards import code_block
from bot.session_lookup import meant

Interaction = discord.Interaction[Any]
_MOST_CHARS = 1_700


class ChangesCommands(
    commands.GroupCog, group_name="changes", group_description="What Claude is told of changes"
):
    """The group `/changes`."""

    def __init__(self, parts: CommandParts) -> None:
        self._face = parts.face

    @app_commands.command(description="What Claude read before the last prompt that had something to tell.")
    async def show(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        found = await self._face.core.perform(reply.actor, ShowChanges(session_id=info.id))
        state = "Prompts tell Claude what changed." if found.is_on else "Claude is told nothing about changes."
        if not found.text:
            await reply.say(f"{state} So far there was nothing to tell.")
            return
        await reply.say(f"{state} The last time it read:\n{code_block(found.text, '', _MOST_CHARS)}")

    @app_commands.command(description="Stop telling Claude what changed in the files since its last turn.")
    async def off(self, interaction: Interaction) -> None:
        await self._switch(interaction, on=False)

    @app_commands.command(description="Tell Claude with each prompt what changed since its last turn.")
    async def on(self, interaction: Interaction) -> None:
        await self._switch(interaction, on=True)

    async def _switch(self, interaction: Interaction, *, on: bool) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await self._face.core.perform(reply.actor, SwitchChanges(session_id=info.id, on=on))
        await reply.say("Prompts tell Claude what changed." if on else "Claude is told nothing about changes.")

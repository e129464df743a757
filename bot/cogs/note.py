"""`/note` and `/decision`: into the folder of this thread's session."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import AddNote
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.markdown.cards import escape_inline
from bot.session_lookup import meant
from sessions.stored_folders import NoteKind

Interaction = discord.Interaction[Any]


class NoteCommands(commands.Cog):
    """`/note` and `/decision`."""

    def __init__(self, parts: CommandParts) -> None:
        self._face = parts.face

    @app_commands.command(description="Write a note into the session's folder.")
    async def note(self, interaction: Interaction, text: app_commands.Range[str, 1, 6000]) -> None:
        await self._add(interaction, text, "", NoteKind.NOTE)

    @app_commands.command(description="Write a decision, with its reason, into the session's folder.")
    @app_commands.describe(text="What was decided, and why", title="A name for it")
    async def decision(
        self,
        interaction: Interaction,
        text: app_commands.Range[str, 1, 6000],
        title: app_commands.Range[str, 1, 80] | None = None,
    ) -> None:
        await self._add(interaction, text, title or "", NoteKind.DECISION)

    async def _add(self, interaction: Interaction, text: str, title: str, kind: NoteKind) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        wish = AddNote(session_id=info.id, text=text, title=title, kind=kind)
        note = await self._face.core.perform(reply.actor, wish)
        await reply.say(f"{kind.value.capitalize()} {note.number} is kept: “{escape_inline(note.title, 90)}”.")

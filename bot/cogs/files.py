"""`/files …`: files of a session, and sessions as files."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import ExportSession, GetFile, ImportSession
from api.access import Action, authorize
from api.words.exports import reading_words
from bot.actors import core_id
from bot.attachments import FileRefused, fetch_data, incoming
from bot.bodies import Plain
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.opening import Spot
from bot.outgoing_files import read_file
from bot.scopes import SessionScope
from bot.session_lookup import meant
from bot.turn_controls import file_limit
from sessions.model import ExportFormat

Interaction = discord.Interaction[Any]


class FilesCommands(
    commands.GroupCog, group_name="files", group_description="Files of a session, and sessions as files"
):
    """The group `/files`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="A file of the session's directory.")
    @app_commands.describe(path="Its path in the directory, for example src/app.py")
    async def get(self, interaction: Interaction, path: app_commands.Range[str, 1, 500]) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        wish = GetFile(session_id=info.id, path=path, max_bytes=file_limit(reply))
        file = await read_file(self._face.core, reply.actor, wish)
        await reply.say(Plain(f"{escape_inline(path, 200)}:", files=(file,)))

    @app_commands.command(description="Take the session with you as a file.")
    @app_commands.rename(form="format")
    @app_commands.describe(
        form=f"To read: {reading_words()}. To bring back: JSON", session=choices.WHICH_SESSION
    )
    @app_commands.autocomplete(session=choices.sessions)
    async def export(
        self, interaction: Interaction, form: ExportFormat = ExportFormat.MARKDOWN, session: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._parts.turns.export(reply, ExportSession(session_id=info.id, format=form))

    @app_commands.command(name="import", description="Bring an exported session (JSON) back, in a new thread.")
    @app_commands.describe(file="What /files export gave as JSON", project="The directory to work in")
    @app_commands.autocomplete(project=choices.projects)
    async def import_(
        self, interaction: Interaction, file: discord.Attachment, project: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.CREATE)
        await reply.think(ephemeral=False)
        try:
            # Through the same checks as a message's files: address, size, no redirects.
            data = await fetch_data(incoming([file])[0], self._face.options)
        except FileRefused as error:
            raise Refused(f"The file {error}") from error
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, reply.message_id)
        async with self._parts.opener.thread(reply.actor, spot, "Imported session") as channel_id:
            where = core_id(channel_id)
            wish = ImportSession(channel_id=where, data=data, key=where, project=project or "")
            info = await self._face.core.perform(reply.actor, wish)
        await self._parts.opener.place(info, spot.guild_id, channel_id, SessionScope.THREAD)
        title = escape_inline(info.title, 80) or "The session"
        await reply.say(f"“{title}” is back in <#{channel_id}>.", ephemeral=False)

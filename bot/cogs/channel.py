"""`/channel …`: a channel's defaults for new sessions. In a thread, its parent channel is meant."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands
from msgspec.structs import replace

from api import ListProjects
from api.access import Action, authorize
from api.words.modes import MODES
from bot.bodies import Card
from bot.channel_defaults import ChannelDefaults, load_defaults, store_defaults
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import Reply, reply_to
from bot.errors import Refused
from bot.markdown.cards import escape_inline
from bot.wording import model_words
from sessions.model import PermissionMode

Interaction = discord.Interaction[Any]
_FOR_ALL = [each for each in choices.MODES if each.value != PermissionMode.BYPASS]
"""Every mode but bypass: a channel's default applies to everybody, and bypass is for admins only."""


class ChannelCommands(
    commands.GroupCog, group_name="channel", group_description="New sessions in this channel"
):
    """The group `/channel`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="What new sessions in this channel begin with.")
    async def show(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.LIST)
        await self._say(reply, await load_defaults(self._face.db, await self._channel_id(reply)))

    @app_commands.command(description="The directory that new sessions in this channel work in; for admins.")
    @app_commands.describe(project="The project; without it, the default again")
    @app_commands.autocomplete(project=choices.projects)
    async def project(self, interaction: Interaction, project: str | None = None) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.ADMINISTER)
        if project is not None:
            # A mistyped name would be refused at each new session, where its author cannot change it.
            known = await self._face.core.perform(reply.actor, ListProjects())
            if project not in known.names:
                raise Refused(
                    f"There is no project “{escape_inline(project, 60)}”. /admin projects lists them."
                )
        await self._change(reply, project=project or "")

    @app_commands.command(description="The model that new sessions in this channel use; for admins.")
    @app_commands.describe(model="The model; without it, the default again")
    @app_commands.autocomplete(model=choices.models)
    async def model(
        self, interaction: Interaction, model: app_commands.Range[str, 1, 100] | None = None
    ) -> None:
        await self._change(reply_to(interaction), model=model or "")

    @app_commands.command(description="What Claude may do unasked in new sessions here; for admins.")
    @app_commands.describe(mode="What needs no permission; without it, the default again")
    @app_commands.choices(mode=_FOR_ALL)
    async def mode(self, interaction: Interaction, mode: str | None = None) -> None:
        await self._change(reply_to(interaction), mode=PermissionMode(mode) if mode else None)

    async def _change(self, reply: Reply, **changes: Any) -> None:
        authorize(reply.actor, Action.ADMINISTER)
        channel_id = await self._parts.opener.channel_to_begin_in(reply.interaction.channel_id or 0)
        defaults = replace(await load_defaults(self._face.db, channel_id), **changes)
        await self._face.db.write([store_defaults(channel_id, defaults)])
        await self._say(reply, defaults)

    async def _channel_id(self, reply: Reply) -> int:
        return await self._parts.opener.channel_of(reply.interaction.channel_id or 0)

    async def _say(self, reply: Reply, defaults: ChannelDefaults) -> None:
        mode = MODES[defaults.mode] if defaults.mode is not None else "works as the settings say"
        lines = (
            f"Project: {escape_inline(defaults.project, 80) or 'the default'}",
            f"Model: {model_words(defaults.model)}",
            f"Claude {mode}.",
        )
        await reply.say(Card(("**New sessions in this channel**", "\n".join(lines))))

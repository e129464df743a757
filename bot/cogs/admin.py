"""`/admin …`: for those in ADMIN_USER_IDS; the core refuses everybody else."""

from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from api import GroupBy, ListProjects, ListTrust, ReadAudit, ReadStatistics
from api.access import Action, authorize
from bot.bodies import Control, Verb
from bot.checks import checks_card
from bot.cogs.parts import CommandParts
from bot.command_sync import sync_commands
from bot.entry import Reply, reply_to
from bot.panel_controls import list_body, stored
from bot.panels import CLEAR_ALL, ListState, audit_card, confirm, projects_card, statistics_card

Interaction = discord.Interaction[Any]


class AdminCommands(commands.GroupCog, group_name="admin", group_description="For admins of the bridge"):
    """The group `/admin`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    def _reply(self, interaction: Interaction) -> Reply:
        """Return the reply to an admin. Raises `NotAllowed` for others."""
        reply = reply_to(interaction)
        # Here and not in the core: `doctor` and `sync` send no command that it could refuse.
        authorize(reply.actor, Action.ADMINISTER)
        return reply

    @app_commands.command(description="Sessions, processes, memory, turns and costs.")
    @app_commands.describe(by="Sums for each of these")
    async def stats(
        self, interaction: Interaction, by: Literal["day", "user", "session"] | None = None
    ) -> None:
        reply = self._reply(interaction)
        statistics = await self._face.core.perform(reply.actor, ReadStatistics(group_by=by and GroupBy(by)))
        await reply.say(statistics_card(statistics))

    @app_commands.command(description="Everybody's sessions.")
    async def sessions(self, interaction: Interaction, text: str | None = None) -> None:
        reply = self._reply(interaction)
        body = await list_body(self._face, reply, ListState(text=text or ""))
        await reply.say(await stored(self._face, body))

    @app_commands.command(description="The directories that sessions can work in.")
    async def projects(self, interaction: Interaction) -> None:
        reply = self._reply(interaction)
        names = await self._face.core.perform(reply.actor, ListProjects())
        decided = await self._face.core.perform(reply.actor, ListTrust())
        await reply.say(projects_card(names, decided))

    @app_commands.command(name="clear-all", description="Emergency: end every process and its session.")
    async def clear_all(self, interaction: Interaction) -> None:
        reply = self._reply(interaction)
        words = "End every Claude process now, whatever it is doing, and its session?"
        body = confirm(words, Control(Verb.CONFIRM, "", CLEAR_ALL, str(interaction.id)), "End everything")
        await reply.say(await stored(self._face, body))

    @app_commands.command(description="Who did what, newest first.")
    async def audit(self, interaction: Interaction) -> None:
        reply = self._reply(interaction)
        page = await self._face.core.perform(reply.actor, ReadAudit(limit=40))
        await reply.say(audit_card(page.entries))

    @app_commands.command(description="Check the machine, Claude and Discord, and say what to do.")
    async def doctor(self, interaction: Interaction) -> None:
        reply = self._reply(interaction)
        await reply.think()
        await reply.say(checks_card(await self._face.examine()))

    @app_commands.command(description="Register the commands with Discord anew.")
    async def sync(self, interaction: Interaction) -> None:
        reply = self._reply(interaction)
        await reply.think()
        guild_id = interaction.guild_id or 0
        await sync_commands(interaction.client, self._face.db, guild_id, even_if_equal=True)
        await reply.say(
            "The commands are registered. Reload Discord (Ctrl+R; on a phone, close the app) to see changes."
        )

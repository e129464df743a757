"""`/web`: a link that logs the person's browser into the dashboard."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.web_link import web_link

Interaction = discord.Interaction[Any]


class WebCommand(commands.Cog):
    """`/web`."""

    def __init__(self, parts: CommandParts) -> None:
        self._face = parts.face

    @app_commands.command(description="Your sessions in a browser: a link that logs you in.")
    async def web(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        await reply.say(await web_link(self._face, reply.actor))

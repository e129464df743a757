"""`/settings …`: how Claude works in the session of this thread."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import SetMode, SetModel
from api.access import Action
from api.words.modes import MODES
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.panel_controls import permissions_body, stored
from bot.panels import model_panel
from bot.session_lookup import meant
from bot.site_controls import sites_body
from bot.trust_controls import decided, trust_body
from bot.wording import model_words
from sessions.model import PermissionMode, Trust

Interaction = discord.Interaction[Any]


class SettingsCommands(commands.GroupCog, group_name="settings", group_description="How Claude works here"):
    """The group `/settings`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="Choose Claude's model, from the next turn on.")
    @app_commands.describe(model="The model's name")
    @app_commands.autocomplete(model=choices.models)
    async def model(self, interaction: Interaction, model: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        if model is None:
            await self._face.check(reply.actor, Action.MANAGE, info.id)
            await reply.say(await stored(self._face, model_panel(info, self._face.options.models)))
            return
        changed = await self._face.core.perform(reply.actor, SetModel(session_id=info.id, model=model))
        await reply.say(f"The model is {model_words(changed.model)} from the next turn on.")

    @app_commands.command(description="Choose what Claude may do without asking.")
    @app_commands.describe(mode="What needs no permission")
    @app_commands.choices(mode=choices.MODES)
    async def mode(self, interaction: Interaction, mode: str) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        chosen = PermissionMode(mode)
        await self._face.core.perform(reply.actor, SetMode(session_id=info.id, mode=chosen))
        await reply.say(f"From now on Claude {MODES[chosen]}.")

    @app_commands.command(description="What Claude need not ask for here: see it, take it back.")
    async def permissions(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.say(await permissions_body(self._face, reply, info.id))

    @app_commands.command(description="The hosts that Claude's sandbox wanted here: allow or refuse them.")
    async def network(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.say(await sites_body(self._face, reply, info.id))

    @app_commands.command(description="What of this project counts: nothing, its text, or all that it brings.")
    @app_commands.describe(trust="Decide; without it you see what the project brings")
    @app_commands.choices(trust=[app_commands.Choice(name=each.value, value=each.value) for each in Trust])
    async def trust(self, interaction: Interaction, trust: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        if trust is None:
            await reply.say(await trust_body(self._face, reply, info.id))
        else:
            await reply.say(await decided(self._face, reply, info.id, Trust(trust)))

"""`/claude`, and "Ask Claude about this" in a message's menu."""

from typing import Any

import discord
import msgspec
from discord import app_commands
from discord.ext import commands

from bot.asking import asked_by
from bot.attachments import incoming
from bot.bodies import Control, Verb
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.modals import Question, dialog
from bot.rows import insert_control

Interaction = discord.Interaction[Any]
_ABOUT = Question(
    "Ask Claude about this", "Your question", "What do you want to know, or have done?", "Explain this."
)


class AskCommands(commands.Cog):
    """`/claude`, and the entry in a message's menu."""

    def __init__(self, parts: CommandParts, tree: app_commands.CommandTree[Any]) -> None:
        self._parts = parts
        # By hand: discord.py knows no context menus in cogs.
        self._menu = app_commands.ContextMenu(name="Ask Claude about this", callback=self._about)
        tree.add_command(self._menu)

    @app_commands.command(name="claude", description="Ask Claude; outside of a session this opens one.")
    @app_commands.describe(
        prompt="What Claude shall do",
        file="A file or picture that belongs to it",
        project="The directory that a new session works in",
    )
    @app_commands.autocomplete(project=choices.projects)
    async def claude(
        self,
        interaction: Interaction,
        prompt: app_commands.Range[str, 1, 6000],  # Discord's most for an option
        file: discord.Attachment | None = None,
        project: str | None = None,
    ) -> None:
        reply = reply_to(interaction)
        asked = msgspec.structs.replace(asked_by(reply, prompt), project=project or "")
        if file is not None:
            asked = msgspec.structs.replace(asked, files=incoming([file]))
        await self._parts.asker.ask(reply, asked)

    @app_commands.command(description="Ask Claude with one of your prompt templates.")
    @app_commands.describe(name="The template; make templates in the browser: /web")
    @app_commands.autocomplete(name=choices.prompt_templates)
    async def template(self, interaction: Interaction, name: str) -> None:
        from bot.templates import template_named, template_question  # rare: a start has no use for it

        reply = reply_to(interaction)
        await self._parts.asker.check(reply)
        found = await template_named(self._parts.face, reply, name)
        control = Control(Verb.TEMPLATE, "", found.id)
        await self._parts.face.db.write([insert_control(control)])
        await reply.open_dialog(dialog(control, template_question(found)))

    async def _about(self, interaction: Interaction, message: discord.Message) -> None:
        # Stored under the dialog's key: its submit does not name the message.
        control = Control(Verb.ASK_ABOUT, "", f"{message.channel.id}:{message.id}")
        await self._parts.face.db.write([insert_control(control)])
        await reply_to(interaction).open_dialog(dialog(control, _ABOUT))

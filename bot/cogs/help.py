"""`/help`: made from the commands themselves, so that it names only those that exist."""

from collections.abc import Iterator
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api.access import Role
from bot.bodies import Card
from bot.cogs.parts import CommandParts
from bot.command_sync import load_command_ids
from bot.entry import reply_to

Interaction = discord.Interaction[Any]
_INTRODUCTION = (
    "**How to talk to Claude**\n"
    "Use {claude} in a channel, or mention me: a thread opens, and every message there goes to Claude, with"
    " its files. What you write while Claude works waits in line; edit or delete the message to change it."
    " Begin with somebody's mention, or reply to them, to talk aside."
    " The buttons under an answer work at any time, on old messages too."
)
_MOST = 3_900


class HelpCommand(commands.Cog):
    """`/help`."""

    def __init__(self, parts: CommandParts, tree: app_commands.CommandTree[Any]) -> None:
        self._tree = tree
        self._parts = parts

    @app_commands.command(description="How to talk to Claude, and every command.")
    async def help(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        ids = await load_command_ids(self._parts.face.db, interaction.guild_id or 0)
        shows_admin = reply.actor.role is Role.ADMIN
        lines = list(help_lines(self._tree, ids, shows_admin=shows_admin))
        introduction = _INTRODUCTION.format(claude=mention("claude", ids))
        await reply.say(Card((introduction, "\n".join(lines)[: _MOST - len(introduction)])))


def help_lines(tree: app_commands.CommandTree[Any], ids: dict[str, int], *, shows_admin: bool) -> Iterator[str]:
    """Yield a line for each command of the tree, with the groups' commands one by one."""
    for command in sorted(tree.walk_commands(), key=lambda each: each.qualified_name):
        if isinstance(command, app_commands.Group):
            continue
        if command.qualified_name.startswith("admin ") and not shows_admin:
            continue
        yield f"{mention(command.qualified_name, ids)} {command.description}"


def mention(name: str, ids: dict[str, int]) -> str:
    """Return a command's clickable mention, or its name while its Discord id is unknown."""
    found = ids.get(name.split(" ", maxsplit=1)[0])
    return f"</{name}:{found}>" if found is not None else f"`/{name}`"

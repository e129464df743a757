"""`/help`: what people ask in words, and the commands, made from the commands themselves."""

import re
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
from bot.scopes import ThreadTalk

Interaction = discord.Interaction[Any]
_TOPICS = {
    "Ask": "Mention me or use {claude}: a thread opens, and every message there goes to Claude.",
    "Talk aside": "{aside}",
    "Change your mind": (
        "While a message waits (⏳), edit or delete it. *Stop* and {turn stop} end what Claude is doing."
    ),
    "Files": (
        "Attach them to your message. *Files* under an answer and {files get} give files back; pictures show by"
        " themselves."
    ),
    "What Claude may do": (
        "It asks before it changes something. {settings mode} changes that, {settings permissions} takes back"
        " what was allowed."
    ),
    "Trust a project": (
        "Claude reads its text at once. What it would run (hooks, servers) waits until somebody trusts it:"
        " {settings trust}."
    ),
    "Sandbox": "Whether Claude's commands run in a sandbox is set on the machine (`SANDBOX`); ask its admin.",
    "Ask the same again": "{template} fills one of your prompt templates; {web} lists and makes them.",
    "Find a session": "{session list} lists them, {session resume} brings one here.",
    "Fewer pings": "{session mute} ends them for you in a session that is yours.",
    "Later": "Buttons work at any time, on old messages too; *⋯* opens all of them.",
}
_ASIDE = {
    ThreadTalk.ALL: (
        "Begin with somebody's mention, or reply to them. Claude does not answer, and reads it with the next"
        " message."
    ),
    ThreadTalk.MENTION: (
        "Claude answers messages that mention me or reply to me, and reads the others with them."
    ),
}
_MOST = 3_900  # of Discord's 4,000 for a card, heading included
_NAMED = re.compile(r"\{([a-z ]+)\}")


class HelpCommand(commands.Cog):
    """`/help`."""

    def __init__(self, parts: CommandParts, tree: app_commands.CommandTree[Any]) -> None:
        self._tree = tree
        self._parts = parts

    @app_commands.command(description="How to talk to Claude, and every command.")
    async def help(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        ids = await load_command_ids(self._parts.face.db, interaction.guild_id or 0)
        topics = "\n".join(topic_lines(self._parts.face.options.thread_talk, ids))
        commands = "\n".join(command_lines(self._tree, ids, shows_admin=reply.actor.role is Role.ADMIN))
        await reply.say(Card((topics, f"**Commands**\n{commands}"[: _MOST - len(topics)])))


def topic_lines(talk: ThreadTalk, ids: dict[str, int]) -> Iterator[str]:
    """Yield a line for each question that people have, with clickable commands."""
    for topic, words in _TOPICS.items():
        said = words.replace("{aside}", _ASIDE[talk])
        yield f"**{topic}** · " + _NAMED.sub(lambda found: mention(found[1], ids), said)


def command_lines(
    tree: app_commands.CommandTree[Any], ids: dict[str, int], *, shows_admin: bool
) -> Iterator[str]:
    """Yield a line for those without a group, and one for each group, whose first command is clickable."""
    groups: dict[str, list[str]] = {}
    for command in sorted(tree.walk_commands(), key=lambda each: each.qualified_name):
        if isinstance(command, app_commands.Group):
            continue
        group = command.qualified_name.partition(" ")[0] if " " in command.qualified_name else ""
        if group != "admin" or shows_admin:
            groups.setdefault(group, []).append(command.qualified_name)
    for group in sorted(groups):
        first, *others = groups[group]
        if not group:
            yield " ".join(mention(each, ids) for each in (first, *others))
            continue
        # One mention a group: with all of them, the text is longer than Discord allows.
        yield " · ".join((mention(first, ids), *(each.partition(" ")[2] for each in others)))


def mention(name: str, ids: dict[str, int]) -> str:
    """Return a command's clickable mention, or its name while its Discord id is unknown."""
    found = ids.get(name.split(" ", maxsplit=1)[0])
    return f"</{name}:{found}>" if found is not None else f"`/{name}`"

"""`/turn …`: control the running turn and the queued prompts of this thread's session."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import Continue, ReadTurn, ReadTurns, RunCommand, SessionInfo
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import Reply, reply_to
from bot.errors import Refused
from bot.face import Face
from bot.markdown.cards import escape_inline
from bot.panel_controls import stored
from bot.panels import queue_card
from bot.session_lookup import meant

Interaction = discord.Interaction[Any]


async def turn_of_number(face: Face, reply: Reply, info: SessionInfo, number: int) -> str:
    """Return the id of the session's turn with this number. Raises `Refused` if there is none."""
    # Without a turn of this number, the page holds the next older one.
    page = await face.core.perform(reply.actor, ReadTurns(session_id=info.id, before=number + 1, limit=1))
    if not page.turns or page.turns[0].turn.number != number:
        raise Refused(f"There is no turn {number} in this session.")
    return page.turns[0].turn.id


class TurnCommands(commands.GroupCog, group_name="turn", group_description="What Claude does, and what waits"):
    """The group `/turn`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="Stop what Claude is doing now; all that was said is kept.")
    async def stop(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        await self._parts.turns.stop(reply, (await meant(self._face, reply)).id)

    @app_commands.command(name="continue", description="Let Claude go on.")
    async def continue_(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await self._face.core.perform(reply.actor, Continue(session_id=info.id, origin=reply.origin))
        await reply.say("Claude goes on.")

    @app_commands.command(description="Ask the last prompt again; the first answer stays readable.")
    async def regenerate(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await self._parts.turns.regenerate(reply, info.id, "", keep_files=False)

    @app_commands.command(description="Go on in a new thread from a turn; this session stays as it is.")
    @app_commands.describe(turn="The turn's number; without it, the last one", files="Where it works")
    @app_commands.choices(files=choices.FILES)
    async def branch(
        self,
        interaction: Interaction,
        turn: app_commands.Range[int, 1] | None = None,
        files: str | None = None,
    ) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        turn_id = await turn_of_number(self._face, reply, info, turn) if turn is not None else None
        await self._parts.turns.branch(reply, info.id, turn_id, own_copy=files != "same")

    @app_commands.command(description="Run one of Claude's own commands, such as compact.")
    @app_commands.describe(name="The command, without the slash", arguments="What belongs to it")
    @app_commands.autocomplete(name=choices.claude_commands)
    async def command(self, interaction: Interaction, name: str, arguments: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        word = name.removeprefix("/").strip()
        wish = RunCommand(session_id=info.id, name=word, origin=reply.origin, arguments=arguments or "")
        await self._face.core.perform(reply.actor, wish)
        await reply.say(f"/{escape_inline(word, 60)} goes to Claude.")

    @app_commands.command(description="The prompts that wait in this session.")
    async def queue(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        turns = []
        for turn_id in info.queued_turns[:20]:
            view = await self._face.core.perform(reply.actor, ReadTurn(session_id=info.id, turn_id=turn_id))
            turns.append(view.turn)
        await reply.say(await stored(self._face, queue_card(info, turns)))

"""`/branch …`: branches of this thread's session with files of their own, and merging them."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import CompareBranch, ListBranches, PreviewMerge
from bot.branch_cards import branches_card, changes_card
from bot.branch_controls import merge_body, removal_body, report_body
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.cogs.turn import turn_of_number
from bot.entry import reply_to
from bot.errors import Refused
from bot.panel_controls import stored
from bot.session_lookup import meant
from workdirs.merge_choices import Strategy

Interaction = discord.Interaction[Any]
_STRATEGIES = [
    app_commands.Choice(name="squash: one commit", value=Strategy.SQUASH),
    app_commands.Choice(name="merge: all commits and a merge commit", value=Strategy.MERGE),
    app_commands.Choice(name="rebase: all commits on top", value=Strategy.REBASE),
]


class BranchCommands(
    commands.GroupCog, group_name="branch", group_description="Try something beside this session"
):
    """The group `/branch`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="Go on in a new thread, with a copy of the files; this session stays.")
    @app_commands.describe(turn="The turn's number; without it, the last one", files="Where it works")
    @app_commands.choices(files=choices.FILES)
    async def new(
        self,
        interaction: Interaction,
        turn: app_commands.Range[int, 1] | None = None,
        files: str | None = None,
    ) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        turn_id = await turn_of_number(self._face, reply, info, turn) if turn is not None else None
        await self._parts.turns.branch(reply, info.id, turn_id, own_copy=files != "same")

    @app_commands.command(name="list", description="The branches of this session and what they changed.")
    async def list_(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think(ephemeral=True)
        wish = ListBranches(session_id=info.id, with_changes=True)
        card = branches_card(await self._face.core.perform(reply.actor, wish))
        await reply.say(await stored(self._face, card))

    @app_commands.command(
        description="Choose a branch of this session: see what merging it would do, then merge."
    )
    @app_commands.describe(branch="Which branch; /branch list shows them", how="How its commits arrive")
    @app_commands.autocomplete(branch=choices.branches)
    @app_commands.choices(how=_STRATEGIES)
    async def pick(self, interaction: Interaction, branch: str, how: str = Strategy.SQUASH) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think(ephemeral=True)
        listed = await self._face.core.perform(reply.actor, ListBranches(session_id=info.id))
        # Suggestions give the id; people who type give the name.
        named = [each for each in listed.branches if branch in (each.session_id, each.name)]
        if not named:
            raise Refused("This session has no such branch. `/branch list` shows those that it has.")
        wish = PreviewMerge(session_id=named[0].session_id, strategy=Strategy(how))
        await reply.say(await merge_body(self._face, reply, wish))

    @app_commands.command(description="The files that this branch changed since it began.")
    async def compare(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think(ephemeral=True)
        await reply.say(
            changes_card(await self._face.core.perform(reply.actor, CompareBranch(session_id=info.id)))
        )

    @app_commands.command(description="See what merging this branch would do, then merge it.")
    @app_commands.describe(how="How its commits arrive; without it, squashed to one")
    @app_commands.choices(how=_STRATEGIES)
    async def merge(self, interaction: Interaction, how: str = Strategy.SQUASH) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think(ephemeral=True)
        wish = PreviewMerge(session_id=info.id, strategy=Strategy(how))
        await reply.say(await merge_body(self._face, reply, wish))

    @app_commands.command(description="Tell the session that this branch came from what was done here.")
    async def report(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think(ephemeral=True)
        await reply.say(await report_body(self._face, reply, info.id))

    @app_commands.command(description="End this branch and remove its directory; a checkpoint keeps its files.")
    async def remove(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.say(await removal_body(self._face, reply, info.id))

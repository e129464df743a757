"""`/session …`: everything about one session. Without the option `session`, it is the one of this thread."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import HandOver, MoveSession, Pin, Rename, Share
from api.access import Action, authorize
from bot.actors import core_id
from bot.bodies import Card, Control, Verb
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import reply_to
from bot.errors import Refused
from bot.markdown.cards import code_block, escape_inline
from bot.opening import Spot, Wish
from bot.panel_controls import list_body, opened_body, stored
from bot.panels import CLEAR, ListState, confirm
from bot.rows import delete_fact, load_place, muted_fact, store_fact
from bot.scopes import SessionScope
from bot.session_lookup import meant
from sessions.model import ShareLevel

Interaction = discord.Interaction[Any]

_MAY = {
    ShareLevel.VIEW: "read along",
    ShareLevel.PROMPT: "prompt",
    ShareLevel.APPROVE: "prompt and answer asks",
}


class SessionCommands(commands.GroupCog, group_name="session", group_description="Sessions with Claude"):
    """The group `/session`."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        self._face = parts.face

    @app_commands.command(description="Start a session in a thread of its own.")
    @app_commands.describe(
        title="What it is about",
        project="The directory that Claude works in",
        model="Claude's model",
        private="Only for you and whom you bring in",
    )
    @app_commands.autocomplete(project=choices.projects, model=choices.models)
    async def start(
        self,
        interaction: Interaction,
        title: app_commands.Range[str, 1, 80] | None = None,
        project: str | None = None,
        model: str | None = None,
        private: bool = False,
    ) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.CREATE)
        await reply.think(ephemeral=private)
        wish = Wish(title or "New session", title or "", project or "", model or "")
        anchor = None if private else reply.message_id
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, anchor, private)
        place, _ = await self._parts.opener.open_anew(reply.actor, spot, wish)
        if place.kind is SessionScope.THREAD:
            await self._parts.opener.bring_in(reply.actor, place.channel_id)
        await reply.say(f"The session is open in <#{place.channel_id}>: write there.", ephemeral=private)

    @app_commands.command(name="list", description="Sessions that you may see, last used first.")
    @app_commands.describe(text="Only those with these words in title or conversation", mine="Only your own")
    async def list_(self, interaction: Interaction, text: str | None = None, mine: bool = False) -> None:
        reply = reply_to(interaction)
        body = await list_body(self._face, reply, ListState(mine=mine, text=text or ""))
        await reply.say(await stored(self._face, body))

    @app_commands.command(description="Everything about a session.")
    @app_commands.describe(session=choices.WHICH_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def info(self, interaction: Interaction, session: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await reply.say(await stored(self._face, await opened_body(self._face, reply, info.id)))

    @app_commands.command(description="Find the thread of a session, or bring one here that has none.")
    @app_commands.describe(session="Which session")
    @app_commands.autocomplete(session=choices.sessions)
    async def resume(self, interaction: Interaction, session: str) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        place = await load_place(self._face.db, info.id)
        if place is not None and await self._parts.opener.is_shown_well(place):
            await reply.say(f"The session is in <#{place.channel_id}>; a message there wakes it.")
            return
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        await reply.think(ephemeral=False)
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, reply.message_id)
        channel_id = await self._parts.opener.thread_at(reply.actor, spot, info.title)
        await self._parts.opener.place(info, spot.guild_id, channel_id, SessionScope.THREAD)
        await reply.say(f"The session goes on in <#{channel_id}>.", ephemeral=False)

    @app_commands.command(description="Give the session another title.")
    async def rename(self, interaction: Interaction, title: app_commands.Range[str, 1, 80]) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        changed = await self._face.core.perform(reply.actor, Rename(session_id=info.id, title=title))
        await reply.say(f"The session is called “{escape_inline(changed.title, 90)}”.")

    @app_commands.command(description="Go on in another project, with the same conversation.")
    @app_commands.describe(
        project="The directory that Claude works in from now on", session=choices.WHICH_SESSION
    )
    @app_commands.autocomplete(project=choices.projects, session=choices.sessions)
    async def move(self, interaction: Interaction, project: str, session: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await reply.think()
        moved = await self._face.core.perform(reply.actor, MoveSession(session_id=info.id, project=project))
        await reply.say(
            f"The session goes on in {escape_inline(moved.project, 80)}; Claude learns it with the next prompt."
        )

    @app_commands.command(description="Show the session first in lists, and never archive it.")
    @app_commands.describe(session=choices.WHICH_SESSION, remove="Take the pin away")
    @app_commands.autocomplete(session=choices.sessions)
    async def pin(self, interaction: Interaction, session: str | None = None, remove: bool = False) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._face.core.perform(reply.actor, Pin(session_id=info.id, pinned=not remove))
        await reply.say(
            "The pin is gone." if remove else "The session is pinned: first in lists, never archived."
        )

    @app_commands.command(description="No pings for the owner in this session.")
    @app_commands.describe(session=choices.WHICH_SESSION, remove="Let it ping again")
    @app_commands.autocomplete(session=choices.sessions)
    async def mute(self, interaction: Interaction, session: str | None = None, remove: bool = False) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        if reply.actor.user_id != info.user_id:
            raise Refused("Only the owner of a session is pinged in it, so only they can mute it.")
        fact = muted_fact(info.id)
        await self._face.db.write([delete_fact(fact) if remove else store_fact(fact, "1")])
        words = "The session pings you no more; cards come without a sound."
        await reply.say("The session pings you again." if remove else words)

    @app_commands.command(description="Share the session with somebody or with a role.")
    @app_commands.describe(who="A member or a role", level="What they may do")
    @app_commands.choices(level=choices.LEVELS)
    async def share(self, interaction: Interaction, who: discord.Member | discord.Role, level: str) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        chosen = None if level == "none" else ShareLevel(level)
        wish = Share(session_id=info.id, grantee=core_id(who.id), level=chosen)
        await self._face.core.perform(reply.actor, wish)
        if chosen is None:
            await reply.say(f"The session is no longer shared with {who.mention}.")
        else:
            await reply.say(f"{who.mention} may {_MAY[chosen]} here from now on.")

    @app_commands.command(description="Go on in a terminal on the machine.")
    async def handover(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        done = await self._face.core.perform(reply.actor, HandOver(session_id=info.id))
        words = "On the machine, this takes the conversation up; the next prompt here takes it back:"
        await reply.say(Card((words, code_block(done.command, "sh", 600))))

    @app_commands.command(description="End the session.")
    @app_commands.describe(session=choices.WHICH_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def clear(self, interaction: Interaction, session: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        title = escape_inline(info.title, 80) or "this session"
        words = f"End “{title}”? Its process ends; what was said stays readable."
        body = confirm(words, Control(Verb.CONFIRM, info.id, CLEAR), "End the session")
        await reply.say(await stored(self._face, body))

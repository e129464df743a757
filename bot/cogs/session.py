"""`/session …`: everything about one session. Without the option `session`, it is the one of this thread."""

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from api import (
    HandOver,
    ListFolders,
    MoveSession,
    Pin,
    ReadFolder,
    Rename,
    SessionInfo,
    SetFocus,
    Share,
    focus_words,
)
from api.access import Action, authorize
from bot.actors import core_id
from bot.bodies import Card
from bot.cogs import choices
from bot.cogs.parts import CommandParts
from bot.entry import Reply, reply_to
from bot.errors import Refused
from bot.markdown.cards import code_block, escape_inline
from bot.opening import Spot, Wish
from bot.panel_controls import list_body, opened_body, stored
from bot.panels import ListState
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
        focus="What this session is for; it gets a readable id and a folder",
    )
    @app_commands.autocomplete(project=choices.projects, model=choices.models)
    async def start(
        self,
        interaction: Interaction,
        title: app_commands.Range[str, 1, 80] | None = None,
        project: str | None = None,
        model: str | None = None,
        private: bool = False,
        focus: app_commands.Range[str, 1, 200] | None = None,
    ) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.CREATE)
        if focus is not None:
            focus_words(focus)  # refused before there is a thread
        # Discord fixes here who sees the answer: the link to a private thread is for the person alone.
        await reply.think(ephemeral=private)
        named = title or focus or ""
        wish = Wish(named[:80] or "New session", named[:80], project or "", model or "")
        # A private thread cannot stand on a message.
        anchor = None if private else reply.message_id
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, anchor, private)
        place, info = await self._parts.opener.open_anew(reply.actor, spot, wish)
        if place.kind is SessionScope.THREAD:
            await self._parts.opener.bring_in(reply.actor, place.channel_id)
        words = await self._focused(reply, info, focus) if focus else ""
        open_in = f"The session is open in <#{place.channel_id}>: write there."
        await reply.say(f"{open_in}{words}", ephemeral=private)

    async def _focused(self, reply: Reply, info: SessionInfo, focus: str) -> str:
        """Give a new session its focus; return its readable id and the last session's summary."""
        from bot.folder_cards import yesterday_text  # ends and backups are rare

        perform = self._face.core.perform
        folder = await perform(reply.actor, SetFocus(session_id=info.id, focus=focus))
        last = await perform(reply.actor, ListFolders(project=folder.project, archived=True, limit=1))
        return f"\nIts id is `{folder.name}`.{yesterday_text(last)}"

    @app_commands.command(description="Say what the session is for: it gets a readable id and a folder.")
    @app_commands.describe(focus="In a few words; without them, the folder is shown")
    async def focus(
        self, interaction: Interaction, focus: app_commands.Range[str, 1, 200] | None = None
    ) -> None:
        from bot.folder_cards import folder_card

        reply = reply_to(interaction)
        info = await meant(self._face, reply)
        await reply.think()
        wish = SetFocus(session_id=info.id, focus=focus) if focus else ReadFolder(session_id=info.id)
        await reply.say(folder_card(await self._face.core.perform(reply.actor, wish)))

    @app_commands.command(description="End the session: summary, score, bundle, archive.")
    @app_commands.describe(session=choices.WHICH_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def end(self, interaction: Interaction, session: str | None = None) -> None:
        from bot.folder_controls import end_body

        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        await reply.think()
        await reply.say(await end_body(self._face, reply, info.id))

    @app_commands.command(description="A page of the session for people without a login; you see it first.")
    @app_commands.describe(session=choices.WHICH_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def page(self, interaction: Interaction, session: str | None = None) -> None:
        from bot.shared_pages import page_body

        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        await reply.think()
        await reply.say(await page_body(self._face, reply, info.id))

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
        # A thread that was deleted or locked still has its place: then the session gets a new one.
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
        # Admins may manage every session, and would take away pings that they do not get.
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
        # For the person alone (`think`): the command shows a path of the machine.
        words = "On the machine, this takes the conversation up; the next prompt here takes it back:"
        await reply.say(Card((words, code_block(done.command, "sh", 600))))

    @app_commands.command(description="End the session: another name of /session end.")
    @app_commands.describe(session=choices.WHICH_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def clear(self, interaction: Interaction, session: str | None = None) -> None:
        from bot.folder_controls import end_body

        reply = reply_to(interaction)
        info = await meant(self._face, reply, session)
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        await reply.think()
        await reply.say(await end_body(self._face, reply, info.id))

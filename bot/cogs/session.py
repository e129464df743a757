"""`/session …`: everything about one session; without the option `session`, the one of this thread is meant."""

import asyncio
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from api import (
    Continue,
    ExportSession,
    HandOver,
    ImportSession,
    ReadTurn,
    ReadTurns,
    Rename,
    RunCommand,
    SessionInfo,
    SetMode,
    SetModel,
    Share,
)
from api.access import Action, Role, authorize
from bot.actors import core_id
from bot.attachments import FileRefused, fetch_data, incoming
from bot.bodies import Card, Control, Plain, Verb
from bot.cogs import choices
from bot.entry import Reply, reply_to
from bot.errors import Refused
from bot.markdown.cards import code_block, escape_inline
from bot.opening import THREAD, Spot, Wish
from bot.outgoing_files import read_file
from bot.panel_controls import list_body, stored
from bot.panels import CLEAR, ListState, confirm, model_panel, queue_card, session_card
from bot.rows import load_place
from bot.session_lookup import session_meant
from bot.turn_controls import file_limit
from bot.wording import MODES, model_words
from sessions.model import ExportFormat, PermissionMode, ShareLevel

if TYPE_CHECKING:
    from bot.client import BridgeClient

Interaction = discord.Interaction[Any]

_MAY = {
    ShareLevel.VIEW: "read along",
    ShareLevel.PROMPT: "prompt",
    ShareLevel.APPROVE: "prompt and answer asks",
}
_SESSION = "Which session; without it, the one of this thread"


class SessionCommands(commands.GroupCog, group_name="session", group_description="Sessions with Claude"):
    """The group `/session`."""

    def __init__(self, client: "BridgeClient") -> None:
        self._client = client
        self._face = client.face

    async def _meant(self, reply: Reply, named: str | None = None) -> SessionInfo:
        channel_id = reply.interaction.channel_id or 0
        return await session_meant(self._face, reply.actor, channel_id, named or "")

    # --- beginning and finding --------------------------------------------------------------------------

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
        place, _ = await self._client.opener.open_anew(reply.actor, spot, wish)
        if place.kind == THREAD:
            await self._client.opener.bring_in(reply.actor, place.channel_id)
        await reply.say(f"The session is open in <#{place.channel_id}>: write there.", ephemeral=private)

    @app_commands.command(name="list", description="Sessions that you may see, last used first.")
    @app_commands.describe(text="Only those with this in the title or a prompt", mine="Only your own")
    async def list_(self, interaction: Interaction, text: str | None = None, mine: bool = False) -> None:
        reply = reply_to(interaction)
        body = await list_body(self._face, reply, ListState(mine=mine, text=text or ""))
        await reply.say(await stored(self._face, body))

    @app_commands.command(description="Everything about a session.")
    @app_commands.describe(session=_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def info(self, interaction: Interaction, session: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply, session)
        place = await load_place(self._face.db, info.id)
        may_see = info.terminal_hint and reply.actor.role is Role.ADMIN
        hint = code_block(info.terminal_hint, "", 300) if may_see else ""
        await reply.say(session_card(info, place.channel_id if place else None, hint))

    @app_commands.command(description="Find the thread of a session, or bring one here that has none.")
    @app_commands.describe(session="Which session")
    @app_commands.autocomplete(session=choices.sessions)
    async def resume(self, interaction: Interaction, session: str) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply, session)
        place = await load_place(self._face.db, info.id)
        if place is not None and await self._client.opener.is_shown_well(place):
            await reply.say(f"The session is in <#{place.channel_id}>; a message there wakes it.")
            return
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        await reply.think(ephemeral=False)
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, reply.message_id)
        channel_id = await self._client.opener.thread_at(reply.actor, spot, info.title)
        await self._client.opener.place(info, spot.guild_id, channel_id, THREAD)
        await reply.say(f"The session goes on in <#{channel_id}>.", ephemeral=False)

    # --- turns ------------------------------------------------------------------------------------------

    @app_commands.command(description="Stop what Claude is doing now; all that was said is kept.")
    async def stop(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        await self._client.controls.turns.stop(reply, (await self._meant(reply)).id)

    @app_commands.command(name="continue", description="Let Claude go on.")
    async def continue_(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        await self._face.core.perform(reply.actor, Continue(session_id=info.id, origin=reply.origin))
        await reply.say("Claude goes on.")

    @app_commands.command(description="Ask the last prompt again; the first answer stays readable.")
    async def regenerate(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        await self._client.controls.turns.regenerate(reply, info.id, "", keep_files=False)

    @app_commands.command(description="Go on in a new thread from a turn; this session stays as it is.")
    @app_commands.describe(turn="The turn's number; without it, the last one")
    async def branch(self, interaction: Interaction, turn: app_commands.Range[int, 1] | None = None) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        turn_id = await self._turn_id(reply, info, turn) if turn is not None else None
        await self._client.controls.turns.branch(reply, info.id, turn_id)

    async def _turn_id(self, reply: Reply, info: SessionInfo, number: int) -> str:
        wish = ReadTurns(session_id=info.id, before=number + 1, limit=1)
        page = await self._face.core.perform(reply.actor, wish)
        if not page.turns or page.turns[0].turn.number != number:
            raise Refused(f"There is no turn {number} in this session.")
        return page.turns[0].turn.id

    @app_commands.command(description="Run one of Claude's own commands, such as compact.")
    @app_commands.describe(name="The command, without the slash", arguments="What belongs to it")
    @app_commands.autocomplete(name=choices.claude_commands)
    async def command(self, interaction: Interaction, name: str, arguments: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        word = name.removeprefix("/").strip()
        wish = RunCommand(session_id=info.id, name=word, origin=reply.origin, arguments=arguments or "")
        await self._face.core.perform(reply.actor, wish)
        await reply.say(f"/{escape_inline(word, 60)} goes to Claude.")

    @app_commands.command(description="The prompts that wait in this session.")
    async def queue(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        turns = []
        for turn_id in info.queued_turns[:20]:
            view = await self._face.core.perform(reply.actor, ReadTurn(session_id=info.id, turn_id=turn_id))
            turns.append(view.turn)
        await reply.say(await stored(self._face, queue_card(info, turns)))

    # --- what the session is ----------------------------------------------------------------------------

    @app_commands.command(description="Choose Claude's model, from the next turn on.")
    @app_commands.describe(model="The model's name")
    @app_commands.autocomplete(model=choices.models)
    async def model(self, interaction: Interaction, model: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
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
        info = await self._meant(reply)
        chosen = PermissionMode(mode)
        await self._face.core.perform(reply.actor, SetMode(session_id=info.id, mode=chosen))
        await reply.say(f"From now on Claude {MODES[chosen]}.")

    @app_commands.command(description="Give the session another title.")
    async def rename(self, interaction: Interaction, title: app_commands.Range[str, 1, 80]) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        changed = await self._face.core.perform(reply.actor, Rename(session_id=info.id, title=title))
        await reply.say(f"The session is called “{escape_inline(changed.title, 90)}”.")

    @app_commands.command(description="Share the session with somebody or with a role.")
    @app_commands.describe(who="A member or a role", level="What they may do")
    @app_commands.choices(level=choices.LEVELS)
    async def share(self, interaction: Interaction, who: discord.Member | discord.Role, level: str) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        chosen = None if level == "none" else ShareLevel(level)
        wish = Share(session_id=info.id, grantee=core_id(who.id), level=chosen)
        await self._face.core.perform(reply.actor, wish)
        if chosen is None:
            await reply.say(f"The session is no longer shared with {who.mention}.")
        else:
            await reply.say(f"{who.mention} may {_MAY[chosen]} here from now on.")

    # --- files ------------------------------------------------------------------------------------------

    @app_commands.command(description="Take the session with you as a file.")
    @app_commands.rename(form="format")
    @app_commands.describe(form="Markdown or HTML to read, JSON to bring back", session=_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def export(
        self, interaction: Interaction, form: ExportFormat = ExportFormat.MARKDOWN, session: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply, session)
        await self._client.controls.turns.export(reply, ExportSession(session_id=info.id, format=form))

    @app_commands.command(name="import", description="Bring an exported session (JSON) back, in a new thread.")
    @app_commands.describe(file="What /session export gave as JSON", project="The directory to work in")
    @app_commands.autocomplete(project=choices.projects)
    async def import_(
        self, interaction: Interaction, file: discord.Attachment, project: str | None = None
    ) -> None:
        reply = reply_to(interaction)
        authorize(reply.actor, Action.CREATE)
        await reply.think(ephemeral=False)
        try:
            data = await fetch_data(incoming([file])[0], self._face.options)
        except FileRefused as error:
            raise Refused(f"The file {error}") from error
        spot = Spot(interaction.guild_id or 0, interaction.channel_id or 0, reply.message_id)
        async with self._client.opener.thread(reply.actor, spot, "Imported session") as channel_id:
            where = core_id(channel_id)
            wish = ImportSession(channel_id=where, data=data, key=where, project=project or "")
            info = await self._face.core.perform(reply.actor, wish)
        await self._client.opener.place(info, spot.guild_id, channel_id, THREAD)
        title = escape_inline(info.title, 80) or "The session"
        await reply.say(f"“{title}” is back in <#{channel_id}>.", ephemeral=False)

    @app_commands.command(description="A file of the session's directory.")
    @app_commands.describe(path="Its path in the directory, for example src/app.py")
    async def file(self, interaction: Interaction, path: app_commands.Range[str, 1, 500]) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        root = await self._face.directory_to_read(reply.actor, info.id)
        file = await asyncio.to_thread(read_file, root, path, file_limit(reply))
        await reply.say(Plain(f"{escape_inline(path, 200)}:", files=(file,)))

    # --- the end ----------------------------------------------------------------------------------------

    @app_commands.command(description="Go on in a terminal on the machine.")
    async def handover(self, interaction: Interaction) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply)
        await reply.think()
        done = await self._face.core.perform(reply.actor, HandOver(session_id=info.id))
        words = "On the machine, this takes the conversation up; the next prompt here takes it back:"
        await reply.say(Card((words, code_block(done.command, "sh", 600))))

    @app_commands.command(description="End the session.")
    @app_commands.describe(session=_SESSION)
    @app_commands.autocomplete(session=choices.sessions)
    async def clear(self, interaction: Interaction, session: str | None = None) -> None:
        reply = reply_to(interaction)
        info = await self._meant(reply, session)
        await self._face.check(reply.actor, Action.MANAGE, info.id)
        title = escape_inline(info.title, 80) or "this session"
        words = f"End “{title}”? Its process ends; what was said stays readable."
        body = confirm(words, Control(Verb.CONFIRM, info.id, CLEAR), "End the session")
        await reply.say(await stored(self._face, body))

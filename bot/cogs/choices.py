"""Values of a command's options: fixed choices, and suggestions while a person types (sessions, projects …).

At most 25, within Discord's lengths, and only what the person may see. A look-up that fails suggests nothing.
"""

import asyncio
from typing import Any

import discord
from discord import app_commands

from api import (
    Core,
    ListBackups,
    ListBranches,
    ListCheckpoints,
    ListProjects,
    ListPromptTemplates,
    ListTemplates,
    QueryRuns,
    QuerySessions,
)
from api.access import Actor
from api.words.checkpoints import about
from bot.entry import reply_to
from bot.errors import FaceError
from bot.face import Face
from bot.markdown.cards import one_line
from bot.panels import short_state
from bot.session_lookup import session_meant
from sessions.errors import SessionError
from storage import StorageError

Choice = app_commands.Choice[str]
Interaction = discord.Interaction[Any]
MODES = [
    Choice(name="ask before what is not allowed yet (default)", value="default"),
    Choice(name="accept edits of files", value="acceptEdits"),
    Choice(name="plan only, change nothing", value="plan"),
    Choice(name="never ask, refuse instead", value="dontAsk"),
    Choice(name="let Claude decide (auto)", value="auto"),
    Choice(name="allow everything (dangerous; admins only)", value="bypassPermissions"),
]
LEVELS = [
    Choice(name="read along", value="view"),
    Choice(name="prompt", value="prompt"),
    Choice(name="prompt and answer asks", value="approve"),
    Choice(name="take the share back", value="none"),
]
FILES = [
    Choice(name="its own copy of the files", value="own"),
    Choice(name="the same directory as this session", value="same"),
]
WHICH_SESSION = "Which session; without it, the one of this thread"
_MOST = 25  # Discord's most suggestions
_REMEMBERED_S = 5.0


def _face(interaction: Interaction) -> Face:
    # discord.py calls suggestions with the interaction alone, so the client carries what they need.
    face = interaction.client.face
    assert isinstance(face, Face)
    return face


def _projects(interaction: Interaction) -> "RecentProjects":
    projects = interaction.client.projects
    assert isinstance(projects, RecentProjects)
    return projects


class RecentProjects:
    """The projects that an actor may choose. Remembered for some seconds: each keystroke asks for them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[Actor, tuple[float, tuple[str, ...]]] = {}

    async def names(self, actor: Actor) -> tuple[str, ...]:
        """Return the name of every project that `actor` may choose. Raises `SessionError`."""
        now = asyncio.get_running_loop().time()
        self._known = {key: each for key, each in self._known.items() if now - each[0] < _REMEMBERED_S}
        if actor not in self._known:
            found = await self._core.perform(actor, ListProjects())
            self._known[actor] = (now, found.names)
        return self._known[actor][1]


async def sessions(interaction: Interaction, current: str) -> list[Choice]:
    """Return the sessions that the person may see, last used first."""
    wish = QuerySessions(text=current, limit=_MOST)
    try:
        page = await _face(interaction).core.perform(reply_to(interaction).actor, wish)
    except (SessionError, StorageError):
        return []
    return [
        Choice(
            name=one_line(
                f"{each.list_mark}{each.title or 'Session'} · {short_state(each)} · …{each.id[-6:]}", 100
            ),
            # The name is for people; the id is never cut.
            value=each.id,
        )
        for each in page.sessions
    ]


async def prompt_templates(interaction: Interaction, current: str) -> list[Choice]:
    """Return the prompt templates whose name contains the typed text."""
    try:
        found = await _face(interaction).core.perform(reply_to(interaction).actor, ListPromptTemplates())
    except (SessionError, StorageError):
        return []
    return [
        Choice(name=one_line(each.name, 100), value=each.id)
        for each in found.templates
        if current.casefold() in each.name.casefold()
    ][:_MOST]


async def backups(interaction: Interaction, current: str) -> list[Choice]:
    """Return the backups that the person may use, newest first."""
    try:
        found = await _face(interaction).core.perform(reply_to(interaction).actor, ListBackups(limit=200))
    except (SessionError, StorageError):
        return []
    return _matching(tuple(each.id for each in found.backups), current)


async def projects(interaction: Interaction, current: str) -> list[Choice]:
    """Return the projects whose name contains the typed text."""
    try:
        names = await _projects(interaction).names(reply_to(interaction).actor)
    except (SessionError, StorageError):
        return []
    return _matching(names, current)


async def models(interaction: Interaction, current: str) -> list[Choice]:
    """Return the usual models; a person may type any other name."""
    return _matching(_face(interaction).options.models, current)


async def claude_commands(interaction: Interaction, current: str) -> list[Choice]:
    """Return the slash commands that Claude offers in this session."""
    try:
        info = await session_meant(_face(interaction), reply_to(interaction).actor, interaction.channel_id or 0)
    except (SessionError, FaceError, StorageError):
        return []
    return _matching(info.commands, current)


async def branches(interaction: Interaction, current: str) -> list[Choice]:
    """Return the branches of this thread's session."""
    face, actor = _face(interaction), reply_to(interaction).actor
    try:
        info = await session_meant(face, actor, interaction.channel_id or 0)
        found = (await face.core.perform(actor, ListBranches(session_id=info.id))).branches
    except (SessionError, FaceError, StorageError):
        return []
    named = [
        (one_line(f"{each.title or each.name} · {each.git_branch or 'a plain copy'}", 100), each.session_id)
        for each in found
    ]
    return [Choice(name=name, value=id_) for name, id_ in named if current.lower() in name.lower()][:_MOST]


async def checkpoints(interaction: Interaction, current: str) -> list[Choice]:
    """Return the newest checkpoints of this thread's session."""
    face, actor = _face(interaction), reply_to(interaction).actor
    try:
        info = await session_meant(face, actor, interaction.channel_id or 0)
        # More than Discord shows, since the typed text leaves some out.
        page = await face.core.perform(actor, ListCheckpoints(session_id=info.id, limit=50))
    except (SessionError, FaceError, StorageError):
        return []
    named = [Choice(name=one_line(about(each), 100), value=each.id) for each in page.checkpoints]
    return [each for each in named if current.casefold() in each.name.casefold()][:_MOST]


async def templates(interaction: Interaction, current: str) -> list[Choice]:
    """Return the templates of work-flows."""
    try:
        found = await _face(interaction).core.perform(reply_to(interaction).actor, ListTemplates())
    except (SessionError, StorageError):
        return []
    return _matching(tuple(each.name for each in found.templates if not each.trouble), current)


async def runs(interaction: Interaction, current: str) -> list[Choice]:
    """Return the runs that the person may see, newest first."""
    try:
        wish = QueryRuns(text=current, limit=_MOST)
        page = await _face(interaction).core.perform(reply_to(interaction).actor, wish)
    except (SessionError, StorageError):
        return []
    return [
        Choice(
            name=one_line(f"{each.title} · {each.status.replace('_', ' ')} · …{each.id[-6:]}", 100),
            value=each.id,
        )
        for each in page.runs
    ]


def _matching(names: tuple[str, ...], current: str) -> list[Choice]:
    wanted = current.casefold()
    # Discord takes values of 100 characters; a longer name can still be typed.
    found = [name for name in names if wanted in name.casefold() and len(name) <= 100]
    # Stable: among equals, the order of the look-up stays.
    found.sort(key=lambda name: not name.casefold().startswith(wanted))
    return [Choice(name=one_line(name, 100) or name, value=name) for name in found[:_MOST]]

"""What every way into the Discord face works with: the core, our rows, the view, who may, and the options.

Holds values only; `bridge/discord_face.py` puts them together.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from api import Core
from api.access import Action, Actor
from bot.actors import AccessPolicy
from bot.rows import Place
from bot.scopes import SessionScope
from sessions.errors import NotAllowed
from storage import Database

DISCORD_FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})


class Shown(Protocol):
    """The view, as the ways in see it."""

    async def show(self, place: Place) -> None:
        """Show the session of `place` there from now on."""
        ...

    def changed(self, session_id: str) -> None:
        """Something that only the face knows of has changed: show the session anew."""
        ...

    async def choose_alternative(self, session_id: str, root_turn: str, turn_id: str) -> None:
        """Show this alternative of an answer."""
        ...


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """What the settings decide. `file_hosts` are the hosts (`name` or `name:port`) that files may come from;
    files of https hosts only, unless a host is named with its port.
    """

    scope: SessionScope = SessionScope.THREAD
    models: tuple[str, ...] = ("default", "opus", "sonnet", "haiku")
    file_hosts: frozenset[str] = DISCORD_FILE_HOSTS
    max_file_bytes: int = 25 * 2**20
    max_files_bytes: int = 50 * 2**20
    attachment_patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Face:
    """The face's surroundings. `work_directory` is where a session runs: the bot's files go there."""

    core: Core
    db: Database
    view: Shown
    access: AccessPolicy
    work_directory: Callable[[str], Awaitable[Path]]
    now_ms: Callable[[], int]
    options: FaceOptions = field(default_factory=FaceOptions)

    async def check(self, actor: Actor, action: Action, session_id: str) -> None:
        """Raise `NotAllowed` unless `actor` may do `action` to the session: for what no command asks."""
        if not await self.core.may(actor, action, session_id):
            raise NotAllowed(action)

    async def directory_to_read(self, actor: Actor, session_id: str) -> Path:
        """The work directory, for who may have any file of it: whoever may prompt, and so let Claude read it.

        Those who may only read along have what is in the thread. Raises `NotAllowed`.
        """
        if not await self.core.may(actor, Action.PROMPT, session_id):
            raise NotAllowed("take_files_of_this_session")
        return await self.work_directory(session_id)

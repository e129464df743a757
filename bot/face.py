"""What every way into the Discord face works with: the core, our rows, the view, who may, and the options.

Holds values only; `bridge/discord_face.py` puts them together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from api import Core
from api.access import Action, Actor
from bot.actors import AccessPolicy
from bot.rows import Place
from bot.scopes import SessionScope, ThreadTalk
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
    thread_talk: ThreadTalk = ThreadTalk.ALL
    models: tuple[str, ...] = ("default", "opus", "sonnet", "haiku")
    file_hosts: frozenset[str] = DISCORD_FILE_HOSTS
    max_file_bytes: int = 25 * 2**20
    max_files_bytes: int = 50 * 2**20
    attachment_patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Face:
    """The face's surroundings."""

    core: Core
    db: Database
    view: Shown
    access: AccessPolicy
    now_ms: Callable[[], int]
    options: FaceOptions = field(default_factory=FaceOptions)

    async def check(self, actor: Actor, action: Action, session_id: str) -> None:
        """Raise `NotAllowed` unless `actor` may do `action` to the session: for what no command asks."""
        if not await self.core.may(actor, action, session_id):
            raise NotAllowed(action)

"""The objects shared by commands, controls and messages: core, database, view, access policy, options.

Holds values only; `bridge/discord_face.py` puts them together.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from api import Core
from api.access import Action, Actor
from bot.actors import AccessPolicy
from bot.checks import Examine, no_checks
from bot.rows import Place
from bot.scopes import SessionScope, ThreadTalk
from sessions.errors import NotAllowed
from storage import Database

DISCORD_FILE_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})


class Shown(Protocol):
    """The view as commands, controls and messages see it."""

    async def show(self, place: Place) -> None:
        """Show the session of `place` there from now on."""
        ...

    def changed(self, session_id: str) -> None:
        """Show the session anew after a change that only the face knows, for which the core sends no event."""
        ...

    async def choose_alternative(self, session_id: str, root_turn: str, turn_id: str) -> None:
        """Show this alternative of an answer."""
        ...


class FaceOptions(msgspec.Struct, frozen=True):
    """The face's settings. Files may come only from `file_hosts` (`name` or `name:port`), and only over https
    unless the host is named with its port. `thread_context` is the number of messages of a thread that go along
    when somebody mentions the bot there. Files without words wait `words_patience_s` for them.
    `has_dashboard`: the web face runs beside this one.
    """

    scope: SessionScope = SessionScope.THREAD
    thread_talk: ThreadTalk = ThreadTalk.ALL
    models: tuple[str, ...] = ("default", "opus", "sonnet", "haiku")
    file_hosts: frozenset[str] = DISCORD_FILE_HOSTS
    max_file_bytes: int = 25 * 2**20
    max_files_bytes: int = 50 * 2**20
    attachment_patience_s: float = 60.0
    thread_context: int = 20
    words_patience_s: float = 5.0  # phones send pictures first, and the words once they are typed
    has_dashboard: bool = False


class Face(msgspec.Struct, frozen=True):
    """The dependencies of the face."""

    core: Core
    db: Database
    view: Shown
    access: AccessPolicy
    now_ms: Callable[[], int]
    options: FaceOptions = msgspec.field(default_factory=FaceOptions)
    examine: Examine = no_checks

    async def check(self, actor: Actor, action: Action, session_id: str) -> None:
        """Raise `NotAllowed` unless `actor` may do `action` to the session. For steps that send no command."""
        if not await self.core.may(actor, action, session_id):
            raise NotAllowed(action)

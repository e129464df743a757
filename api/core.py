"""The one interface through which every face reaches the core."""

from collections.abc import AsyncGenerator
from typing import Protocol

from api.access import Action, Actor, ActorSource
from api.administering import AdministeringCommand
from api.command import Command, R
from api.finding import FindingCommand
from api.making import MakingCommand
from api.managing import ManagingCommand
from api.permissions import PermissionsCommand
from api.prompting import PromptingCommand
from api.reading import ReadingCommand
from api.refusals import RefusalsCommand
from sessions.events import Feed

AnySessionlessCommand = FindingCommand | MakingCommand | AdministeringCommand | RefusalsCommand
"""The commands that are not about one session."""
AnySessionCommand = ReadingCommand | PromptingCommand | ManagingCommand | PermissionsCommand
"""The commands about one session."""
AnyCommand = AnySessionlessCommand | AnySessionCommand


class Core(Protocol):
    """The one interface of the core: `SessionService`, or the control socket's client from afar."""

    async def perform(self, actor: Actor, command: Command[R]) -> R:
        """Do what `command` wishes on behalf of `actor`.

        Raises `NotAllowed`, and the `SessionError`s that the command's docstring names.
        """
        ...

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        """Whether `actor` may do `action` to the session, for what no command asks. False if there is none."""
        ...

    def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """Events of a session numbered above `after`, stored ones first, then live ones; see `Bus.follow`.

        `who` is asked at the first step, at least once a minute, and whenever the session's shares change. Once
        they may not view the session, nothing more comes: `NotAllowed`, or `SessionNotFound` if it is gone.
        Close it (`aclosing`) to stop listening.
        """
        ...

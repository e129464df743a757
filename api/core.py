"""The one interface through which every face reaches the core."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol

import msgspec

from api.access import Action, Actor, ActorSource
from api.administering import AdministeringCommand
from api.command import Command, R
from api.files import FilesCommand, GetFile, PutFile
from api.finding import FindingCommand
from api.making import MakingCommand
from api.managing import ManagingCommand
from api.permissions import PermissionsCommand
from api.prompting import PromptingCommand
from api.reading import ReadingCommand
from api.refusals import RefusalsCommand
from api.trusting import ListTrust, TrustingCommand
from sessions.events import Feed
from sessions.model import Attachment, SessionId

AnySessionlessCommand = FindingCommand | MakingCommand | AdministeringCommand | RefusalsCommand | ListTrust
"""The commands that are not about one session."""
AnySessionCommand = ReadingCommand | PromptingCommand | ManagingCommand | PermissionsCommand | TrustingCommand
"""The commands about one session."""
AnyCommand = AnySessionlessCommand | AnySessionCommand
AnyWish = AnyCommand | FilesCommand
"""Whatever is authorized and written down: commands, and wishes whose content is a stream."""


class Position(msgspec.Struct, frozen=True):
    """A place in the stream of all sessions; only the core that gave it can go on from there."""

    run: str
    number: int


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """What happened before `as_of` is not told: read the list of sessions now (`QuerySessions`)."""

    as_of: Position


class Changes(msgspec.Struct, frozen=True, tag="changes"):
    """What happened up to `as_of`, in order for each session. `hidden` sessions may be viewed no longer."""

    as_of: Position
    items: tuple[Feed, ...]
    hidden: tuple[SessionId, ...] = ()


FeedOfAll = Begun | Changes


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

    async def put_file(self, actor: Actor, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
        """Store `content` in the session's work directory, as it comes. Raises as `PutFile` says."""
        ...

    def get_file(self, actor: Actor, wish: GetFile) -> AsyncGenerator[bytes, None]:
        """The content of a file of the session's work directory, in pieces. Raises as `GetFile` says."""
        ...

    def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """Events of a session numbered above `after`, stored ones first, then live ones; see `Bus.follow`.

        `who` is asked at the first step, at least once a minute, and whenever the session's shares change. Once
        they may not view the session, nothing more comes: `NotAllowed`, or `SessionNotFound` if it is gone.
        Close it (`aclosing`) to stop listening.
        """
        ...

    def follow_all(self, who: ActorSource, after: Position | None) -> AsyncGenerator[FeedOfAll, None]:
        """What happens from position `after` on in all sessions that the actor may view.

        `Begun` comes first without `after`, and whenever the stream cannot go on without a gap: the core was
        started anew, the follower fell behind, or is somebody else now. Who lists the sessions after `Begun`
        misses nothing; an event that the list has already is known by its number (`SessionInfo.last_event`).
        `who` is asked as in `follow`. Raises `NotAllowed` once they may not list sessions.
        """
        ...

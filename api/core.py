"""The one interface through which every face reaches the core."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol

import msgspec

from api.access import Action, Actor, ActorSource
from api.administering import AdministeringCommand
from api.backing_up import BackingUpCommand, BackUpSession, ExportBundle
from api.branching import BranchingCommand
from api.checkpointing import CheckpointingCommand
from api.cleaning import CleaningCommand, CleanupRulesCommand
from api.command import Command, R
from api.context import ContextCommand
from api.files import FilesCommand, GetFile, PutFile
from api.finding import FindingCommand
from api.folders import FoldersCommand, ListFolders
from api.linking import LinkingCommand
from api.making import MakingCommand
from api.managing import ManagingCommand
from api.network import NetworkCommand
from api.permissions import PermissionsCommand
from api.prompt_templates import PromptTemplatesCommand
from api.prompting import PromptingCommand
from api.reading import ReadingCommand
from api.refusals import RefusalsCommand
from api.reviewing import ReviewingCommand
from api.searching import SearchingCommand
from api.shared_pages import OpenSharedPage, SharedPagesCommand
from api.timing import TimingCommand
from api.trusting import ListTrust, TrustingCommand
from api.workflows import AnyRunCommand, RunAnswerCommand, WorkflowCommand
from sessions.events import Feed
from sessions.model import Attachment, SessionId

AnySessionlessCommand = (
    FindingCommand
    | SearchingCommand
    | MakingCommand
    | AdministeringCommand
    | RefusalsCommand
    | LinkingCommand
    | OpenSharedPage
    | PromptTemplatesCommand
    | CleaningCommand
    | CleanupRulesCommand
    | ListTrust
    | ListFolders
    | WorkflowCommand
    | BackingUpCommand
)
"""The commands that are not about one session."""
AnySessionCommand = (
    ReadingCommand
    | PromptingCommand
    | ManagingCommand
    | PermissionsCommand
    | TrustingCommand
    | NetworkCommand
    | CheckpointingCommand
    | BranchingCommand
    | ContextCommand
    | FoldersCommand
    | SharedPagesCommand
    | TimingCommand
    | ReviewingCommand
    | BackUpSession
    | ExportBundle
    | RunAnswerCommand
)
"""The commands about one session."""
AnyCommand = AnySessionlessCommand | AnySessionCommand | AnyRunCommand
AnyWish = AnyCommand | FilesCommand
"""Everything that is authorized and audited: commands, and file transfers, whose content is a stream."""


class Position(msgspec.Struct, frozen=True):
    """A place in the stream of all sessions; only the core that returned it can continue from there."""

    # Numbers begin anew with each start of the core, so a position is worth nothing in another run.
    run: str
    number: int


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The start of a stream. It omits earlier changes: read the list of sessions now (`QuerySessions`)."""

    as_of: Position


class Changes(msgspec.Struct, frozen=True, tag="changes"):
    """Changes up to `as_of`, in order for each session. The actor may no longer view `hidden` sessions."""

    as_of: Position
    items: tuple[Feed, ...]
    hidden: tuple[SessionId, ...] = ()


FeedOfAll = Begun | Changes


class Core(Protocol):
    """The interface of the core: implemented by `SessionService` and by the control socket's client."""

    async def perform(self, actor: Actor, command: Command[R]) -> R:
        """Carry out `command` on behalf of `actor` and return its reply.

        Raises `NotAllowed`, and the `SessionError`s that the command's docstring names.
        """
        ...

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        """Whether `actor` may do `action` to the session, for acts without a command. False if it is gone."""
        ...

    async def put_file(self, actor: Actor, wish: PutFile, content: AsyncIterable[bytes]) -> Attachment:
        """Store `content` as an upload of the session while it arrives. Raises the errors of `PutFile`."""
        ...

    def get_file(self, actor: Actor, wish: GetFile) -> AsyncGenerator[bytes, None]:
        """Yield the content of a file of the session's work directory. Raises the errors of `GetFile`."""
        ...

    def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """Yield a session's events numbered above `after`, stored ones first, then live ones; see `Bus.follow`.

        `who` is called at the first step, at least once a minute, and when the session's shares change. Once
        the actor may not view the session, the stream raises `NotAllowed`; once the session is deleted,
        `SessionNotFound`. Close the generator (`aclosing`) to stop listening.
        """
        ...

    def follow_all(
        self, who: ActorSource, after: Position | None, *, growing: bool = True
    ) -> AsyncGenerator[FeedOfAll, None]:
        """Yield changes after position `after` in all sessions that the actor may view.

        `Begun` comes first if `after` is None, and whenever the stream cannot continue without a gap: the core
        was restarted, the follower fell behind, or `who` returns a different actor. A caller that lists the
        sessions after `Begun` misses nothing; `SessionInfo.last_event` tells which events the list already has.
        With `growing` false, text that Claude is writing is left out until its block is complete.
        `who` is called as in `follow`. Raises `NotAllowed` once the actor may not list sessions.
        """
        ...

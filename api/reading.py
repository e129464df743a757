"""Commands that read a session: its state, its turns and asks, or all of it as a file."""

import msgspec

from api.access import Action
from api.command import SessionCommand
from sessions.events import Numbered, PartialText
from sessions.model import (
    Activity,
    AskId,
    Block,
    Blocker,
    ExportFormat,
    LeftProcess,
    Lifecycle,
    McpServer,
    PermissionMode,
    Progress,
    Schedule,
    SessionId,
    Standing,
    TitleSource,
    Trust,
    TurnId,
)
from sessions.run_shown import RunShown
from sessions.stored import StoredAsk, StoredTurn
from sessions.troubles import Limit, LimitShare


class SessionInfo(msgspec.Struct, frozen=True):
    """A session as faces show it. `place_in_line` is the number of sessions that get a process before it.

    If `project_is_gone`, its directory was missing at the last start. `limit` is the usage limit that blocks
    it; `other_model` is a model that the limit does not block, or empty. `limit_shares` tells how much of the
    account's limits is used.
    `list_price_usd` is the part of `cost_usd` that a login covered instead of an API key: it is not billed.
    `left_running` lists programs that Claude's tools started and left; `EndLeftRunning` ends them. `promised`
    lists scheduled work, each with its next time; Claude does it only while it has a process.
    `wants_guide`: its project has neither guidance nor documentation.
    `has_own_copy`: it is a branch with files of its own. `work_flow` is its run, if it is that of a work-flow.
    `prompted_by_several`: its owner lets others prompt it; only `GetSession` tells. `sandbox` (bwrap, landlock,
    none) and `network` (open, listed, model) are those of its process; empty without a process.
    `waits_for_disk`: its next prompt is held back until the disk has room.
    """

    id: SessionId
    user_id: str
    channel_id: str
    title: str
    pinned: bool
    project: str
    model: str
    mode: PermissionMode
    trust: Trust
    trust_wanted: str
    lifecycle: Lifecycle
    activity: Activity
    blocker: Blocker | None
    reason: str
    standing: Standing
    running_turn: TurnId | None
    last_turn: TurnId | None
    goes_on_from: TurnId | None
    queued_turns: tuple[TurnId, ...]
    open_asks: tuple[AskId, ...]
    background_tasks: int
    commands: tuple[str, ...]
    mcp_servers: tuple[McpServer, ...]
    cost_usd: float
    context_used: int
    context_window: int
    message_count: int
    created_ms: int
    last_activity_ms: int
    limit_until_ms: int
    last_event: int
    work_directory_name: str
    list_price_usd: float = 0.0
    left_running: tuple[LeftProcess, ...] = ()
    promised: tuple[Schedule, ...] = ()
    terminal_hint: str = ""
    place_in_line: int | None = None
    project_is_gone: bool = False
    titled_by: TitleSource | None = None
    limit: Limit | None = None
    limit_shares: tuple[LimitShare, ...] = ()
    other_model: str = ""
    wants_guide: bool = False
    has_own_copy: bool = False
    progress: Progress = Progress()
    prompted_by_several: bool = False
    sandbox: str = ""
    network: str = ""
    waits_for_disk: bool = False
    work_flow: RunShown | None = None

    @property
    def list_mark(self) -> str:
        """Text before the session's title in lists; empty for most sessions."""
        return "📌 " if self.pinned else ""


class PlacedBlock(msgspec.Struct, frozen=True):
    """A block of a turn with its ordinal, which is also in its event; see `BlockAdded` for `before`.

    `left_out` is the number of bytes cut from a tool's body; `ReadBlock` returns the whole block.
    """

    ordinal: int
    block: Block
    before: int | None = None
    left_out: int = 0


class TurnView(msgspec.Struct, frozen=True):
    """A turn with its blocks in the order of display and its asks, as of event `as_of`.

    `growing` holds the blocks still being written, each from its beginning; it may be newer than `as_of`.
    """

    turn: StoredTurn
    blocks: tuple[PlacedBlock, ...]
    as_of: int
    asks: tuple[StoredAsk, ...] = ()
    growing: tuple[PartialText, ...] = ()

    @property
    def contents(self) -> tuple[Block, ...]:
        """The blocks without their places."""
        return tuple(each.block for each in self.blocks)


class TurnPage(msgspec.Struct, frozen=True):
    """Turns, newest first; `before` asks for the next page and is None on the last one.

    The page shows one moment. `Core.follow` after event `as_of` yields exactly the events that it lacks.
    """

    turns: tuple[TurnView, ...]
    before: int | None
    as_of: int


class EventPage(msgspec.Struct, frozen=True):
    """Events in order; empty if there are no later ones."""

    events: tuple[Numbered, ...]


class Asks(msgspec.Struct, frozen=True):
    """Asks, oldest first."""

    asks: tuple[StoredAsk, ...]


class ExportedFile(msgspec.Struct, frozen=True):
    """A file to hand out; `data` is its whole content."""

    name: str
    data: bytes


class WorkPlace(msgspec.Struct, frozen=True):
    """The git branch and the last commit of a work directory; each is empty if there is none."""

    branch: str = ""
    commit: str = ""


class GetSession(SessionCommand[SessionInfo], frozen=True, tag="get_session", kw_only=True):
    """Return the session as it is now."""

    action = Action.VIEW
    reply = SessionInfo
    audited = False


class ReadTurns(SessionCommand[TurnPage], frozen=True, tag="read_turns", kw_only=True):
    """Return a page of turns, newest first; tool bodies over 8 kB are cut and marked."""

    action = Action.VIEW
    reply = TurnPage
    audited = False
    before: int | None = None
    limit: int = 20
    with_blocks: bool = True


class ReadTurn(SessionCommand[TurnView], frozen=True, tag="read_turn", kw_only=True):
    """Return one turn; with `whole`, tool bodies are not cut. Raises `TurnNotFound`."""

    action = Action.VIEW
    reply = TurnView
    audited = False
    turn_id: str
    with_blocks: bool = True
    whole: bool = False


class ReadBlock(SessionCommand[PlacedBlock], frozen=True, tag="read_block", kw_only=True):
    """Return one whole block of a turn. Raises `TurnNotFound` if the session has no such block."""

    action = Action.VIEW
    reply = PlacedBlock
    audited = False
    turn_id: str
    ordinal: int


class ReadEvents(SessionCommand[EventPage], frozen=True, tag="read_events", kw_only=True):
    """Return at most `limit` (500) stored events numbered above `after`, oldest first."""

    action = Action.VIEW
    reply = EventPage
    audited = False
    after: int
    limit: int = 200


class Notices(msgspec.Struct, frozen=True):
    """Notices with their numbers and times, oldest first."""

    notices: tuple[Numbered, ...]


class ReadNotices(SessionCommand[Notices], frozen=True, tag="read_notices", kw_only=True):
    """Return the newest notices of a session since a time, at most 20."""

    action = Action.VIEW
    reply = Notices
    audited = False
    since_ms: int = 0


class Present(msgspec.Struct, frozen=True):
    """The people who look at a session in a browser now, by their ids, in the order in which they came."""

    user_ids: tuple[str, ...]


class ReadPresence(SessionCommand[Present], frozen=True, tag="read_presence"):
    """Return who looks at the session in a visible browser tab now; nobody without a web face."""

    action = Action.VIEW
    reply = Present
    audited = False


class ReadAsks(SessionCommand[Asks], frozen=True, tag="read_asks"):
    """Return every ask of the session with its outcome."""

    action = Action.VIEW
    reply = Asks
    audited = False


class ReadAsk(SessionCommand[StoredAsk], frozen=True, tag="read_ask", kw_only=True):
    """Return one ask with its outcome. Raises `SessionNotFound` if it is not an ask of the session."""

    action = Action.VIEW
    reply = StoredAsk
    audited = False
    ask_id: str


class ReadWorkPlace(SessionCommand[WorkPlace], frozen=True, tag="read_work_place", kw_only=True):
    """Return the git state of the work directory; empty if it is no repository root, or git takes too long."""

    action = Action.VIEW
    reply = WorkPlace
    audited = False


class ExportSession(SessionCommand[ExportedFile], frozen=True, tag="export_session", kw_only=True):
    """Return the session as a file; see `ExportFormat`. Raises `PdfRefused` if a PDF cannot be made.

    `with_uploads`: the files of its prompts are in the JSON.
    """

    action = Action.VIEW
    reply = ExportedFile
    format: ExportFormat = ExportFormat.MARKDOWN
    with_uploads: bool = True


ReadingCommand = (
    GetSession
    | ReadTurns
    | ReadTurn
    | ReadBlock
    | ReadEvents
    | ReadNotices
    | ReadPresence
    | ReadAsk
    | ReadAsks
    | ReadWorkPlace
    | ExportSession
)
"""The commands of this file."""

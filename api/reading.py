"""Commands that look at a session: its state, its turns and asks, all of it as a file."""

import msgspec

from api.access import Action
from api.command import SessionCommand
from sessions.model import (
    Activity,
    AskId,
    Block,
    Blocker,
    ExportFormat,
    LeftProcess,
    Lifecycle,
    PermissionMode,
    SessionId,
    Standing,
    Trust,
    TurnId,
)
from sessions.stored import StoredAsk, StoredTurn


class SessionInfo(msgspec.Struct, frozen=True):
    """A session as faces show it. `place_in_line` counts sessions that get a process first.

    `list_price_usd` is the part of `cost_usd` that no API key paid: it is no bill. `left_running` is what
    Claude's tools started and left; `EndLeftRunning` ends it.
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
    queued_turns: tuple[TurnId, ...]
    open_asks: tuple[AskId, ...]
    background_tasks: int
    commands: tuple[str, ...]
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
    terminal_hint: str = ""
    place_in_line: int | None = None

    @property
    def list_mark(self) -> str:
        """Text before the session's title in lists; empty for most sessions."""
        return "📌 " if self.pinned else ""


class TurnView(msgspec.Struct, frozen=True):
    """A turn with its blocks."""

    turn: StoredTurn
    blocks: tuple[Block, ...]


class TurnPage(msgspec.Struct, frozen=True):
    """Turns, newest first; `before` asks for the next page, or is None at the end."""

    turns: tuple[TurnView, ...]
    before: int | None


class ExportedFile(msgspec.Struct, frozen=True):
    """A file to hand out; `data` is its whole content."""

    name: str
    data: bytes


class WorkPlace(msgspec.Struct, frozen=True):
    """Where Claude works: the branch and the last commit, empty where there are none."""

    branch: str = ""
    commit: str = ""


class GetSession(SessionCommand[SessionInfo], frozen=True, tag="get_session", kw_only=True):
    """The session as it is now."""

    action = Action.VIEW
    reply = SessionInfo
    audited = False


class ReadTurns(SessionCommand[TurnPage], frozen=True, tag="read_turns", kw_only=True):
    """A page of turns with their blocks, newest first."""

    action = Action.VIEW
    reply = TurnPage
    audited = False
    before: int | None = None
    limit: int = 20


class ReadTurn(SessionCommand[TurnView], frozen=True, tag="read_turn", kw_only=True):
    """One turn with its blocks. Raises `TurnNotFound`."""

    action = Action.VIEW
    reply = TurnView
    audited = False
    turn_id: str


class ReadAsk(SessionCommand[StoredAsk], frozen=True, tag="read_ask", kw_only=True):
    """One ask and what became of it. Raises `SessionNotFound` if it is not one of the session."""

    action = Action.VIEW
    reply = StoredAsk
    audited = False
    ask_id: str


class ReadWorkPlace(SessionCommand[WorkPlace], frozen=True, tag="read_work_place", kw_only=True):
    """What git says of the work directory; empty if it is no repository of its own, or git takes too long."""

    action = Action.VIEW
    reply = WorkPlace
    audited = False


class ExportSession(SessionCommand[ExportedFile], frozen=True, tag="export_session", kw_only=True):
    """The session as a file: json (lossless), markdown or html (for reading, secrets redacted)."""

    action = Action.VIEW
    reply = ExportedFile
    format: ExportFormat = ExportFormat.MARKDOWN


ReadingCommand = GetSession | ReadTurns | ReadTurn | ReadAsk | ReadWorkPlace | ExportSession
"""The commands of this file."""

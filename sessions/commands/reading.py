"""Commands that look: sessions, their turns and asks, projects, a session as a file."""

import msgspec

from sessions.access import Action
from sessions.commands.command import Command, SessionCommand
from sessions.model import (
    Activity,
    AskId,
    Block,
    Blocker,
    ExportFormat,
    Lifecycle,
    PermissionMode,
    SessionId,
    TurnId,
)
from sessions.rows import StoredAsk, StoredTurn


class SessionInfo(msgspec.Struct, frozen=True):
    """A session as faces show it. `place_in_line` counts sessions that get a process first."""

    id: SessionId
    user_id: str
    channel_id: str
    title: str
    project: str
    model: str
    mode: PermissionMode
    lifecycle: Lifecycle
    activity: Activity
    blocker: Blocker | None
    reason: str
    status: str
    running_turn: TurnId | None
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
    terminal_hint: str = ""
    place_in_line: int | None = None


class SessionPage(msgspec.Struct, frozen=True):
    """Sessions in the order that was asked for; `cursor` asks for the next page, or is empty at the end."""

    sessions: tuple[SessionInfo, ...]
    cursor: str = ""


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


class Names(msgspec.Struct, frozen=True):
    names: tuple[str, ...]


class GetSession(SessionCommand[SessionInfo], frozen=True, tag="get_session", kw_only=True):
    action = Action.VIEW
    reply = SessionInfo


class FindSession(Command[SessionInfo], frozen=True, tag="find_session", kw_only=True):
    """The session that has not ended at the place `key`. Raises `SessionNotFound`."""

    action = Action.LIST
    reply = SessionInfo
    key: str


class QuerySessions(Command[SessionPage], frozen=True, tag="query_sessions", kw_only=True):
    """Sessions that the actor may view, newest activity first. Empty fields do not narrow."""

    action = Action.LIST
    reply = SessionPage
    status: str = ""
    user_id: str = ""
    channel_id: str = ""
    model: str = ""
    project: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    text: str = ""
    oldest_first: bool = False
    include_ended: bool = False
    limit: int = 20
    cursor: str = ""


class ReadTurns(SessionCommand[TurnPage], frozen=True, tag="read_turns", kw_only=True):
    """A page of turns with their blocks, newest first."""

    action = Action.VIEW
    reply = TurnPage
    before: int | None = None
    limit: int = 20


class ReadTurn(SessionCommand[TurnView], frozen=True, tag="read_turn", kw_only=True):
    action = Action.VIEW
    reply = TurnView
    turn_id: str


class ReadAsk(SessionCommand[StoredAsk], frozen=True, tag="read_ask", kw_only=True):
    action = Action.VIEW
    reply = StoredAsk
    ask_id: str


class ExportSession(SessionCommand[ExportedFile], frozen=True, tag="export_session", kw_only=True):
    """The session as a file: json (lossless), markdown or html (for reading, secrets redacted)."""

    action = Action.VIEW
    reply = ExportedFile
    format: ExportFormat = ExportFormat.MARKDOWN


class ListProjects(Command[Names], frozen=True, tag="list_projects"):
    action = Action.CREATE
    reply = Names


ReadingCommand = (
    GetSession | FindSession | QuerySessions | ReadTurns | ReadTurn | ReadAsk | ExportSession | ListProjects
)
"""The commands of this file."""

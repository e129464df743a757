"""What a face can ask of the core: one value per wish, each with the type of its reply.

The same values travel inside the process and, as JSON, over the control socket. `service.py` carries them out;
each names the action that `access.authorize` is asked for. `origin` is the face's own key of what a person did:
the same one twice is done once.
"""

from collections.abc import AsyncGenerator
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from sessions.access import Action, Actor, ShareLevel
from sessions.events import Feed
from sessions.model import (
    Activity,
    Ask,
    AskId,
    Attachment,
    Block,
    Blocker,
    Decision,
    ExportFormat,
    Lifecycle,
    PermissionMode,
    SessionId,
    TurnId,
)
from sessions.rows import StoredAsk, StoredTurn

R = TypeVar("R")


class Nothing(msgspec.Struct, frozen=True):
    """Done; there is nothing to say."""


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


class TurnView(msgspec.Struct, frozen=True):
    """A turn with its blocks."""

    turn: StoredTurn
    blocks: tuple[Block, ...]


class TurnPage(msgspec.Struct, frozen=True):
    """Turns, newest first; `before` asks for the next page, or is None at the end."""

    turns: tuple[TurnView, ...]
    before: int | None


class SessionPage(msgspec.Struct, frozen=True):
    """Sessions in the order that was asked for; `cursor` asks for the next page, or is empty at the end."""

    sessions: tuple[SessionInfo, ...]
    cursor: str = ""


class Accepted(msgspec.Struct, frozen=True):
    """A prompt was taken: its turn, and how many prompts of the session come first."""

    turn_id: TurnId
    place: int


class Stopped(msgspec.Struct, frozen=True):
    """Whether something ran that was interrupted."""

    was_running: bool


class Names(msgspec.Struct, frozen=True):
    names: tuple[str, ...]


class Command(msgspec.Struct, Generic[R], frozen=True):
    """Base of all wishes. `action` is what `authorize` is asked for; `reply` is the type that comes back."""

    action: ClassVar[Action]
    reply: ClassVar[Any]


class SessionCommand(Command[R], Generic[R], frozen=True, kw_only=True):
    """A wish about one session."""

    session_id: str


class CreateSession(Command[SessionInfo], frozen=True, tag="create_session", kw_only=True):
    """A new session of the actor's. `key` makes it the one of its place (see `GetOrCreateSession`)."""

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class GetOrCreateSession(Command[SessionInfo], frozen=True, tag="get_or_create_session", kw_only=True):
    """The session that has not ended at the place `key`, or a new one. Concurrent calls get the same."""

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    key: str
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class FindSession(Command[SessionInfo], frozen=True, tag="find_session", kw_only=True):
    """The session that has not ended at the place `key`. Raises `SessionNotFound`."""

    action = Action.LIST
    reply = SessionInfo
    key: str


class GetSession(SessionCommand[SessionInfo], frozen=True, tag="get_session", kw_only=True):
    action = Action.VIEW
    reply = SessionInfo


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


class SendMessage(SessionCommand[Accepted], frozen=True, tag="send_message", kw_only=True):
    """Queue a prompt. `front` lets it be the next."""

    action = Action.PROMPT
    reply = Accepted
    content: str
    origin: str
    attachments: tuple[Attachment, ...] = ()
    front: bool = False


class RunCommand(SessionCommand[Accepted], frozen=True, tag="run_command", kw_only=True):
    """Queue one of Claude's own slash commands, such as `compact`."""

    action = Action.PROMPT
    reply = Accepted
    name: str
    origin: str
    arguments: str = ""


class EditQueued(SessionCommand[Nothing], frozen=True, tag="edit_queued", kw_only=True):
    action = Action.PROMPT
    reply = Nothing
    turn_id: str
    content: str


class WithdrawQueued(SessionCommand[Nothing], frozen=True, tag="withdraw_queued", kw_only=True):
    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class MoveToFront(SessionCommand[Nothing], frozen=True, tag="move_to_front", kw_only=True):
    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class SendNow(SessionCommand[Nothing], frozen=True, tag="send_now", kw_only=True):
    """Interrupt what runs and send a waiting prompt next."""

    action = Action.PROMPT
    reply = Nothing
    turn_id: str


class Continue(SessionCommand[Accepted], frozen=True, tag="continue", kw_only=True):
    """Let a cut turn go on, or ask Claude to continue."""

    action = Action.PROMPT
    reply = Accepted
    origin: str


class Regenerate(SessionCommand[Accepted], frozen=True, tag="regenerate", kw_only=True):
    """Drop the last answer and ask again."""

    action = Action.PROMPT
    reply = Accepted
    origin: str


class Interrupt(SessionCommand[Stopped], frozen=True, tag="interrupt", kw_only=True):
    """Stop the running turn; process and partial text stay."""

    action = Action.PROMPT
    reply = Stopped


class AnswerAsk(SessionCommand[Ask], frozen=True, tag="answer_ask", kw_only=True):
    """Decide an ask; the first decision wins. Raises `AlreadyDecided`, `WrongAnswer`."""

    action = Action.APPROVE
    reply = Ask
    ask_id: str
    decision: Decision


class SetModel(SessionCommand[SessionInfo], frozen=True, tag="set_model", kw_only=True):
    action = Action.MANAGE
    reply = SessionInfo
    model: str


class SetMode(SessionCommand[SessionInfo], frozen=True, tag="set_mode", kw_only=True):
    action = Action.MANAGE
    reply = SessionInfo
    mode: PermissionMode


class Rename(SessionCommand[SessionInfo], frozen=True, tag="rename", kw_only=True):
    action = Action.MANAGE
    reply = SessionInfo
    title: str


class Park(SessionCommand[Nothing], frozen=True, tag="park", kw_only=True):
    """End the process, keep the conversation."""

    action = Action.MANAGE
    reply = Nothing


class Clear(SessionCommand[Nothing], frozen=True, tag="clear", kw_only=True):
    """End the process and the session."""

    action = Action.MANAGE
    reply = Nothing


class Share(SessionCommand[Nothing], frozen=True, tag="share", kw_only=True):
    """Share with a user or group id, or take the share back (`level` None)."""

    action = Action.MANAGE
    reply = Nothing
    grantee: str
    level: ShareLevel | None


class Branch(SessionCommand[SessionInfo], frozen=True, tag="branch", kw_only=True):
    """A new session of the actor's that goes on from a turn (None: the last one); the parent is untouched."""

    action = Action.PROMPT
    reply = SessionInfo
    channel_id: str
    turn_id: str | None = None
    key: str = ""
    title: str = ""


class FilesChanged(msgspec.Struct, frozen=True):
    """Files that were, or would be, put back; `done` says which. `refused` is a sentence if they cannot be."""

    paths: tuple[str, ...]
    insertions: int
    deletions: int
    done: bool
    refused: str = ""


class RewindFiles(SessionCommand[FilesChanged], frozen=True, tag="rewind_files", kw_only=True):
    """Put back what a turn and all after it changed in files; with `dry_run` only say what that would be."""

    action = Action.PROMPT
    reply = FilesChanged
    turn_id: str
    dry_run: bool = True


class Handover(msgspec.Struct, frozen=True):
    """The command that takes the conversation up in a terminal on the machine."""

    command: str


class HandOver(SessionCommand[Handover], frozen=True, tag="hand_over", kw_only=True):
    """Park the session for use in a terminal; the next prompt takes it back. Shows a path of the machine."""

    action = Action.MANAGE
    reply = Handover


class ClearedSession(msgspec.Struct, frozen=True):
    session_id: SessionId
    had_process: bool
    trouble: str = ""


class ClearReport(msgspec.Struct, frozen=True):
    """What became of each session that was cleared; `trouble` is empty when all went well."""

    sessions: tuple[ClearedSession, ...]


class ClearAll(Command[ClearReport], frozen=True, tag="clear_all"):
    """Emergency: end every process within 10 seconds and clear its session."""

    action = Action.ADMINISTER
    reply = ClearReport


class ExportedFile(msgspec.Struct, frozen=True):
    """A file to hand out; `data` is its whole content."""

    name: str
    data: bytes


class ExportSession(SessionCommand[ExportedFile], frozen=True, tag="export_session", kw_only=True):
    """The session as a file: json (lossless), markdown or html (for reading, secrets redacted)."""

    action = Action.VIEW
    reply = ExportedFile
    format: ExportFormat = ExportFormat.MARKDOWN


class ImportSession(Command[SessionInfo], frozen=True, tag="import_session", kw_only=True):
    """A new session of the actor's that goes on from an exported JSON file. Raises `ImportRefused`."""

    action = Action.CREATE
    reply = SessionInfo
    channel_id: str
    data: bytes
    key: str = ""
    project: str = ""


class FoundConversation(msgspec.Struct, frozen=True):
    """A conversation that was begun outside the bridge."""

    conversation_id: str
    title: str
    first_prompt: str
    directory_name: str
    size_bytes: int
    updated_ms: int


class FoundConversations(msgspec.Struct, frozen=True):
    conversations: tuple[FoundConversation, ...]


class ListConversations(Command[FoundConversations], frozen=True, tag="list_conversations", kw_only=True):
    """Conversations on this machine that no session has, last written first."""

    action = Action.ADMINISTER
    reply = FoundConversations
    limit: int = 50


class AdoptConversation(Command[SessionInfo], frozen=True, tag="adopt_conversation", kw_only=True):
    """A session of the actor's that takes a conversation over; it must lie in the workspace."""

    action = Action.ADMINISTER
    reply = SessionInfo
    channel_id: str
    conversation_id: str
    key: str = ""


class Totals(msgspec.Struct, frozen=True):
    """Sums over turns; times in milliseconds, means over the turns that have them."""

    turns: int = 0
    failed_turns: int = 0
    cost_usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    tool_calls: int = 0
    asks: int = 0
    mean_duration_ms: float = 0.0
    mean_first_text_ms: float = 0.0
    mean_ask_wait_ms: float = 0.0


class UsageRow(msgspec.Struct, frozen=True):
    """Totals of one group: a day (`2026-01-31`), a user or a session."""

    group: str
    totals: Totals


class Statistics(msgspec.Struct, frozen=True):
    """The core at a glance. `memory_bytes` is what all host trees use together."""

    by_lifecycle: dict[str, int]
    live_processes: int
    max_processes: int
    waiting: int
    open_asks: int
    memory_bytes: int
    totals: Totals
    groups: tuple[UsageRow, ...] = ()


class ReadStatistics(Command[Statistics], frozen=True, tag="read_statistics", kw_only=True):
    """Counts and sums, over all or since a time; `group_by` is day, user, session or empty."""

    action = Action.ADMINISTER
    reply = Statistics
    since_ms: int = 0
    group_by: str = ""


class AuditEntry(msgspec.Struct, frozen=True):
    id: int
    at_ms: int
    actor: str
    face: str
    action: str
    session_id: str
    allowed: bool
    detail: str


class AuditPage(msgspec.Struct, frozen=True):
    entries: tuple[AuditEntry, ...]


class ReadAudit(Command[AuditPage], frozen=True, tag="read_audit", kw_only=True):
    """Who did what, newest first, with ids below `before`."""

    action = Action.ADMINISTER
    reply = AuditPage
    session_id: str = ""
    before: int | None = None
    limit: int = 50


class RetentionStep(msgspec.Struct, frozen=True):
    """A session that a rule archives (`verb` archive: it ends, and can be brought back) or deletes."""

    verb: str
    session_id: SessionId
    title: str
    user_id: str
    why: str
    last_ms: int
    size_bytes: int


class RetentionReport(msgspec.Struct, frozen=True):
    """What the rules remove, or (`applied`) have removed. `steps` lists at most 500; the counts are whole."""

    steps: tuple[RetentionStep, ...]
    archived: int
    deleted: int
    applied: bool


class PlanRetention(Command[RetentionReport], frozen=True, tag="plan_retention"):
    """What the retention rules would remove now; changes nothing."""

    action = Action.ADMINISTER
    reply = RetentionReport


class ApplyRetention(Command[RetentionReport], frozen=True, tag="apply_retention"):
    """Archive and delete what is due. What is deleted cannot be brought back."""

    action = Action.ADMINISTER
    reply = RetentionReport


class RestoreSession(SessionCommand[SessionInfo], frozen=True, tag="restore_session", kw_only=True):
    """Bring an ended session back, parked; its next prompt wakes it.

    With `key` None it gets its old place if that is free, else none; `channel_id` empty keeps its channel.
    Raises `IllegalMove` if it has not ended, `PlaceTaken` if another session holds `key`.
    """

    action = Action.MANAGE
    reply = SessionInfo
    channel_id: str = ""
    key: str | None = None


class ListProjects(Command[Names], frozen=True, tag="list_projects"):
    action = Action.CREATE
    reply = Names


class Core(Protocol):
    """The one interface of the core: `SessionService`, or the control socket's client from afar."""

    async def perform(self, actor: Actor, command: Command[R]) -> R:
        """Do what `command` wishes on behalf of `actor`.

        Raises `NotAllowed`, and the `SessionError`s that the command's docstring names.
        """
        ...

    def follow(self, actor: Actor, session_id: str, after: int) -> AsyncGenerator[Feed, None]:
        """Events of a session numbered above `after`, stored ones first, then live ones; see `Bus.follow`.

        Close it (`aclosing`) to stop listening. Raises `NotAllowed` or `SessionNotFound` at the first step.
        """
        ...


AnyCommand = (
    CreateSession
    | GetOrCreateSession
    | FindSession
    | GetSession
    | QuerySessions
    | ReadTurns
    | ReadTurn
    | ReadAsk
    | SendMessage
    | RunCommand
    | EditQueued
    | WithdrawQueued
    | MoveToFront
    | SendNow
    | Continue
    | Regenerate
    | Interrupt
    | AnswerAsk
    | SetModel
    | SetMode
    | Rename
    | Park
    | Clear
    | Share
    | Branch
    | RewindFiles
    | HandOver
    | ExportSession
    | ImportSession
    | ListConversations
    | AdoptConversation
    | ClearAll
    | ReadStatistics
    | ReadAudit
    | PlanRetention
    | ApplyRetention
    | RestoreSession
    | ListProjects
)

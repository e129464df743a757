"""The nouns of a session: ids, closed vocabularies, and the values that are stored and sent as JSON.

Everything here is a frozen value. What may follow what is in `state.py`; how it is stored is in `rows/`.
Ids of users and channels are opaque strings that the face chooses (`discord:…`, `terminal:…`).
"""

import re
from enum import StrEnum
from typing import Any, NewType

import msgspec

SessionId = NewType("SessionId", str)
TurnId = NewType("TurnId", str)
AskId = NewType("AskId", str)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_session_id(text: str) -> bool:
    """Whether `text` has the form of a session id (a lower-case UUID), so that it may name a directory."""
    return _UUID.fullmatch(text) is not None


class Lifecycle(StrEnum):
    """Whether a session has a process. Limits count `starting`, `live` and `stopping`."""

    QUEUED = "queued"
    STARTING = "starting"
    LIVE = "live"
    PARKED = "parked"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"


class Standing(StrEnum):
    """The groups of states that people first ask for."""

    ACTIVE = "active"
    IDLE = "idle"
    STOPPED = "stopped"


class Activity(StrEnum):
    """What Claude does, while the session is live."""

    IDLE = "idle"
    WORKING = "working"
    ASKING = "asking"
    BLOCKED = "blocked"


class Blocker(StrEnum):
    """Why a live session is blocked."""

    AUTH = "auth"
    USAGE_LIMIT = "usage_limit"
    RETRYING = "retrying"
    NO_PROGRESS = "no_progress"


class Payer(StrEnum):
    """How a turn is paid for, as far as the CLI tells."""

    KEY = "key"
    """With an API key: its dollars are billed."""
    LOGIN = "login"
    """A subscription; or a gateway or cloud that bills by prices of its own. Dollars are list prices."""


class TurnKind(StrEnum):
    """Where a turn comes from: a prompt, one of Claude's own slash commands, nobody (background work), or a
    terminal that the session was handed over to.
    """

    PROMPT = "prompt"
    COMMAND = "command"
    BACKGROUND = "background"
    ELSEWHERE = "elsewhere"


class TurnStatus(StrEnum):
    """A turn's way: queued, sent to the CLI, running, then one of the ends.

    `cut` waits for somebody to say whether it goes on.
    """

    QUEUED = "queued"
    SENT = "sent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CUT = "cut"
    WITHDRAWN = "withdrawn"


class AskStatus(StrEnum):
    """What became of an ask."""

    OPEN = "open"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


TIMEOUT_ACTOR = "timeout"
"""Who answers an ask that nobody answered in time."""


class ShareLevel(StrEnum):
    """What a session is shared for; each includes the ones before it."""

    VIEW = "view"
    PROMPT = "prompt"
    APPROVE = "approve"


class Trust(StrEnum):
    """What of a project counts: nothing, its text, or everything; see `trust.py`."""

    CLOSED = "closed"
    INSTRUCTIONS = "instructions"
    TRUSTED = "trusted"


class RuleKind(StrEnum):
    """What a permission rule opens: the calls of a tool that it names, or a directory."""

    ALLOW = "allow"
    DIRECTORY = "directory"


class RuleScope(StrEnum):
    """Where a permission rule holds: in one session, or in the sessions of a project."""

    SESSION = "session"
    PROJECT = "project"


class ExportFormat(StrEnum):
    """JSON is lossless and can be imported; Markdown and HTML are for reading, with secrets redacted."""

    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class PermissionMode(StrEnum):
    """What Claude may do without asking. Source: Claude Code CLI reference, `--permission-mode`."""

    DEFAULT = "default"
    ACCEPT_EDITS = "acceptEdits"
    PLAN = "plan"
    DONT_ASK = "dontAsk"
    AUTO = "auto"
    BYPASS = "bypassPermissions"


class Value(msgspec.Struct, frozen=True):
    """Base of the values that are stored or sent as JSON."""


class McpServer(Value, frozen=True):
    """An MCP server of a session's Claude; `state` is the CLI's word: pending, connected, failed …"""

    name: str
    state: str


class Attachment(Value, frozen=True):
    """A file that came with a prompt: `path` relative to the work directory."""

    path: str
    name: str
    media_type: str
    size: int


class LeftProcess(Value, frozen=True):
    """A process that Claude's tools left running. `command` is the command that started it, perhaps cut."""

    pid: int
    command: str


class Schedule(Value, frozen=True):
    """Something that Claude has promised to do later, by a prompt to itself.

    `rhythm` says when in words, `cron` for programs; both may be empty. `next_ms` is None while `tool` has been
    asked for it by `call` and has not answered. A `durable` one is kept by Claude where it works: it fires in
    any process of the session, the others only in the one that they were made in.
    """

    id: str
    prompt: str
    rhythm: str = ""
    next_ms: int | None = None
    recurring: bool = False
    durable: bool = False
    made_ms: int = 0
    cron: str = ""
    tool: str = ""
    call: str = ""


class TokenUsage(Value, frozen=True):
    """Tokens of a turn."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


# --- blocks ---------------------------------------------------------------------------------------------


class Text(msgspec.Struct, frozen=True, tag="text"):
    """What Claude says."""

    text: str
    parent: str | None = None


class Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    """What Claude thinks aloud."""

    text: str
    parent: str | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A tool that Claude uses; its result follows as a `ToolOutput` with the same id."""

    tool_use_id: str
    name: str
    input: dict[str, Any]
    parent: str | None = None


class ToolOutput(msgspec.Struct, frozen=True, tag="tool_output"):
    """What a tool gave back; `paths` and `patch` where it changed files, `pictures` counts those in it."""

    tool_use_id: str
    text: str
    is_error: bool = False
    paths: tuple[str, ...] = ()
    patch: str = ""
    parent: str | None = None
    pictures: int = 0

    @property
    def shown(self) -> str:
        """What to show of it: the patch, else the text, else that it was pictures."""
        pictures = f"({self.pictures} picture{'s' if self.pictures > 1 else ''})" if self.pictures else ""
        return self.patch or self.text or pictures


class Note(msgspec.Struct, frozen=True, tag="note"):
    """Something that happened to the turn, in our words: interrupted, compacted, continued after a cut."""

    kind: str
    text: str


class Other(msgspec.Struct, frozen=True, tag="other"):
    """A block of a kind that we do not know, as it came."""

    kind: str
    body: dict[str, Any]


Block = Text | Thinking | ToolCall | ToolOutput | Note | Other


# --- asks -----------------------------------------------------------------------------------------------


class Suggestion(Value, frozen=True):
    """One thing that "always" could mean; `body` goes back to the CLI as it came, `words` is for people."""

    body: dict[str, Any]
    words: str


class PermissionBody(msgspec.Struct, frozen=True, tag="permission"):
    """May this tool run with this input?

    `place` is the file that it is about, as seen from the work directory. `is_outside` says that it, or the
    path that the CLI stopped at, lies elsewhere: `blocked_path` comes for whatever the mode does not allow.
    """

    tool_name: str
    tool_use_id: str
    input: dict[str, Any]
    description: str = ""
    reason: str = ""
    blocked_path: str = ""
    suggestions: tuple[Suggestion, ...] = ()
    place: str = ""
    is_outside: bool = False


class Choice(Value, frozen=True):
    """One of the answers that a question offers."""

    label: str
    description: str = ""


class Question(Value, frozen=True):
    """One question; with `multi_select` several choices may be taken."""

    text: str
    header: str
    choices: tuple[Choice, ...]
    multi_select: bool = False


class QuestionBody(msgspec.Struct, frozen=True, tag="question"):
    """Claude wants to know; every question takes a choice's label or free text."""

    tool_use_id: str
    questions: tuple[Question, ...]
    input: dict[str, Any]


class PlanBody(msgspec.Struct, frozen=True, tag="plan"):
    """Shall Claude go on with this plan?"""

    tool_use_id: str
    plan: str
    input: dict[str, Any]


AskBody = PermissionBody | QuestionBody | PlanBody


class Ask(Value, frozen=True):
    """A question that Claude waits on. `request_id` is the CLI's name for it on host `host`."""

    id: AskId
    turn_id: TurnId | None
    host: int
    request_id: str
    opened_ms: int
    body: AskBody


class Rule(Value, frozen=True):
    """A permission that somebody gave: Claude need not ask for what it covers.

    `value` is a rule in the CLI's spelling, such as `Bash(git commit *)` (Claude Code documentation, permission
    rules), or the absolute path of a directory.
    """

    kind: RuleKind
    value: str


class Allow(msgspec.Struct, frozen=True, tag="allow"):
    """Run it this once."""


class AllowSession(msgspec.Struct, frozen=True, tag="allow_session"):
    """Run it, and do not ask for the like again in this session."""


class AllowAlways(msgspec.Struct, frozen=True, tag="allow_always"):
    """Run it, and keep the CLI's suggestion number `suggestion` as a rule; see `permission_rules`."""

    suggestion: int = 0


class Deny(msgspec.Struct, frozen=True, tag="deny"):
    """Do not run it; Claude reads `note` and goes on."""

    note: str = ""


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The answers to a question, by question text."""

    answers: dict[str, str]


class ApprovePlan(msgspec.Struct, frozen=True, tag="approve_plan"):
    """Go on with the plan; with `accept_edits`, edits need no ask from here on."""

    accept_edits: bool = False


class RevisePlan(msgspec.Struct, frozen=True, tag="revise_plan"):
    """Not yet: Claude reads `note` and plans again."""

    note: str


Decision = Allow | AllowSession | AllowAlways | Deny | Answer | ApprovePlan | RevisePlan

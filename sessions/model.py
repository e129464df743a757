"""The nouns of a session: ids, closed vocabularies, and the values that are stored and sent as JSON.

Everything here is a frozen value. `state.py` has the legal moves between states, `rows/` the storage.
Ids of users and channels are opaque strings that the face chooses (`discord:…`, `terminal:…`).
"""

import re
from enum import StrEnum
from typing import Any

import msgspec

from sessions.asks import *
from sessions.forms import *
from sessions.ids import *

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_session_id(text: str) -> bool:
    """Whether `text` has the form of a session id (a lower-case UUID), so that it may name a directory."""
    # The last gate before an id becomes a part of a path: `..`, `/` and NUL cannot pass.
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
    """Three groups of states, as people see them first."""

    ACTIVE = "active"
    IDLE = "idle"
    STOPPED = "stopped"


class Activity(StrEnum):
    """Claude's activity while the session is live."""

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
    """The payer of a turn, as far as the CLI tells."""

    KEY = "key"
    """An API key pays: its dollars are billed."""
    LOGIN = "login"
    """A subscription, gateway or cloud pays, with prices of its own. Dollars are only list prices."""


class TurnKind(StrEnum):
    """The origin of a turn: a prompt, one of Claude's own slash commands, background work, or a terminal that
    the session was handed over to.
    """

    PROMPT = "prompt"
    COMMAND = "command"
    BACKGROUND = "background"
    ELSEWHERE = "elsewhere"


class TurnStatus(StrEnum):
    """The state of a turn: queued, sent to the CLI, running, then one of the ends.

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
    """The state of an ask."""

    OPEN = "open"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


TIMEOUT_ACTOR = "timeout"
"""The actor of the automatic answer to an ask that was not answered in time."""


class ShareLevel(StrEnum):
    """The rights that a share gives; each level includes the ones before it."""

    VIEW = "view"
    PROMPT = "prompt"
    APPROVE = "approve"


class TitleSource(StrEnum):
    """The origin of a session's title. Claude's title replaces one made of a prompt, never a person's."""

    PROMPT = "prompt"
    CLAUDE = "claude"
    PERSON = "person"


class Trust(StrEnum):
    """How much of a project reaches Claude: nothing, its text, or everything; see `trust.py`."""

    CLOSED = "closed"
    INSTRUCTIONS = "instructions"
    TRUSTED = "trusted"


class SiteState(StrEnum):
    """The decision on a host of the internet that a sandbox wanted; `wanted` means that there is none yet."""

    WANTED = "wanted"
    ALLOWED = "allowed"
    REFUSED = "refused"


class RuleKind(StrEnum):
    """The kind of a permission rule: it allows certain calls of a tool, or a directory."""

    ALLOW = "allow"
    DIRECTORY = "directory"


class RuleScope(StrEnum):
    """The scope of a permission rule: one session, or the sessions of a project."""

    SESSION = "session"
    PROJECT = "project"


class ExportFormat(StrEnum):
    """JSON is lossless and can be imported; the others are for reading, with secrets redacted."""

    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"


class PermissionMode(StrEnum):
    """Actions that Claude may take without asking. Source: Claude Code CLI reference, `--permission-mode`."""

    DEFAULT = "default"
    ACCEPT_EDITS = "acceptEdits"
    PLAN = "plan"
    DONT_ASK = "dontAsk"
    AUTO = "auto"
    BYPASS = "bypassPermissions"


class TimeLeft(Value, frozen=True):
    """An estimate: between so many seconds, taken from the durations of `from_steps` steps of the same list."""

    least_s: int
    most_s: int
    from_steps: int


class Progress(Value, frozen=True):
    """Steps of a session: how many there are, how many are done, and the one that Claude works on.

    They are Claude's own list or, in a work-flow, its phases; `stage` is the phase's name then. `step_ms` has
    the durations of the last done steps, `since_ms` is when the current one began. `left` is None if there is
    no basis for an estimate.
    """

    total: int = 0
    done: int = 0
    current: str = ""
    stage: str = ""
    step_ms: tuple[int, ...] = ()
    since_ms: int = 0
    left: TimeLeft | None = None


class McpServer(Value, frozen=True):
    """An MCP server of a session's Claude; `state` is the CLI's word: pending, connected, failed …

    `cause` says why it failed, once that is known.
    """

    name: str
    state: str
    cause: str = ""

    @property
    def is_unexplained(self) -> bool:
        """Whether it failed and nobody has been told why."""
        return self.state == SERVER_FAILED and not self.cause


SERVER_FAILED = "failed"
"""The CLI's word for an MCP server that it could not start."""


class Attachment(Value, frozen=True):
    """A file that came with a prompt. `path` is for Claude and people; see `uploads.path_of`."""

    path: str
    name: str
    media_type: str
    size: int


class LeftProcess(Value, frozen=True):
    """A process that Claude's tools left running. `command` is the command that started it, perhaps cut."""

    pid: int
    command: str


class Schedule(Value, frozen=True):
    """A prompt that Claude has scheduled for itself.

    `rhythm` tells people when it fires, `cron` tells programs; both may be empty. `next_ms` is None until
    `tool` has answered `call`, which asked for the schedule. Claude keeps a `durable` one in its directory, and
    it fires in any process of the session. Others fire only in the process that made them.
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


class GrowingKind(StrEnum):
    """The kinds of blocks whose text people see while Claude writes it."""

    TEXT = "text"
    THINKING = "thinking"


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Text that Claude writes."""

    text: str
    # The call that began the subagent which wrote the block; None in the main thread.
    parent: str | None = None


class Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    """Claude's visible thinking."""

    text: str
    parent: str | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A tool that Claude uses; its result follows as a `ToolOutput` with the same id."""

    tool_use_id: str
    name: str
    input: dict[str, Any]
    parent: str | None = None


class ToolOutput(msgspec.Struct, frozen=True, tag="tool_output"):
    """A tool's result. `paths` and `patch` are set if it changed files; `pictures` counts its pictures."""

    tool_use_id: str
    text: str
    is_error: bool = False
    paths: tuple[str, ...] = ()
    patch: str = ""
    parent: str | None = None
    pictures: int = 0

    @property
    def shown(self) -> str:
        """The text to show: the patch, else the text, else the number of pictures in words."""
        pictures = f"({self.pictures} picture{'s' if self.pictures > 1 else ''})" if self.pictures else ""
        return self.patch or self.text or pictures


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A note of ours on the turn: interrupted, compacted, continued after a cut."""

    kind: str
    text: str


class Other(msgspec.Struct, frozen=True, tag="other"):
    """A block of an unknown kind, kept as the CLI sent it."""

    kind: str
    body: dict[str, Any]


Block = Text | Thinking | ToolCall | ToolOutput | Note | Other


class Rule(Value, frozen=True):
    """A permission that somebody gave: Claude need not ask for what it covers.

    `value` is a rule in the CLI's spelling, such as `Bash(git commit *)` (Claude Code documentation, permission
    rules), or the absolute path of a directory.
    """

    kind: RuleKind
    value: str

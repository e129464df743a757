"""What one line of the CLI's output means: a union of frozen types, one per kind.

Only `sessions.claude` knows the wire names behind these. `parse.py` makes them, `sessions` matches on them.
Unknown kinds become `Unrecognized` and are kept. Source: Claude Code CLI reference, `--output-format
stream-json`, and the lines recorded in `tests/sessions/claude/samples`.

`parent` fields carry the tool-use id of the subagent that a line belongs to, or None for the main thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sessions.claude.control_lines import ELICITATION as ELICITATION
from sessions.claude.control_lines import AnswerEchoed as AnswerEchoed
from sessions.claude.control_lines import AskCancelled as AskCancelled
from sessions.claude.control_lines import AskLine as AskLine
from sessions.claude.control_lines import ControlFailed as ControlFailed
from sessions.claude.control_lines import ControlRequested as ControlRequested
from sessions.claude.control_lines import ControlSucceeded as ControlSucceeded
from sessions.claude.control_lines import PermissionAsked as PermissionAsked
from sessions.claude.control_lines import PermissionSuggestion as PermissionSuggestion
from sessions.claude.control_lines import PlanAsked as PlanAsked
from sessions.claude.control_lines import Question as Question
from sessions.claude.control_lines import QuestionAsked as QuestionAsked
from sessions.claude.control_lines import QuestionOption as QuestionOption
from sessions.claude.stream_lines import BlockDelta as BlockDelta
from sessions.claude.stream_lines import BlockStarted as BlockStarted
from sessions.claude.stream_lines import BlockStopped as BlockStopped
from sessions.claude.stream_lines import MessageStarted as MessageStarted
from sessions.claude.stream_lines import MessageStopped as MessageStopped
from sessions.claude.stream_lines import MessageUsage as MessageUsage
from sessions.claude.stream_lines import Usage as Usage


class CliState(StrEnum):
    """What `session_state_changed` says."""

    RUNNING = "running"
    REQUIRES_ACTION = "requires_action"
    IDLE = "idle"


# --- blocks of an assistant message ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextBlock:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingBlock:
    """`text` is empty for redacted thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUseBlock:
    tool_use_id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OtherBlock:
    """A content block of a kind that we do not know, kept as it came."""

    kind: str
    body: Mapping[str, Any]


ContentBlock = TextBlock | ThinkingBlock | ToolUseBlock | OtherBlock


SERVER_FAILED = "failed"
"""The CLI's word for an MCP server that it could not start."""

# --- lines ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Initialized:
    """`system/init`, repeated at every turn. `api_key_source` is `none` when no API key pays: a login does.

    `servers`: the MCP servers, each with its state in the CLI's word (pending, connected, failed …).
    """

    conversation_id: str
    cwd: str
    model: str
    permission_mode: str
    tools: tuple[str, ...]
    slash_commands: tuple[str, ...]
    cli_version: str
    capabilities: tuple[str, ...]
    api_key_source: str = ""
    servers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: CliState


@dataclass(frozen=True, slots=True)
class PromptLifecycle:
    """`command_lifecycle` of a user message that we sent: queued, started, completed or cancelled."""

    prompt_uuid: str
    state: str


@dataclass(frozen=True, slots=True)
class ScheduleFired:
    """Claude begins a turn that it had scheduled. `is_wakeup`: by `ScheduleWakeup`, else by `CronCreate`."""

    is_wakeup: bool


@dataclass(frozen=True, slots=True)
class PromptEchoed:
    """The CLI has taken a user message (`isReplay`) into the conversation `conversation_id`."""

    prompt_uuid: str
    conversation_id: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A user line that we did not send: the CLI's own (compaction summary, continuation, interruption)."""

    uuid: str
    text: str
    synthetic: bool
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """`system/status`: requesting, compacting or None; a changed permission mode comes this way too.

    `compact_result` is success or failed, `compact_error` why it failed.
    """

    status: str | None
    permission_mode: str | None = None
    compact_result: str | None = None
    compact_error: str = ""


@dataclass(frozen=True, slots=True)
class AssistantBlocks:
    """A complete block (always one in practice) of an API message; final, unlike the stream before it.

    `aborted`: an interrupt cut it; what is here is kept.
    """

    uuid: str
    message_id: str
    model: str
    blocks: tuple[ContentBlock, ...]
    parent: str | None = None
    prompt_uuid: str | None = None
    synthetic: bool = False
    error: str | None = None
    api_error_status: int | None = None
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """One tool's result. `text` is what Claude reads, flattened; `detail` the CLI's structured form."""

    uuid: str
    tool_use_id: str
    text: str
    is_error: bool
    detail: Mapping[str, Any] | None = None
    images: int = 0
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResults:
    """A user line that carries tool results."""

    results: tuple[ToolResult, ...]


@dataclass(frozen=True, slots=True)
class ToolProgress:
    tool_use_id: str
    tool_name: str
    elapsed_s: float
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class ThinkingTokens:
    estimated_tokens: int


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """A task (subagent, background shell): `phase` is started, progress, updated or notification.

    `task_id` of a subagent is the `agent_id` of its asks; `tool_use_id` is the `parent` of its lines.
    `summary` comes with the notification.
    """

    task_id: str
    phase: str
    status: str
    description: str
    tool_use_id: str | None = None
    summary: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class BackgroundTasks:
    """The background tasks that exist now, by id."""

    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TurnResult:
    """`result`. `is_error` tells failure, not `subtype`. `cost_usd` is cumulative for the process.

    `prompt_uuids` is empty for a turn that nobody asked for; `origin` then says what began it
    (`task-notification`). `errors` is prose of `error_*` subtypes. `local_command` names the slash command
    that the CLI did by itself, with no API call. `cost_usd` starts from zero again after `/clear`.
    """

    uuid: str
    subtype: str
    is_error: bool
    text: str
    terminal_reason: str
    cost_usd: float
    duration_ms: int
    num_turns: int
    usage: Usage
    prompt_uuids: tuple[str, ...]
    api_error_status: int | None = None
    errors: tuple[str, ...] = ()
    context_window: int | None = None
    first_token_ms: int | None = None
    conversation_id: str = ""
    origin: str = ""
    local_command: str = ""


@dataclass(frozen=True, slots=True)
class ApiRetry:
    """The API call failed and is tried again after `delay_ms`; partial text is void if a new message starts."""

    attempt: int
    max_retries: int
    delay_ms: int
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class ModelFellBack:
    original_model: str
    fallback_model: str
    text: str


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Usage limit of a subscription. `resets_ms` is Unix milliseconds; `uses_extra`: extra usage is spent."""

    status: str
    kind: str
    resets_ms: int | None
    utilization: float | None
    uses_extra: bool = False


@dataclass(frozen=True, slots=True)
class Compacted:
    trigger: str
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class ConversationReset:
    """`/clear`: a new conversation begins; `Initialized`, `PromptEchoed`, `TurnResult` then carry its id.

    `reset_id` is the id of this line only: the CLI calls it the new conversation's, and writes to another.
    """

    reset_id: str
    trigger: str


@dataclass(frozen=True, slots=True)
class TitleChanged:
    title: str


@dataclass(frozen=True, slots=True)
class HookMoved:
    """A hook for `event` (SessionStart, say) begins, or is over."""

    hook_id: str
    event: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class SystemNotice:
    """A `system` line of a known shape that changes nothing by itself (hook output, permission_denied …)."""

    subtype: str
    text: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A line that is known and says nothing to us (keep_alive …)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Unrecognized:
    """A line of an unknown kind, or one that is not JSON at all; `raw` keeps at most the first 64 KiB.

    `is_torn`: it is no JSON. `recovered` are the lines that stand whole behind the piece of a torn one, in
    order: each counts as a line.
    """

    raw: bytes = field(repr=False)
    reason: str
    is_torn: bool = False
    recovered: tuple["CliLine", ...] = ()


CliLine = (
    Initialized
    | StateChanged
    | PromptLifecycle
    | PromptEchoed
    | UserMessage
    | StatusChanged
    | MessageStarted
    | BlockStarted
    | BlockDelta
    | BlockStopped
    | MessageUsage
    | MessageStopped
    | AssistantBlocks
    | ToolResults
    | ToolProgress
    | ThinkingTokens
    | TaskChanged
    | BackgroundTasks
    | ScheduleFired
    | TurnResult
    | ApiRetry
    | ModelFellBack
    | RateLimit
    | Compacted
    | ConversationReset
    | TitleChanged
    | PermissionAsked
    | QuestionAsked
    | PlanAsked
    | AskCancelled
    | AnswerEchoed
    | ControlRequested
    | ControlSucceeded
    | ControlFailed
    | HookMoved
    | SystemNotice
    | Ignored
    | Unrecognized
)

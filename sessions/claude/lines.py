"""What one line of the CLI's output means: a union of frozen types, one per kind.

Only `sessions.claude` knows the wire names behind these. `parse.py` makes them, `sessions` matches on them.
Unknown kinds become `Unrecognized` and are kept. Source: Claude Code CLI reference, `--output-format
stream-json`, and the lines recorded in `tests/sessions/claude/samples`.

`parent` fields carry the tool-use id of the subagent that a line belongs to, or None for the main thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import msgspec


class CliState(StrEnum):
    """What `session_state_changed` says."""

    RUNNING = "running"
    REQUIRES_ACTION = "requires_action"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one API message or of a whole turn."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


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


ELICITATION = "elicitation"
"""Subtype of the request by which an MCP server asks the person for input."""
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
class MessageStarted:
    """A new API message streams. All partial text of this `parent` shown before is void.

    `prompt_uuid`: the prompt that it answers; the first message of a turn says it.
    """

    message_id: str
    model: str
    parent: str | None = None
    prompt_uuid: str | None = None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """`kind` is text, thinking, tool_use or whatever comes; `tool_name` and `tool_use_id` for tool_use."""

    index: int
    kind: str
    tool_name: str = ""
    tool_use_id: str = ""
    parent: str | None = None


class BlockDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the block at `index`. `kind`: text, thinking, input_json; signatures come as `other`."""

    # Nearly all lines are these, and a frozen dataclass takes ten times as long to make.

    index: int
    kind: Literal["text", "thinking", "input_json", "other"]
    text: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class BlockStopped:
    index: int
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """`message_delta`: the message's final stop reason and usage (count it once per message id)."""

    message_id: str
    stop_reason: str | None
    usage: Usage
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class MessageStopped:
    """`abandoned_from`: the blocks from this index on will never be complete (connection lost, interrupted)."""

    parent: str | None = None
    abandoned_from: int | None = None


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
class PermissionSuggestion:
    """One thing that "always" could mean; `body` goes back unchanged in `updatedPermissions`."""

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """`can_use_tool` for an ordinary tool: Claude waits until it is answered, with no time limit.

    `agent_id` is set when a subagent asks.
    """

    request_id: str
    tool_use_id: str
    tool_name: str
    input: Mapping[str, Any]
    description: str = ""
    reason: str = ""
    blocked_path: str = ""
    suggestions: tuple[PermissionSuggestion, ...] = ()
    parent: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True)
class QuestionOption:
    label: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    header: str
    options: tuple[QuestionOption, ...]
    multi_select: bool = False


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """AskUserQuestion. `input` goes back with the answers added."""

    request_id: str
    tool_use_id: str
    questions: tuple[Question, ...]
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlanAsked:
    """ExitPlanMode. `plan` may be empty when no plan file was written."""

    request_id: str
    tool_use_id: str
    plan: str
    input: Mapping[str, Any]


AskLine = PermissionAsked | QuestionAsked | PlanAsked


@dataclass(frozen=True, slots=True)
class AskCancelled:
    """The CLI no longer waits for the answer to `request_id`."""

    request_id: str


@dataclass(frozen=True, slots=True)
class AnswerEchoed:
    """Our own control response, echoed: the ask `request_id` was answered by somebody on stdin.

    `behavior` is allow or deny, `message` the reason of a denial.
    """

    request_id: str
    behavior: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ControlRequested:
    """A control request of the CLI that is no ask (hook_callback, mcp_message …); `body` as it came."""

    request_id: str
    subtype: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ControlSucceeded:
    """The answer to a control request of ours. `pending_asks` only for `initialize`."""

    request_id: str
    response: Mapping[str, Any]
    pending_asks: tuple[AskLine, ...] = ()


@dataclass(frozen=True, slots=True)
class ControlFailed:
    request_id: str
    error: str
    error_code: str = ""


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

"""The meaning of one line of the CLI's output: a union of frozen types, one per kind.

Only `sessions.claude` knows the wire names behind them. `parse.py` makes them, and `sessions` matches on them.
Unknown kinds become `Unrecognized` and are kept. Source: Claude Code CLI reference, `--output-format
stream-json`, and the lines recorded in `tests/sessions/claude/samples`.

`parent` fields carry the tool-use id of the subagent that a line belongs to, or None for the main thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from sessions.claude.control_lines import *
from sessions.claude.stream_lines import *


class CliState(StrEnum):
    """The CLI's state, as `session_state_changed` reports it."""

    RUNNING = "running"
    REQUIRES_ACTION = "requires_action"
    IDLE = "idle"


# --- blocks of an assistant message ---------------------------------------------------------------------


class TextBlock(msgspec.Struct, frozen=True):
    text: str


class ThinkingBlock(msgspec.Struct, frozen=True):
    """`text` is empty for redacted thinking."""

    text: str


class ToolUseBlock(msgspec.Struct, frozen=True):
    tool_use_id: str
    name: str
    input: Mapping[str, Any]


class OtherBlock(msgspec.Struct, frozen=True):
    """A content block of an unknown kind, kept unchanged."""

    kind: str
    body: Mapping[str, Any]


ContentBlock = TextBlock | ThinkingBlock | ToolUseBlock | OtherBlock


# --- lines ----------------------------------------------------------------------------------------------


class Initialized(msgspec.Struct, frozen=True):
    """`system/init`, repeated at every turn. `api_key_source` is `none` if a login pays instead of an API key.

    `servers`: the MCP servers, each with the CLI's name for its state (pending, connected, failed …).
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


class StateChanged(msgspec.Struct, frozen=True):
    state: CliState


class PromptLifecycle(msgspec.Struct, frozen=True):
    """`command_lifecycle` of a user message that we sent: queued, started, completed or cancelled."""

    prompt_uuid: str
    state: str


class ScheduleFired(msgspec.Struct, frozen=True):
    """Claude begins a scheduled turn: one of `ScheduleWakeup` if `is_wakeup`, else one of `CronCreate`."""

    is_wakeup: bool


class PromptEchoed(msgspec.Struct, frozen=True):
    """The CLI has taken a user message (`isReplay`) into the conversation `conversation_id`."""

    prompt_uuid: str
    conversation_id: str = ""
    text: str = ""


class UserMessage(msgspec.Struct, frozen=True):
    """A user line of the CLI itself, not of ours: a compaction summary, continuation or interruption."""

    uuid: str
    text: str
    synthetic: bool
    parent: str | None = None


class StatusChanged(msgspec.Struct, frozen=True):
    """`system/status`: requesting, compacting or None. It also reports a changed permission mode.

    `compact_result` is success or failed, `compact_error` the cause of a failure.
    """

    status: str | None
    permission_mode: str | None = None
    compact_result: str | None = None
    compact_error: str = ""


class AssistantBlocks(msgspec.Struct, frozen=True):
    """A complete block (always one in practice) of an API message. It is final, unlike the stream before it.

    `aborted`: an interrupt cut the block; the part in this line is kept.
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


MOST_PICTURES = 4
"""Pictures that are taken from one tool's result."""


class ToolResult(msgspec.Struct, frozen=True):
    """One tool's result. `text` is Claude's version, as one text; `detail` is the CLI's structured form.

    `images` counts its pictures; `pictures` are the first of them, in Base64.
    """

    uuid: str
    tool_use_id: str
    text: str
    is_error: bool
    detail: Mapping[str, Any] | None = None
    images: int = 0
    parent: str | None = None
    pictures: tuple[str, ...] = ()


class ToolResults(msgspec.Struct, frozen=True):
    """A user line that carries tool results."""

    results: tuple[ToolResult, ...]


class ToolProgress(msgspec.Struct, frozen=True):
    tool_use_id: str
    tool_name: str
    elapsed_s: float
    parent: str | None = None


class ThinkingTokens(msgspec.Struct, frozen=True):
    estimated_tokens: int


class TaskChanged(msgspec.Struct, frozen=True):
    """News of a task (subagent, background shell). `phase` is started, progress, updated or notification.

    The `task_id` of a subagent is the `agent_id` of its asks; its `tool_use_id` is the `parent` of its lines.
    `summary` comes with the notification.
    """

    task_id: str
    phase: str
    status: str
    description: str
    tool_use_id: str | None = None
    summary: str = ""
    kind: str = ""


class BackgroundTasks(msgspec.Struct, frozen=True):
    """The background tasks that exist now, by id."""

    task_ids: tuple[str, ...]


class TurnResult(msgspec.Struct, frozen=True):
    """`result`. A failure shows in `is_error`, not in `subtype`.

    `cost_usd` is cumulative for the process; after `/clear` it starts from zero again. `prompt_uuids` is empty
    for a turn without a prompt; `origin` then names its cause (`task-notification`). `errors` is the text of
    `error_*` subtypes. `local_command` names a slash command that the CLI did by itself, without an API call.
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


class ApiRetry(msgspec.Struct, frozen=True):
    """The API call failed, and the CLI retries it after `delay_ms`. If a new message starts, partial text is
    void.
    """

    attempt: int
    max_retries: int
    delay_ms: int
    status: int | None
    error: str


class ModelFellBack(msgspec.Struct, frozen=True):
    original_model: str
    fallback_model: str
    text: str


class RateLimit(msgspec.Struct, frozen=True):
    """A subscription's usage limit. `resets_ms` is in Unix milliseconds. `uses_extra`: extra usage is spent.

    `windows`: for each known limit its kind, its used part and its `resets_ms`.
    """

    status: str
    kind: str
    resets_ms: int | None
    utilization: float | None
    uses_extra: bool = False
    windows: tuple[tuple[str, float, int | None], ...] = ()


class Compacted(msgspec.Struct, frozen=True):
    trigger: str
    tokens_before: int
    tokens_after: int


class ConversationReset(msgspec.Struct, frozen=True):
    """`/clear`: a new conversation begins. `Initialized`, `PromptEchoed` and `TurnResult` then carry its id.

    `reset_id` occurs only in this line. The CLI calls it the new conversation's id, but writes to another one.
    """

    reset_id: str
    trigger: str


class TitleChanged(msgspec.Struct, frozen=True):
    title: str


class HookMoved(msgspec.Struct, frozen=True):
    """A hook for `event` (such as SessionStart) has begun, or has ended (`is_over`)."""

    hook_id: str
    event: str
    is_over: bool


class SystemNotice(msgspec.Struct, frozen=True):
    """A `system` line of a known kind (hook output, permission_denied …). `is_shown`: meant for the person."""

    subtype: str
    text: str
    is_shown: bool = False
    stops: bool = False


class Ignored(msgspec.Struct, frozen=True):
    """A line of a known kind without use for us (keep_alive …)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Unrecognized:
    """A line of an unknown kind, or one that is not JSON at all. `raw` keeps at most the first 64 KiB.

    `is_torn`: the line is not JSON. `recovered` are the complete lines behind the torn piece, in order. Each
    counts as a line of its own.
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
    | AskLine
    | AskCancelled
    | AnswerEchoed
    | ControlRequested
    | ToolServerLine
    | ControlSucceeded
    | ControlFailed
    | HookMoved
    | SystemNotice
    | Ignored
    | Unrecognized
)

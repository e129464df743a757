"""The recorded samples of lines, by their kind."""

import json
from collections.abc import Iterator

from sessions.claude.lines import (
    AnswerEchoed,
    ApiRetry,
    AskCancelled,
    AssistantBlocks,
    BackgroundTasks,
    BlockDelta,
    BlockStarted,
    BlockStopped,
    Compacted,
    ControlFailed,
    ControlRequested,
    ControlSucceeded,
    ConversationReset,
    HookMoved,
    Ignored,
    Initialized,
    MessageStarted,
    MessageStopped,
    MessageUsage,
    ModelFellBack,
    PermissionAsked,
    PlanAsked,
    PromptEchoed,
    PromptLifecycle,
    QuestionAsked,
    RateLimit,
    StateChanged,
    StatusChanged,
    SystemNotice,
    TaskChanged,
    ThinkingTokens,
    TitleChanged,
    ToolProgress,
    ToolResults,
    TurnResult,
    UserMessage,
)
from tests.sessions.claude.record_samples import SAMPLES, kind_of

# Every kind of `facts`, and what it must become. `record_samples` says how a line's kind is named.
KINDS: dict[str, type] = {
    "assistant/redacted_thinking": AssistantBlocks,
    "assistant/server_tool_use": AssistantBlocks,
    "assistant/synthetic": AssistantBlocks,
    "assistant/text": AssistantBlocks,
    "assistant/thinking": AssistantBlocks,
    "assistant/tool_use": AssistantBlocks,
    "command_lifecycle/cancelled": PromptLifecycle,
    "command_lifecycle/completed": PromptLifecycle,
    "command_lifecycle/queued": PromptLifecycle,
    "command_lifecycle/started": PromptLifecycle,
    "control_cancel_request": AskCancelled,
    "control_request/can_use_tool": PermissionAsked,
    "control_request/can_use_tool/AskUserQuestion": QuestionAsked,
    "control_request/can_use_tool/ExitPlanMode": PlanAsked,
    "control_request/hook_callback": ControlRequested,
    "control_request/mcp_message": ControlRequested,
    "control_response/echo/allow": AnswerEchoed,
    "control_response/echo/deny": AnswerEchoed,
    "control_response/echo/tool": AnswerEchoed,
    "control_response/error": ControlFailed,
    "control_response/initialize": ControlSucceeded,
    "control_response/success": ControlSucceeded,
    "conversation_reset": ConversationReset,
    "keep_alive": Ignored,
    "rate_limit_event": RateLimit,
    "result/error_during_execution": TurnResult,
    "result/error_max_turns": TurnResult,
    "result/success": TurnResult,
    "stream_event/content_block_start": BlockStarted,
    "stream_event/content_block_stop": BlockStopped,
    "stream_event/input_json_delta": BlockDelta,
    "stream_event/message_delta": MessageUsage,
    "stream_event/message_start": MessageStarted,
    "stream_event/message_stop": MessageStopped,
    "stream_event/signature_delta": BlockDelta,
    "stream_event/text_delta": BlockDelta,
    "stream_event/thinking_delta": BlockDelta,
    "system/api_retry": ApiRetry,
    "system/background_tasks_changed": BackgroundTasks,
    "system/compact_boundary": Compacted,
    "system/hook_response": HookMoved,
    "system/hook_started": HookMoved,
    "system/init": Initialized,
    "system/model_fallback": ModelFellBack,
    "system/permission_denied": SystemNotice,
    "system/session_state_changed": StateChanged,
    "system/session_title_changed": TitleChanged,
    "system/session_writes_lost": SystemNotice,
    "system/status": StatusChanged,
    "system/task_notification": TaskChanged,
    "system/task_progress": TaskChanged,
    "system/task_started": TaskChanged,
    "system/task_updated": TaskChanged,
    "system/thinking_tokens": ThinkingTokens,
    "tool_progress": ToolProgress,
    "user": UserMessage,
    "user/replay": PromptEchoed,
    "user/tool_result": ToolResults,
}


def sample_lines() -> Iterator[bytes]:
    for path in sorted(SAMPLES.rglob("*.ndjson")):
        yield from path.read_bytes().split(b"\n")[:-1]


LINES = list(sample_lines())
BY_KIND: dict[str, list[bytes]] = {}
for _line in LINES:
    BY_KIND.setdefault(kind_of(json.loads(_line)), []).append(_line)

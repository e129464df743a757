"""Parse `system` lines: one `type`, many subtypes.

Called by `parse`. Returns None for an unknown subtype.
"""

import re
from collections.abc import Callable, Mapping

from sessions.claude.lines import (
    ApiRetry,
    BackgroundTasks,
    CliLine,
    CliState,
    Compacted,
    HookMoved,
    Initialized,
    ModelFellBack,
    StateChanged,
    StatusChanged,
    SystemNotice,
    TaskChanged,
    ThinkingTokens,
    TitleChanged,
)
from sessions.claude.wire import (
    Json,
    flag_of,
    int_of,
    maybe_int,
    maybe_text,
    object_of,
    objects_of,
    text_of,
    texts_of,
)

# Known subtypes that are kept as text and have no effect on the state.
_NOTICES = frozenset(
    {
        "away_summary",
        "commands_changed",
        "control_request_progress",
        "elicitation_complete",
        "file_attachments_missing",
        "files_persisted",
        "hook_progress",
        "hook_response",
        "hook_started",
        "inherited_asks_settled",
        "instruction_size_warning",
        "late_allow_not_run",
        "local_command",
        "local_command_output",
        "memory_recall",
        "memory_saved",
        "mirror_error",
        "notification",
        "permission_check_status",
        "permission_denied",
        "permission_retry",
        "plugin_install",
        "post_turn_summary",
        "scheduled_task_fire",
        "session_metadata",
        "session_writes_lost",
        "shell_cwd",
        "stop_hook_summary",
        "task_summary",
        "turn_duration",
        "turn_preempted",
        "turn_starting",
        "vcs_state_changed",
        "worker_shutting_down",
    }
)
# What stands before the words of a hook; its path is nobody's business.
_FROM_HOOK = re.compile(
    r"\A(?:\w{1,40} operation blocked by hook:|Operation stopped by hook:)?\s*(?:\[[^\]\n]{1,400}\]:)?\s*"
)
_STATES = {state.value: state for state in CliState}
_NOTICE_TEXTS = (
    "content",
    "message",
    "text",
    "error",
    "output",
    "summary",
    "decision_reason",
    "tool_name",
    "hook_name",
)


def system(body: Json) -> CliLine | None:
    subtype = text_of(body, "subtype")
    reader = _READERS.get(subtype)
    if reader is not None:
        return reader(body)
    if subtype == "informational":
        return _informational(body)
    if subtype in _NOTICES:
        texts = (text_of(body, key) for key in _NOTICE_TEXTS)
        return SystemNotice(subtype, next((text for text in texts if text), ""))
    return None


def _informational(body: Json) -> CliLine:
    """Return what a hook says to the person, or why one stopped the turn, in its own words."""
    # The CLI appends the whole prompt, which people wrote themselves.
    text = text_of(body, "content").partition("\n\nOriginal prompt:")[0]
    said = _FROM_HOOK.sub("", text).strip()
    is_shown = text_of(body, "level") in ("notice", "suggestion", "warning")
    return SystemNotice("informational", said, is_shown, flag_of(body, "prevent_continuation"))


def _init(body: Json) -> CliLine:
    return Initialized(
        conversation_id=text_of(body, "session_id"),
        cwd=text_of(body, "cwd"),
        model=text_of(body, "model"),
        permission_mode=text_of(body, "permissionMode"),
        tools=texts_of(body, "tools"),
        slash_commands=texts_of(body, "slash_commands"),
        cli_version=text_of(body, "claude_code_version"),
        capabilities=texts_of(body, "capabilities"),
        api_key_source=text_of(body, "apiKeySource"),
        servers=tuple(
            (text_of(server, "name"), text_of(server, "status"))
            for server in objects_of(body, "mcp_servers")
            if text_of(server, "source") != "sdk"  # our own, `tool_server.py`
        ),
    )


def _state(body: Json) -> CliLine | None:
    state = _STATES.get(text_of(body, "state"))
    # A new state is kept as unrecognized: guessing idle would send a prompt into a running turn.
    return None if state is None else StateChanged(state)


def _status(body: Json) -> CliLine:
    return StatusChanged(
        status=maybe_text(body, "status"),
        permission_mode=maybe_text(body, "permissionMode"),
        compact_result=maybe_text(body, "compact_result"),
        compact_error=text_of(body, "compact_error"),
    )


def _thinking(body: Json) -> CliLine:
    return ThinkingTokens(int_of(body, "estimated_tokens"))


def _task(body: Json) -> CliLine:
    patch = object_of(body, "patch")
    return TaskChanged(
        task_id=text_of(body, "task_id"),
        phase=text_of(body, "subtype").removeprefix("task_"),
        status=text_of(body, "status") or text_of(patch, "status"),
        description=text_of(body, "description") or text_of(patch, "description"),
        tool_use_id=maybe_text(body, "tool_use_id"),
        summary=text_of(body, "summary"),
        kind=text_of(body, "task_type"),
    )


def _background(body: Json) -> CliLine:
    return BackgroundTasks(tuple(text_of(task, "task_id") for task in objects_of(body, "tasks")))


def _retry(body: Json) -> CliLine:
    return ApiRetry(
        attempt=int_of(body, "attempt"),
        max_retries=int_of(body, "max_retries"),
        delay_ms=int_of(body, "retry_delay_ms"),
        status=maybe_int(body, "error_status"),
        error=text_of(body, "error"),
    )


def _fallback(body: Json) -> CliLine:
    return ModelFellBack(
        text_of(body, "original_model"), text_of(body, "fallback_model"), text_of(body, "content")
    )


def _compacted(body: Json) -> CliLine:
    facts = object_of(body, "compact_metadata")
    return Compacted(text_of(facts, "trigger"), int_of(facts, "pre_tokens"), int_of(facts, "post_tokens"))


def _title(body: Json) -> CliLine:
    return TitleChanged(text_of(body, "title"))


def _hook(body: Json) -> CliLine:
    over = text_of(body, "subtype") == "hook_response"
    return HookMoved(text_of(body, "hook_id"), text_of(body, "hook_event"), over)


_READERS: Mapping[str, Callable[[Json], CliLine | None]] = {
    "init": _init,
    "session_state_changed": _state,
    "status": _status,
    "thinking_tokens": _thinking,
    "task_started": _task,
    "task_progress": _task,
    "task_updated": _task,
    "task_notification": _task,
    "background_tasks_changed": _background,
    "hook_started": _hook,
    "hook_response": _hook,
    "api_retry": _retry,
    "model_fallback": _fallback,
    "model_refusal_fallback": _fallback,
    "model_consent_fallback": _fallback,
    "compact_boundary": _compacted,
    "session_title_changed": _title,
}

"""Parse one line of the CLI's output into one `CliLine`.

Pure and total: any bytes give a result, and no error is raised. A line of an unknown kind is kept as
`Unrecognized`. An unknown field is ignored; a field that is missing or of a wrong type counts as empty.
Nearly all lines are deltas of a streamed block, so deltas have a decoder of their own.

Format: Claude Code CLI reference, `--output-format stream-json`, and `tests/sessions/claude/samples`.
"""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from sessions.claude import parse_control, parse_message, parse_system
from sessions.claude.lines import (
    BlockDelta,
    CliLine,
    ConversationReset,
    Ignored,
    PromptLifecycle,
    ScheduleFired,
    ToolProgress,
    Unrecognized,
)
from sessions.claude.parse_limit import rate_limit
from sessions.claude.torn import whole_objects
from sessions.claude.wire import (
    Json,
    decode,
    flag_of,
    float_of,
    maybe_text,
    object_of,
    text_of,
)

MAX_RAW_BYTES = 64 * 1024
# Every line of the CLI has one of these fields beside its type. A nested object can have a type, too.
_STAMPS = frozenset({"session_id", "request_id", "response"})

# The CLI prints deltas with their keys in this order. In another order they are still read, only slower.
_DELTA_START = b'{"type":"stream_event","event":{"type":"content_block_delta",'


# Only strings and numbers, and short-lived: without `gc=False` the collector would track them in vain.
class _Delta(msgspec.Struct, gc=False):
    type: str
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _DeltaEvent(msgspec.Struct, gc=False):
    index: int
    delta: _Delta


class _DeltaLine(msgspec.Struct, gc=False):
    event: _DeltaEvent
    parent_tool_use_id: str | None = None


_delta_decoder = msgspec.json.Decoder(_DeltaLine)


def parse(line: bytes) -> CliLine:
    """Return the meaning of `line`, with or without its newline. Never raises; a delta takes about 2 µs."""
    if line.startswith(_DELTA_START):
        try:
            found = _delta_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # a lone surrogate, or a new shape of the line: the slower way below can read both
        else:
            return _delta(found)
    value, trouble = decode(line)
    if trouble:
        return Unrecognized(line[:MAX_RAW_BYTES], trouble, is_torn=True, recovered=tuple(_recovered(line)))
    if not isinstance(value, Mapping):
        return Unrecognized(line[:MAX_RAW_BYTES], "not a JSON object")
    return _by_type(value) or Unrecognized(line[:MAX_RAW_BYTES], f"unknown kind {_kind(value)}")


def _recovered(line: bytes) -> Iterator[CliLine]:
    """Yield the complete lines behind a torn one.

    An object nested inside a line is not a line of its own, even if it looks like one.
    """
    for body in whole_objects(line):
        if body.keys() & _STAMPS and (found := _by_type(body)) is not None:
            yield found


def _delta(line: _DeltaLine) -> BlockDelta:
    event = line.event
    delta = event.delta
    if delta.type == "text_delta":
        return BlockDelta(event.index, "text", delta.text, line.parent_tool_use_id)
    if delta.type == "thinking_delta":
        return BlockDelta(event.index, "thinking", delta.thinking, line.parent_tool_use_id)
    if delta.type == "input_json_delta":
        return BlockDelta(event.index, "input_json", delta.partial_json, line.parent_tool_use_id)
    return BlockDelta(event.index, "other", "", line.parent_tool_use_id)


def _kind(body: Json) -> str:
    inner = text_of(body, "subtype") or text_of(object_of(body, "event"), "type")
    return f"{text_of(body, 'type')[:60]!r} {inner[:60]!r}" if inner else repr(text_of(body, "type")[:60])


def _by_type(body: Json) -> CliLine | None:
    reader = _READERS.get(text_of(body, "type"))
    return reader(body) if reader is not None else None


def _lifecycle(body: Json) -> CliLine:
    if (source := text_of(body, "wakeup_source")) and text_of(body, "state") == "started":
        return ScheduleFired(is_wakeup=source == "loop_wakeup")
    return PromptLifecycle(text_of(body, "command_uuid"), text_of(body, "state"))


def _tool_progress(body: Json) -> CliLine:
    tool_use_id = text_of(body, "tool_use_id")
    parent = maybe_text(body, "parent_tool_use_id")
    if flag_of(body, "heartbeat") and parent and tool_use_id.startswith(f"{parent}-"):
        # A heartbeat has an id of its own, with the running tool as its parent. It reports on that tool.
        tool_use_id, parent = parent, None
    return ToolProgress(tool_use_id, text_of(body, "tool_name"), float_of(body, "elapsed_time_seconds"), parent)


def _reset(body: Json) -> CliLine:
    return ConversationReset(text_of(body, "new_conversation_id"), text_of(body, "trigger"))


def _ignored(body: Json) -> CliLine:
    return Ignored(text_of(body, "type"))


_READERS: Mapping[str, Callable[[Json], CliLine | None]] = {
    "stream_event": parse_message.stream_event,
    "assistant": parse_message.assistant,
    "user": parse_message.user,
    "result": parse_message.result,
    "system": parse_system.system,
    "control_request": parse_control.request,
    "control_response": parse_control.response,
    "control_cancel_request": parse_control.cancelled,
    "command_lifecycle": _lifecycle,
    "tool_progress": _tool_progress,
    "rate_limit_event": rate_limit,
    "conversation_reset": _reset,
    "keep_alive": _ignored,
    "prompt_suggestion": _ignored,
    "transcript_mirror": _ignored,
    "auth_status": _ignored,
}

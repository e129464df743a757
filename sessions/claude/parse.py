"""Parse lines of the CLI's output, each into one `CliLine`; consecutive pieces of one block into one together.

Pure and total: any bytes give a result, and no error is raised. A line of an unknown kind is kept as
`Unrecognized`. An unknown field is ignored; a field that is missing or of a wrong type counts as empty.
Nearly all lines are deltas of a streamed block, so deltas have a decoder of their own.

Format: Claude Code CLI reference, `--output-format stream-json`, and `tests/sessions/claude/samples`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import msgspec

from sessions.claude import parse_control, parse_message, parse_system
from sessions.claude.lines import (
    BlockDelta,
    BlockKind,
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
class _TextDelta(msgspec.Struct, gc=False, tag_field="type", tag="text_delta"):
    kind: ClassVar[BlockKind] = "text"
    text: str


class _ThinkingDelta(msgspec.Struct, gc=False, tag_field="type", tag="thinking_delta"):
    kind: ClassVar[BlockKind] = "thinking"
    text: str = msgspec.field(name="thinking")


class _JsonDelta(msgspec.Struct, gc=False, tag_field="type", tag="input_json_delta"):
    kind: ClassVar[BlockKind] = "input_json"
    text: str = msgspec.field(name="partial_json")


class _DeltaEvent(msgspec.Struct, gc=False):
    index: int
    delta: _TextDelta | _ThinkingDelta | _JsonDelta


class _DeltaLine(msgspec.Struct, gc=False):
    event: _DeltaEvent
    parent_tool_use_id: str | None = None


_delta_decoder = msgspec.json.Decoder(_DeltaLine)


def parse_batch(lines: Sequence[bytes]) -> list[tuple[CliLine, int]]:
    """Return the meanings of `lines`, each with the number of lines that it is made of. Never raises.

    Consecutive pieces of one block are joined here, before all other work: when many sessions write, most of
    the cost is the work per line.
    """
    found: list[tuple[CliLine, int]] = []
    texts: list[str] = []  # of the pieces that wait to be joined; `block` is theirs
    block: tuple[int, BlockKind, str | None] = (0, "other", None)
    for line in lines:
        if (piece := _piece(line)) is not None:
            event = piece.event
            of, text = (event.index, event.delta.kind, piece.parent_tool_use_id), event.delta.text
        elif isinstance(value := _parse_whole(line), BlockDelta):
            of, text = (value.index, value.kind, value.parent), value.text
        else:
            if texts:
                found.append((_joined(block, texts), len(texts)))
                texts = []
            found.append((value, 1))
            continue
        if texts and of != block:
            found.append((_joined(block, texts), len(texts)))
            texts = []
        block = of
        texts.append(text)
    if texts:
        found.append((_joined(block, texts), len(texts)))
    return found


def parse(line: bytes) -> CliLine:
    """Return the meaning of `line`, with or without its newline. Never raises."""
    return parse_batch((line,))[0][0]


def _joined(block: tuple[int, BlockKind, str | None], texts: Sequence[str]) -> BlockDelta:
    index, kind, parent = block
    return BlockDelta(index, kind, "".join(texts), parent)


def _piece(line: bytes) -> _DeltaLine | None:
    """Return the piece of a block that `line` is, in about 1 µs; None if it has to be read the slower way."""
    # The strict decoder would otherwise also try all other lines, only to fail.
    if not line.startswith(_DELTA_START):
        return None
    try:
        return _delta_decoder.decode(line)
    except (ValueError, RecursionError):
        return None  # a lone surrogate, or a new shape of the line


def _parse_whole(line: bytes) -> CliLine:
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
        # A tool's result may quote lines of the CLI: an object without a stamp is content, not a line.
        if body.keys() & _STAMPS and (found := _by_type(body)) is not None:
            yield found


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

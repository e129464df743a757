"""Parse the lines of the conversation: streamed pieces, complete messages, tool results, a turn's end.

Called by `parse`. A reader returns None for a line of an unknown kind.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from sessions.claude.lines import (
    MOST_PICTURES,
    AssistantBlocks,
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CliLine,
    ContentBlock,
    MessageStarted,
    MessageStopped,
    MessageUsage,
    OtherBlock,
    PromptEchoed,
    TextBlock,
    ThinkingBlock,
    ToolResult,
    ToolResults,
    ToolUseBlock,
    TurnResult,
    Usage,
    UserMessage,
)
from sessions.claude.wire import (
    Json,
    flag_of,
    float_of,
    int_of,
    maybe_int,
    maybe_object,
    maybe_text,
    object_of,
    objects_of,
    text_of,
    texts_of,
)

SYNTHETIC_MODEL = "<synthetic>"

_DELTAS: Mapping[str, tuple[Literal["text", "thinking", "input_json"], str]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("input_json", "partial_json"),
}


def stream_event(body: Json) -> CliLine | None:
    event = object_of(body, "event")
    reader = _STREAM_READERS.get(text_of(event, "type"))
    return None if reader is None else reader(body, event, maybe_text(body, "parent_tool_use_id"))


def assistant(body: Json) -> CliLine:
    message = object_of(body, "message")
    model = text_of(message, "model")
    return AssistantBlocks(
        uuid=text_of(body, "uuid"),
        message_id=text_of(message, "id"),
        model=model,
        blocks=content_blocks(message),
        parent=maybe_text(body, "parent_tool_use_id"),
        prompt_uuid=maybe_text(body, "user_message_uuid"),
        synthetic=model == SYNTHETIC_MODEL,
        error=maybe_text(body, "error"),
        api_error_status=maybe_int(body, "api_error_status"),
        aborted=flag_of(body, "aborted"),
    )


def user(body: Json) -> CliLine:
    message = object_of(body, "message")
    # First: an echo of a prompt is a user line like the others, and must not read as a message of the CLI's
    # own.
    if flag_of(body, "isReplay"):
        text = flattened(message.get("content"))
        return PromptEchoed(text_of(body, "uuid"), text_of(body, "session_id"), text)
    results = tool_results(body)
    if results:
        return ToolResults(results)
    return UserMessage(
        uuid=text_of(body, "uuid"),
        text=flattened(message.get("content")),
        synthetic=flag_of(body, "isSynthetic") or flag_of(body, "isMeta"),
        parent=maybe_text(body, "parent_tool_use_id"),
    )


def result(body: Json) -> CliLine:
    return TurnResult(
        uuid=text_of(body, "uuid"),
        subtype=text_of(body, "subtype"),
        is_error=flag_of(body, "is_error"),
        text=text_of(body, "result"),
        terminal_reason=text_of(body, "terminal_reason"),
        cost_usd=float_of(body, "total_cost_usd"),
        duration_ms=int_of(body, "duration_ms"),
        num_turns=int_of(body, "num_turns"),
        usage=_usage(object_of(body, "usage")),
        prompt_uuids=texts_of(body, "user_message_uuids"),
        api_error_status=maybe_int(body, "api_error_status"),
        errors=texts_of(body, "errors"),
        context_window=_context_window(body),
        first_token_ms=maybe_int(body, "ttft_ms"),
        conversation_id=text_of(body, "session_id"),
        origin=text_of(object_of(body, "origin"), "kind"),
        local_command=text_of(body, "local_command"),
    )


def content_blocks(message: Json) -> tuple[ContentBlock, ...]:
    """Return the blocks of an assistant message, from the stream or from a transcript."""
    content = message.get("content")
    if isinstance(content, str):
        return (TextBlock(content),)
    return tuple(_block(block) for block in objects_of(message, "content"))


def tool_results(body: Json) -> tuple[ToolResult, ...]:
    """Return the tool results in a user line, from the stream or from a transcript."""
    found = [
        b for b in objects_of(object_of(body, "message"), "content") if text_of(b, "type") == "tool_result"
    ]
    # The structured form belongs to the whole line. Only a line with one result shows which result it is for.
    detail = maybe_object(body, "tool_use_result") or maybe_object(body, "toolUseResult")
    return tuple(
        ToolResult(
            uuid=text_of(body, "uuid"),
            tool_use_id=text_of(block, "tool_use_id"),
            text=flattened(block.get("content")),
            is_error=flag_of(block, "is_error"),
            detail=detail if len(found) == 1 else None,
            images=sum(text_of(part, "type") == "image" for part in objects_of(block, "content")),
            parent=maybe_text(body, "parent_tool_use_id"),
            pictures=_pictures(block),
        )
        for block in found
    )


def _pictures(result: Json) -> tuple[str, ...]:
    """Return the first pictures of a tool result, in Base64. An empty text stands for one without data."""
    sources = [
        object_of(part, "source") for part in objects_of(result, "content") if text_of(part, "type") == "image"
    ]
    # Bounded: a tool may return hundreds, of megabytes each.
    return tuple(text_of(source, "data") for source in sources[:MOST_PICTURES])


def flattened(content: Any) -> str:
    """Return the text of a message's or tool result's content; the parts of a list are joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        return ""
    parts = (part for part in content if isinstance(part, Mapping))
    return "\n".join(text for part in parts if (text := text_of(part, "text")))


def _message_started(body: Json, event: Json, parent: str | None) -> CliLine:
    message = object_of(event, "message")
    prompt_uuid = maybe_text(body, "user_message_uuid")
    return MessageStarted(text_of(message, "id"), text_of(message, "model"), parent, prompt_uuid)


def _message_usage(body: Json, event: Json, parent: str | None) -> CliLine:
    return MessageUsage(
        message_id=text_of(body, "api_message_id"),
        stop_reason=maybe_text(object_of(event, "delta"), "stop_reason"),
        usage=_usage(object_of(event, "usage")),
        parent=parent,
    )


def _message_stopped(body: Json, _event: Json, parent: str | None) -> CliLine:
    return MessageStopped(parent, maybe_int(object_of(body, "abandoned_blocks"), "from_block_index"))


def _delta(_body: Json, event: Json, parent: str | None) -> CliLine:
    delta = object_of(event, "delta")
    found = _DELTAS.get(text_of(delta, "type"))
    if found is None:
        # Signatures and new kinds: the block grows, but there is no text to show.
        return BlockDelta(int_of(event, "index"), "other", "", parent)
    kind, key = found
    return BlockDelta(int_of(event, "index"), kind, text_of(delta, key), parent)


def _block_started(_body: Json, event: Json, parent: str | None) -> CliLine:
    block = object_of(event, "content_block")
    return BlockStarted(
        index=int_of(event, "index"),
        kind=text_of(block, "type"),
        tool_name=text_of(block, "name"),
        tool_use_id=text_of(block, "id"),
        parent=parent,
    )


def _block_stopped(_body: Json, event: Json, parent: str | None) -> CliLine:
    return BlockStopped(int_of(event, "index"), parent)


def _block(block: Json) -> ContentBlock:
    kind = text_of(block, "type")
    match kind:
        case "text":
            return TextBlock(text_of(block, "text"))
        case "thinking" | "redacted_thinking":
            return ThinkingBlock(text_of(block, "thinking"))
        case "tool_use":
            return ToolUseBlock(text_of(block, "id"), text_of(block, "name"), object_of(block, "input"))
    return OtherBlock(kind, block)


def _usage(usage: Json) -> Usage:
    return Usage(
        input_tokens=int_of(usage, "input_tokens"),
        output_tokens=int_of(usage, "output_tokens"),
        cache_read_tokens=int_of(usage, "cache_read_input_tokens"),
        cache_write_tokens=int_of(usage, "cache_creation_input_tokens"),
    )


def _context_window(body: Json) -> int | None:
    """Return the context window of the model that read most tokens: small helper models are listed, too."""
    per_model = object_of(body, "modelUsage")
    entries = [object_of(per_model, model) for model in per_model]
    main = max(entries, key=_tokens_read, default=None)
    return None if main is None else maybe_int(main, "contextWindow")


def _tokens_read(entry: Json) -> int:
    keys = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return sum(int_of(entry, key) for key in keys)


_STREAM_READERS: Mapping[str, Callable[[Json, Json, str | None], CliLine]] = {
    "message_start": _message_started,
    "message_delta": _message_usage,
    "message_stop": _message_stopped,
    "content_block_start": _block_started,
    "content_block_delta": _delta,
    "content_block_stop": _block_stopped,
}

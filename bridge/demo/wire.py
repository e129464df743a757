"""Puts a reply into the Messages API's form: server-sent events, or one JSON body. Pure.

Format: Anthropic Messages API, "Streaming messages" and "Errors".
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, assert_never

from bridge.demo.reply import BlockEnd, CallPiece, Message, Refusal, TextPiece, ThinkingPiece
from bridge.demo.script import Break, Gate, Pace


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, ready to be written. `is_delta` marks those that a pace slows down."""

    data: bytes
    is_delta: bool = False


PING = Frame(b'event: ping\ndata: {"type": "ping"}\n\n')


def stream_frames(message: Message) -> Iterator[Frame | Pace | Gate | Break]:
    """Yield the events of `message` in order, and between them the script's pauses, gates and breaks.

    After a `Break` the consumer must end the stream; for an `sse-error` its event is already sent.
    """
    yield _event("message_start", message={**_head(message), "content": [], "stop_reason": None})
    index = -1
    opened: TextPiece | ThinkingPiece | CallPiece | None = None
    for piece in (*message.pieces, BlockEnd()):
        if isinstance(piece, Pace | Gate):
            yield piece
            continue
        if isinstance(piece, Break):
            yield from _broken(piece)
            return
        if opened and not (isinstance(piece, TextPiece) and isinstance(opened, TextPiece)):
            yield from _close_block(index, opened)
            opened = None
        if isinstance(piece, BlockEnd):
            continue
        if opened is None:
            index, opened = index + 1, piece
            yield _event("content_block_start", index=index, content_block=_empty_block(piece))
        for delta in _deltas(piece):
            yield _event("content_block_delta", index=index, delta=delta)
    stop = {"stop_reason": _stop_reason(message), "stop_sequence": None}
    yield _event("message_delta", delta=stop, usage={"output_tokens": _output_tokens(message)})
    yield _event("message_stop")


def _broken(piece: Break) -> Iterator[Frame | Break]:
    if piece.how == "sse-error":
        error = {"type": "overloaded_error", "message": "DEMO: this error was asked for"}
        yield _event("error", error=error)
    yield piece


def whole_body(message: Message) -> dict[str, Any]:
    """Return the answer to a request without streaming."""
    content: list[dict[str, Any]] = []
    for piece in message.pieces:
        match piece:
            case TextPiece(deltas=deltas) if content and content[-1]["type"] == "text":
                content[-1]["text"] += "".join(deltas)
            case TextPiece(deltas=deltas):
                content.append({"type": "text", "text": "".join(deltas)})
            case ThinkingPiece(deltas=deltas):
                content.append({"type": "thinking", "thinking": "".join(deltas), "signature": _SIGNATURE})
            case CallPiece(call_id=call_id, tool=tool, input=arguments):
                content.append({"type": "tool_use", "id": call_id, "name": tool, "input": dict(arguments)})
            case BlockEnd() | Pace() | Gate() | Break():
                pass
            case _:
                assert_never(piece)
    head = _head(message)
    usage = {**head["usage"], "output_tokens": _output_tokens(message)}
    return {**head, "content": content, "stop_reason": _stop_reason(message), "usage": usage}


def error_body(refusal: Refusal) -> dict[str, Any]:
    """Return the JSON body of an HTTP error."""
    return {"type": "error", "error": {"type": refusal.kind, "message": refusal.text}}


_SIGNATURE = "REVNTw=="


def _event(kind: str, **facts: object) -> Frame:
    # `json.dumps` escapes to ASCII: lone surrogates cannot be encoded as UTF-8.
    data = json.dumps({"type": kind, **facts})
    return Frame(f"event: {kind}\ndata: {data}\n\n".encode("ascii"), kind == "content_block_delta")


def _head(message: Message) -> dict[str, Any]:
    usage = {
        "input_tokens": message.input_tokens // 10 + 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": message.input_tokens - message.input_tokens // 10,
        "output_tokens": 1,
        "service_tier": "standard",
    }
    ident = f"msg_demo{message.ident}"
    head = {"id": ident, "type": "message", "role": "assistant", "model": message.model}
    return {**head, "stop_sequence": None, "usage": usage}


def _output_tokens(message: Message) -> int:
    """Estimate the number of tokens: about four characters each."""
    said = (piece.deltas for piece in message.pieces if isinstance(piece, TextPiece | ThinkingPiece))
    return sum(map(len, chain.from_iterable(said))) // 4 + 1


def _stop_reason(message: Message) -> str:
    return "tool_use" if message.calls_tools else "end_turn"


def _empty_block(piece: TextPiece | ThinkingPiece | CallPiece) -> dict[str, Any]:
    match piece:
        case TextPiece():
            return {"type": "text", "text": ""}
        case ThinkingPiece():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case CallPiece(call_id=call_id, tool=tool):
            return {"type": "tool_use", "id": call_id, "name": tool, "input": {}}


def _deltas(piece: TextPiece | ThinkingPiece | CallPiece) -> Iterator[dict[str, str]]:
    match piece:
        case TextPiece(deltas=deltas):
            yield from ({"type": "text_delta", "text": text} for text in deltas)
        case ThinkingPiece(deltas=deltas):
            yield from ({"type": "thinking_delta", "thinking": text} for text in deltas)
        case CallPiece(input=arguments):
            yield from (
                {"type": "input_json_delta", "partial_json": text} for text in _cut(json.dumps(arguments))
            )


def _cut(text: str) -> Sequence[str]:
    # At most some 50 pieces: the input of a call can be a whole file.
    stride = max(24, len(text) // 50)
    return [text[n : n + stride] for n in range(0, len(text), stride)]


def _close_block(index: int, piece: TextPiece | ThinkingPiece | CallPiece) -> Iterator[Frame]:
    if isinstance(piece, ThinkingPiece):
        yield _event(
            "content_block_delta", index=index, delta={"type": "signature_delta", "signature": _SIGNATURE}
        )
    yield _event("content_block_stop", index=index)

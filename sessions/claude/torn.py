"""Recover lines that follow a torn one: on a full disk a line is cut anywhere, and the next follows directly.

The torn line is lost, but the complete lines behind it are not. Quotes inside JSON texts are escaped. So `{"`
always begins an object, and only a complete line reaches from there to the end.
"""

from collections.abc import Mapping

import msgspec

from sessions.claude.wire import Json, decode

# Each try may read to the end of the line: without a bound, megabytes of `{"` would take hours.
_MOST_TRIED = 2_000
_decoder = msgspec.json.Decoder(msgspec.Raw)


def whole_objects(line: bytes) -> list[Json]:
    """Return the complete JSON objects at the end of an invalid line, in order; mostly an empty list."""
    found: list[Json] = []
    end = len(line)
    while (start := _last_object(line, end)) >= 0:
        body, _ = decode(line[start:end])
        if not isinstance(body, Mapping):
            break
        found.append(body)
        end = start
    return found[::-1]


def _last_object(line: bytes, end: int) -> int:
    """Return the start of the object that ends at `end`, or -1. Tries `_MOST_TRIED` places at most."""
    view, start = memoryview(line)[:end], end
    if not line[:end].endswith(b"}"):
        return -1
    for _ in range(_MOST_TRIED):
        start = line.rfind(b'{"', 0, start)
        if start < 0:
            return -1
        try:
            _decoder.decode(view[start:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return start
    return -1

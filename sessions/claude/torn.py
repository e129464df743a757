"""Lines that ran into each other: on a full disk a line is cut off anywhere, and the next one follows at once.

What was cut is lost; the whole lines behind it are not. Quotes within JSON texts are escaped, so that `{"` is
always where an object begins, and only a whole line reaches from there to the end.
"""

from collections.abc import Mapping

import msgspec

from sessions.claude.wire import Json, decode

_MOST_TRIED = 2_000
_decoder = msgspec.json.Decoder(msgspec.Raw)


def whole_objects(line: bytes) -> list[Json]:
    """The JSON objects that stand whole at the end of a line that is none, in order; mostly there are none."""
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
    """Where the object begins that ends at `end`; -1 if none does. Looks from the end on, at so many places."""
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

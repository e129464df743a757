"""Lines that ran into each other: on a full disk a line is cut off anywhere, and the next one follows at once.

What was cut is lost; the whole lines behind it are not. Quotes within JSON texts are escaped, so that `{"` is
always where an object begins.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sessions.claude.wire import Json, decode

_MOST_TRIED = 500


def whole_objects(line: bytes) -> list[Json]:
    """The JSON objects that stand whole at the end of a line that is none, in order; mostly there are none."""
    found: list[Json] = []
    end = len(line)
    while (last := _last_object(line[:end])) is not None:
        end, body = last
        found.append(body)
    return found[::-1]


def _last_object(line: bytes) -> tuple[int, Json] | None:
    """The longest object that reaches up to the end of `line`, and where it begins."""
    if not line.rstrip().endswith(b"}"):
        return None
    for start in _beginnings(line):
        value: Any = decode(line[start:])[0]
        if isinstance(value, Mapping):
            return start, value
    return None


def _beginnings(line: bytes) -> Iterator[int]:
    start = -1
    for _ in range(_MOST_TRIED):
        start = line.find(b'{"', start + 1)
        if start < 0:
            return
        yield start

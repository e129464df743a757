"""Recover lines that follow a torn one: on a full disk a line is cut anywhere, and the next follows directly.

The torn line is lost, but the complete lines behind it are not. Quotes inside JSON texts are escaped. So `{"`
always begins an object, and only a complete line reaches from there to the end.
"""

import re
from collections.abc import Mapping

import msgspec

from sessions.claude.wire import Json, decode

# A place that is tried may be read to the line's end. Without a bound, a line of megabytes would take hours.
_READ_AGAIN = 16
_ALWAYS_READ = 64 * 1024
_A_TRY = 200
"""So many bytes are counted for each try beside those that it reads: many short tries take time, too."""
_decoder = msgspec.json.Decoder(msgspec.Raw)
_STOPPED_AT = re.compile(r"\(byte (\d{1,12})\)$")


def whole_objects(line: bytes) -> list[Json]:
    """Return the complete JSON objects at the end of an invalid line, in order; mostly an empty list.

    Reads at most some `_READ_AGAIN` times the line. What is not found by then counts as torn, too.
    """
    found: list[Json] = []
    end = len(line)
    to_read = _READ_AGAIN * len(line) + _ALWAYS_READ
    while True:
        start, to_read = _last_object(line, end, to_read)
        if start < 0:
            break
        body, _ = decode(line[start:end])
        if not isinstance(body, Mapping):
            break
        found.append(body)
        end = start
    return found[::-1]


def _last_object(line: bytes, end: int, to_read: int) -> tuple[int, int]:
    """Return the start of the object that ends at `end`, or -1, and how many bytes may still be read."""
    view, start = memoryview(line)[:end], end
    if not line.endswith(b"}", 0, end):
        return -1, to_read
    while to_read > 0:
        start = line.rfind(b'{"', 0, start)
        if start < 0:
            break
        try:
            _decoder.decode(view[start:])
        except (ValueError, RecursionError) as error:
            to_read -= _A_TRY + _read_until(error, end - start)
            continue
        return start, to_read
    return -1, to_read


def _read_until(error: Exception, most: int) -> int:
    """How many bytes the decoder had read. It tells in words only; else it may have read `most`."""
    stopped = _STOPPED_AT.search(str(error))
    return min(int(stopped[1]), most) if stopped else most

"""Read the running total of costs in a transcript: the CLI's own total starts from it.

The CLI writes a `cost-state` row at `/clear` and when it ends normally. A process that resumes or forks the
conversation counts from the last such row in the file, on any branch (measured with 2.1.329, also behind 20 MB
of later rows). A killed process does not write the row.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sessions.claude.own_files import open_plainly
from sessions.claude.wire import decode, float_of, text_of

_CHUNK_BYTES = 1 << 20
_KIND = "cost-state"


def saved_cost_usd(transcript: Path) -> float:
    """Return the dollars in the last `cost-state` row; 0 without such a row. Raises `OSError`.

    Reads the file from its end.
    """
    for line in _lines_from_the_end(transcript):
        # A look at the bytes spares decoding megabytes of other rows.
        if _KIND.encode() not in line:
            continue
        row, _ = decode(line)
        if isinstance(row, Mapping) and text_of(row, "type") == _KIND:
            return max(0.0, float_of(row, "totalCostUSD"))
    return 0.0


def _lines_from_the_end(path: Path) -> Iterator[bytes]:
    with open_plainly(path) as file:
        start = file.seek(0, 2)
        pieces: list[bytes] = []  # of the line whose beginning is not read yet, last piece first
        while start > 0:
            size = min(_CHUNK_BYTES, start)
            start = file.seek(start - size)
            first, *others = file.read(size).split(b"\n")
            if others:
                yield b"".join([others.pop(), *reversed(pieces)])
                yield from reversed(others)
                pieces = []
            pieces.append(first)
        yield b"".join(reversed(pieces))

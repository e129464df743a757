"""The running total of costs that a transcript keeps, and with which the CLI's own total begins.

The CLI writes a `cost-state` row when it ends in good order and at `/clear`. A process that resumes or forks
the conversation counts on from the last such row in the file, on whatever branch it stands (measured with
2.1.329, also behind 20 MB of later rows). Killed processes write none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sessions.claude.wire import decode, float_of, text_of

_CHUNK_BYTES = 1 << 20
_KIND = "cost-state"


def saved_cost_usd(transcript: Path) -> float:
    """The dollars in the last `cost-state` row; 0 if there is none. Reads from the end; raises `OSError`."""
    for line in _lines_from_the_end(transcript):
        if _KIND.encode() not in line:
            continue
        row, _ = decode(line)
        if isinstance(row, Mapping) and text_of(row, "type") == _KIND:
            return max(0.0, float_of(row, "totalCostUSD"))
    return 0.0


def _lines_from_the_end(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        start = file.seek(0, 2)
        pieces: list[bytes] = []  # of a line whose beginning is not read yet, last piece first
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

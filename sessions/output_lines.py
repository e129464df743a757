"""A batch of the output log as values: each line parsed, with its place in the log.

Nearly all lines are pieces of a block that Claude writes. Those that follow each other are joined here, before
anything is done with them: what many writing sessions cost is mostly what is done once a line.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from backends.base import OutputLine
from sessions.claude.lines import BlockDelta, CliLine, Unrecognized


class ReadLine(NamedTuple):
    """A line and its bytes in the log, from `begins_at` to before `end`; joined pieces count as one line."""

    line: CliLine
    begins_at: int
    end: int


def read_batch(
    parse: Callable[[bytes], CliLine], batch: Sequence[OutputLine], begins_at: int
) -> list[ReadLine]:
    """The lines of `batch`, whose first one begins at byte `begins_at`."""
    found: list[ReadLine] = []
    for _, run in groupby([(parse(line.data), line.end) for line in batch], _run):
        lines = list(run)
        line, end = lines[-1]
        if isinstance(line, BlockDelta) and len(lines) > 1:
            text = "".join([piece.text for piece, _ in lines if isinstance(piece, BlockDelta)])
            line = BlockDelta(line.index, line.kind, text, line.parent)
        found.append(ReadLine(line, begins_at, end))
        if isinstance(line, Unrecognized):
            found.extend(ReadLine(each, begins_at, end) for each in line.recovered)
        begins_at = end
    return found


def _run(parsed: tuple[CliLine, int]) -> object:
    """What lines that belong together have in common: pieces their block, any other line its place."""
    line, end = parsed
    return (line.index, line.kind, line.parent) if isinstance(line, BlockDelta) else end

"""Parse a batch of the output log: each line becomes a value with its place in the log.

Nearly all lines are pieces of a block that Claude writes. Consecutive pieces are joined here, before all other
work: when many sessions write, most of the cost is the work per line.
"""

from collections.abc import Callable, Sequence
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
    """Return the lines of `batch`, parsed and joined. The first one begins at byte `begins_at` of the log."""
    found: list[ReadLine] = []
    run: list[BlockDelta] = []  # pieces of one block that wait to be joined
    end = begins_at
    for each in batch:
        line = parse(each.data)
        piece = line if isinstance(line, BlockDelta) else None
        if run and (piece is None or not _is_of_block(piece, run[0])):
            found.append(ReadLine(_joined(run), begins_at, end))
            begins_at, run = end, []
        end = each.end
        if piece is not None:
            run.append(piece)
            continue
        found.append(ReadLine(line, begins_at, end))
        if isinstance(line, Unrecognized):
            found.extend(ReadLine(recovered, begins_at, end) for recovered in line.recovered)
        begins_at = end
    if run:
        found.append(ReadLine(_joined(run), begins_at, end))
    return found


def _is_of_block(line: BlockDelta, other: BlockDelta) -> bool:
    return line.index == other.index and line.kind == other.kind and line.parent == other.parent


def _joined(run: Sequence[BlockDelta]) -> BlockDelta:
    first = run[0]
    if len(run) == 1:
        return first
    return BlockDelta(first.index, first.kind, "".join([piece.text for piece in run]), first.parent)

"""Parse a batch of the output log: each line becomes a value with its place in the log."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from backends.base import OutputLine
from sessions.claude.lines import CliLine, Unrecognized


class ReadLine(NamedTuple):
    """A line and its bytes in the log, from `begins_at` to before `end`; joined pieces count as one line."""

    line: CliLine
    begins_at: int
    end: int


def read_batch(
    parse: Callable[[Sequence[bytes]], Sequence[tuple[CliLine, int]]],
    batch: Sequence[OutputLine],
    begins_at: int,
) -> list[ReadLine]:
    """Return the lines of `batch` as `Driver.parse` reads them. The first one begins at byte `begins_at`."""
    found: list[ReadLine] = []
    read = 0
    for line, count in parse([each.data for each in batch]):
        read += count
        end = batch[read - 1].end
        found.append(ReadLine(line, begins_at, end))
        # Whole lines behind a torn one get its place in the log, so that all or none of them are applied.
        if isinstance(line, Unrecognized):
            found.extend(ReadLine(recovered, begins_at, end) for recovered in line.recovered)
        begins_at = end
    return found

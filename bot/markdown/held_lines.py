"""Lines of an open HTML block: held back until its end tells what they are."""

from collections.abc import Sequence


class HeldLines:
    """The lines of a block, as long as it is open."""

    def __init__(self, lines: Sequence[str] = ()) -> None:
        """Begin after `lines`."""
        self._lines = list(lines)
        # With line ends: a block of empty lines must end, too.
        self._size = sum(map(len, lines)) + len(lines)

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to it."""
        return bool(self._lines)

    def give_up(self) -> Sequence[str]:
        """Return the lines, which are text if the block has no end, and hold none any more."""
        lines, self._lines, self._size = self._lines, [], 0
        return lines

    def _hold(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line) + 1

"""HTML comments that begin a line are hidden. A comment that never ends is text, so that nothing gets lost."""

from collections.abc import Sequence

from bot.markdown.lines import LONGEST


class Comment:
    """The lines of a comment, as long as it is open."""

    def __init__(self, lines: Sequence[str] = ()) -> None:
        """Begin after `lines`."""
        self._lines = list(lines)
        self._size = sum(map(len, lines)) + len(lines)  # with line ends: a comment of empty lines must end, too

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to it."""
        return bool(self._lines)

    def copy(self) -> "Comment":
        """Return a copy with the same state."""
        return Comment(self._lines)

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no comment. Else take it, and return the lines to read in its place."""
        if not self._lines and not ("<!--" in line and line.lstrip(" ").startswith("<!--")):
            return None
        self._lines.append(line)
        self._size += len(line) + 1
        if "-->" in line:
            self.give_up()
            rest = line.partition("-->")[2].strip()
            return [rest] if rest else []
        # A comment that never ends must not hide the rest of the answer.
        return self.give_up() if self._size > LONGEST else []

    def give_up(self) -> Sequence[str]:
        """Return the lines of a comment without an end: they are text."""
        lines, self._lines, self._size = self._lines, [], 0
        return lines

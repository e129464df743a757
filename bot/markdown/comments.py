"""HTML comments that begin a line: nobody sees them. One that never ends is text, so that nothing gets lost."""

from collections.abc import Sequence

from bot.markdown.lines import LONGEST


class Comment:
    """The lines of a comment, as long as it is open."""

    def __init__(self, lines: Sequence[str] = ()) -> None:
        """Begin after `lines`."""
        self._lines = list(lines)

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to it."""
        return bool(self._lines)

    def copy(self) -> "Comment":
        """Return one that goes on where this one is."""
        return Comment(self._lines)

    def take(self, line: str) -> Sequence[str] | None:
        """Take `line` if it belongs to a comment, else return None; return the lines to read in its place."""
        if not self._lines and not ("<!--" in line and line.lstrip(" ").startswith("<!--")):
            return None
        self._lines.append(line)
        if "-->" in line:
            self._lines = []
            rest = line.partition("-->")[2].strip()
            return [rest] if rest else []
        return self.give_up() if sum(map(len, self._lines)) > LONGEST else []

    def give_up(self) -> Sequence[str]:
        """Return the lines of what began as a comment: it has no end."""
        lines, self._lines = self._lines, []
        return lines

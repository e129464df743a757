"""HTML that stands in lines of its own and is not text: comments, which are hidden, and tables."""

from collections.abc import Sequence

from bot.markdown.comments import Comment
from bot.markdown.html_tables import HtmlTable


class HtmlBlocks:
    """The lines of such a block, as long as it is open. No block begins inside another."""

    def __init__(self, comment: Comment | None = None, table: HtmlTable | None = None) -> None:
        """Begin with no open block, or inside the given one."""
        self._comment = comment or Comment()
        self._table = table or HtmlTable()

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to a block."""
        return self._comment.is_open or self._table.is_open

    def copy(self) -> "HtmlBlocks":
        """Return a copy with the same state."""
        return HtmlBlocks(self._comment.copy(), self._table.copy())

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no block. Else take it, and return the lines to read in its place."""
        instead = None if self._table.is_open else self._comment.take(line)
        return self._table.take(line) if instead is None else instead

    def give_up(self) -> Sequence[str]:
        """Return the lines of a block without an end: they are text."""
        return [*self._comment.give_up(), *self._table.give_up()]

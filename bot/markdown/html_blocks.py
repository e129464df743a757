"""HTML that stands in lines of its own: comments, which are hidden, tables, lists, headings, quotes, code."""

from collections.abc import Sequence

from bot.markdown.held_lines import HeldLines
from bot.markdown.html_tables import HtmlTable
from bot.markdown.html_text import HtmlText
from bot.markdown.lines import LONGEST


class Comment(HeldLines):
    """The lines of an HTML comment, as long as it is open. They are hidden, unless it never ends."""

    def copy(self) -> "Comment":
        """Return a copy with the same state."""
        return Comment(self._lines)

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no comment. Else take it, and return the lines to read in its place."""
        if not self._lines and not ("<!--" in line and line.lstrip(" ").startswith("<!--")):
            return None
        self._hold(line)
        if "-->" in line:
            self.give_up()
            rest = line.partition("-->")[2].strip()
            return [rest] if rest else []
        # A comment that never ends must not hide the rest of the answer.
        return self.give_up() if self._size > LONGEST else []


class HtmlBlocks:
    """The lines of a block of HTML, as long as it is open. No block begins inside another."""

    def __init__(
        self, comment: Comment | None = None, table: HtmlTable | None = None, text: HtmlText | None = None
    ) -> None:
        """Begin with no open block, or inside the given one."""
        self._comment = comment or Comment()
        self._table = table or HtmlTable()
        self._text = text or HtmlText()

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to a block."""
        return self._comment.is_open or self._table.is_open or self._text.is_open

    def copy(self) -> "HtmlBlocks":
        """Return a copy with the same state."""
        return HtmlBlocks(self._comment.copy(), self._table.copy(), self._text.copy())

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no block. Else take it, and return the lines to read in its place."""
        # Most lines end here, before any pattern.
        if not self.is_open and "<" not in line:
            return None
        blocks = (self._comment, self._table, self._text)
        # A line inside an open block belongs to it alone, even if it looks like the beginning of another.
        for block in [each for each in blocks if each.is_open] or blocks:
            if (instead := block.take(line)) is not None:
                return instead
        return None

    def give_up(self) -> Sequence[str]:
        """Return the lines of a block without an end: they are text."""
        return [*self._comment.give_up(), *self._table.give_up(), *self._text.give_up()]

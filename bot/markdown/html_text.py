"""Headings, lists, quotes and code in HTML become Markdown. A block without an end, or too long, is text."""

import re
from collections.abc import Sequence

from bot.markdown.held_lines import HeldLines
from bot.markdown.lines import LONGEST

_MOST_CHARS = 8_000
_BEGINS = re.compile(r" {0,3}<(h[1-6]|hr|ul|ol|dl|pre|blockquote)(?=[ \t>/])[^<>]{0,300}>", re.IGNORECASE)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


class HtmlText(HeldLines):
    """The lines of such a block, as long as it is open."""

    def __init__(self, lines: Sequence[str] = (), name: str = "", depth: int = 0) -> None:
        """Begin after `lines` of a block of the tag `name`, of which `depth` are open."""
        super().__init__(lines)
        self._name, self._depth = name, depth

    def copy(self) -> "HtmlText":
        """Return a copy with the same state."""
        return HtmlText(self._lines, self._name, self._depth)

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no block. Else take it, and return the lines to read in its place."""
        if not self._lines:
            found = _BEGINS.match(line) if len(line) <= LONGEST else None
            if found is None:
                return None
            self._name, self._depth = found[1].lower(), 0
        self._hold(line)
        # Before the end is looked for: a line with it may be megabytes, and the block is read at once.
        if self._size > _MOST_CHARS:
            return self.give_up()
        # Counted by the tag's own name: a list may stand in another one.
        tags = re.findall(rf"<(/?){self._name}(?=[ \t>/])", line, re.IGNORECASE)
        self._depth += sum(-1 if tag else 1 for tag in tags)
        if self._depth <= 0 or self._name == "hr":
            return _as_markdown("\n".join(self.give_up()))
        # A heading ends on its line; a block without an end must not hide the rest of the answer.
        return self.give_up() if self._name in _HEADINGS else []


def _as_markdown(source: str) -> Sequence[str]:
    from bot.markdown.html_reader import HtmlReader  # its parser loads tables of names

    found = HtmlReader()
    # The parser looks at the rest again for each half tag at the end: a second for 8,000 characters.
    tags, end, rest = source.rpartition(">")
    found.feed(tags + end)
    found.close()
    found.handle_data(rest)
    found.end_line()
    return ["", *found.lines, ""]

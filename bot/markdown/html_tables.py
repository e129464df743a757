"""An HTML table that begins a line becomes a Markdown table. One that never ends, or is too long, is text."""

import re
from collections.abc import Sequence

from bot.markdown.held_lines import HeldLines
from bot.markdown.lines import LONGEST

_MOST_CHARS = 8_000  # an open table is not shown, so people must not wait for its end for long
_BEGINS = re.compile(r" {0,3}<table[ \t>]", re.IGNORECASE)
_ENDS = re.compile(r"</table[ \t]{0,20}>", re.IGNORECASE)
_DASHES = {"left": "---", "right": "---:", "center": ":---:"}


class HtmlTable(HeldLines):
    """The lines of an HTML table, as long as it is open."""

    def copy(self) -> "HtmlTable":
        """Return a copy with the same state."""
        return HtmlTable(self._lines)

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no table. Else take it, and return the lines to read in its place."""
        if not self._lines and (len(line) > LONGEST or _BEGINS.match(line) is None):
            return None
        self._hold(line)
        # Before the end is looked for: a line with it may be megabytes, and the table is read at once.
        if self._size > _MOST_CHARS:
            return self.give_up()
        end = _ENDS.search(line)
        if end is None:
            return []
        whole = "\n".join([*self._lines[:-1], line[: end.end()]])
        made, rest = _as_markdown(whole), line[end.end() :].strip()
        if not made:
            return self.give_up()
        self.give_up()
        return [*made, *([rest] if rest else [])]


def _as_markdown(source: str) -> Sequence[str]:
    """Return the lines of the Markdown table, with a blank one on both sides; nothing without cells."""
    from bot.markdown.html_cells import MOST_COLUMNS, CellReader  # few answers have such a table

    found = CellReader()
    found.feed(source)
    found.close()
    rows = [row for row in found.rows if row]
    count = min(max(map(len, rows), default=0), MOST_COLUMNS)
    if not count:
        return []
    head, *body = [[*row, *[""] * count][:count] for row in rows]
    dashes = [_DASHES[found.aligned.get(column, "left")] for column in range(count)]
    caption = " ".join("".join(found.caption).split())
    return ["", *([caption, ""] if caption else []), _line(head), _line(dashes), *map(_line, body), ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

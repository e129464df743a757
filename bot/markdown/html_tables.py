"""An HTML table that begins a line becomes a Markdown table. One that never ends, or is too long, is text."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from bot.markdown.lines import LONGEST

_MOST_CHARS = 8_000
_MOST_COLUMNS = 40
_BEGINS = re.compile(r" {0,3}<table[ \t>]", re.IGNORECASE)
_ENDS = re.compile(r"</table[ \t]{0,20}>", re.IGNORECASE)
_ALIGN = re.compile(r"\b(left|right|center)\b", re.IGNORECASE)
_DASHES = {"left": "---", "right": "---:", "center": ":---:"}
_OF_TABLES = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "colgroup", "col"})
_BLOCKS = frozenset({"p", "div", "ul", "ol", "li", "pre"})


class HtmlTable:
    """The lines of an HTML table, as long as it is open."""

    def __init__(self, lines: Sequence[str] = ()) -> None:
        """Begin after `lines`."""
        self._lines = list(lines)

    @property
    def is_open(self) -> bool:
        """Whether the next line belongs to it."""
        return bool(self._lines)

    def copy(self) -> "HtmlTable":
        """Return a copy with the same state."""
        return HtmlTable(self._lines)

    def take(self, line: str) -> Sequence[str] | None:
        """Return None if `line` is in no table. Else take it, and return the lines to read in its place."""
        if not self._lines and (len(line) > LONGEST or _BEGINS.match(line) is None):
            return None
        self._lines.append(line)
        end = _ENDS.search(line)
        if end is None:
            return self.give_up() if sum(map(len, self._lines)) > _MOST_CHARS else []
        whole = "\n".join([*self._lines[:-1], line[: end.end()]])
        made, rest = _as_markdown(whole), line[end.end() :].strip()
        if not made:
            return self.give_up()
        self._lines = []
        return [*made, *([rest] if rest else [])]

    def give_up(self) -> Sequence[str]:
        """Return the lines of a table that is not shown as one: they are text."""
        lines, self._lines = self._lines, []
        return lines


def _as_markdown(source: str) -> Sequence[str]:
    """Return the lines of the Markdown table, with a blank one on both sides; nothing without cells."""
    found = _Reader()
    found.feed(source)
    found.close()
    rows = [row for row in found.rows if row]
    count = min(max(map(len, rows), default=0), _MOST_COLUMNS)
    if not count:
        return []
    head, *body = [[*row, *[""] * count][:count] for row in rows]
    dashes = [_DASHES[found.aligned.get(column, "left")] for column in range(count)]
    caption = " ".join("".join(found.caption).split())
    return ["", *([caption, ""] if caption else []), _line(head), _line(dashes), *map(_line, body), ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


class _Reader(HTMLParser):
    """Collects the cells by row. Tags for formatting stay in them, since `inline` reads those."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.rows: list[list[str]] = []
        self.aligned: dict[int, str] = {}
        self.caption: list[str] = []
        self._into: list[str] | None = None
        self._empty_after = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _OF_TABLES:
            self._end_cell()
        if tag == "tr" or (tag in ("td", "th") and not self.rows):
            self.rows.append([])
        if tag in ("td", "th"):
            self._begin_cell({name: value or "" for name, value in attrs})
        elif tag == "caption":
            self._into = self.caption
        elif tag in _BLOCKS:
            self._add(" ")
        elif tag not in _OF_TABLES:
            self._add(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _OF_TABLES:
            self._end_cell()
        else:
            self._add(" " if tag in _BLOCKS else f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};")

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        column = len(self.rows[-1])
        named = _ALIGN.search(f"{attributes.get('align', '')} {attributes.get('style', '')}")
        if named is not None and len(self.rows) == 1:
            self.aligned[column] = named[1].lower()
        spans = attributes.get("colspan", "")
        self._empty_after = min(int(spans) - 1, _MOST_COLUMNS) if re.fullmatch("[1-9][0-9]?", spans) else 0
        self._into = []

    def _end_cell(self) -> None:
        if self._into is not None and self._into is not self.caption:
            words = " ".join("".join(self._into).split())
            self.rows[-1] += [words.replace("|", "\\|"), *[""] * self._empty_after]
        self._into = None

    def _add(self, text: str) -> None:
        if self._into is not None:
            self._into.append(text)

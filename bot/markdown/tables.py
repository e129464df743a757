"""Lay a Markdown table out for Discord: aligned in a monospace block, or as one record per row.

Answers for one table, of which only the first rows may be known. Leaves inline formatting to `inline`, rows to
`scanner`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace  # noqa: TID251
from itertools import zip_longest

import msgspec

from bot.markdown.graphemes import columns
from bot.markdown.inline import bold, on_one_line
from bot.markdown.lines import TableRow, Text, is_delimiter
from bot.markdown.marks import plain

WIDEST = 42  # columns of a monospace block that a phone shows without scrolling
_BETWEEN = "  "
# A backslash before the pipe escapes it, unless that backslash is escaped itself.
_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)[^`\n]{1,200}\1(?!`)")
_EMPTY = "—"


class Layout(msgspec.Struct, frozen=True):
    """The layout of rows: aligned `lines`, or `records` of marked lines. `rest` is the table without them."""

    lines: Sequence[str]
    records: Sequence[Sequence[str]]
    rest: "Table"


@dataclass(slots=True)
class Table:
    """A table's head, the alignment of its columns, and the rows that are not laid out yet.

    `headed`: the head was laid out. `records`: earlier rows became records, so later ones do too.
    `widths` are the columns' widths so far.
    """

    head: Sequence[str]
    aligned: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    widths: Sequence[int] = ()
    records: bool = False
    headed: bool = False

    @staticmethod
    def begin(head: str, delimiter: str) -> "Table":
        """Begin a table with its head and the line of dashes below."""
        aligned = tuple(_alignment(cell) for cell in cells(delimiter))
        return Table(_cells_of_row(head, len(aligned)), aligned)

    def add(self, row: str) -> None:
        """Add a row at the end."""
        self.rows.append(_cells_of_row(row, len(self.head)))

    def layout(self) -> Layout:
        """Lay out the rows added so far; more may follow."""
        sources = self.rows if self.headed else [self.head, *self.rows]
        rows = [[plain(on_one_line(cell)) for cell in row] for row in sources]
        # Widths never shrink, for earlier rows of a long table are laid out with them.
        widths = self._widths(rows)
        wide = sum(widths) + len(_BETWEEN) * (len(widths) - 1) > WIDEST
        # A link would lose its target in a monospace block.
        if self.records or wide or any("](" in cell for row in sources for cell in row):
            rest = replace(self, rows=[], records=True, headed=True)
            return Layout((), [self._record(row) for row in self.rows] or [self._bare_head()], rest)
        texts = [self._aligned_line(row, widths) for row in rows]
        if not self.headed:
            texts.insert(1, _BETWEEN.join("-" * max(width, 1) for width in widths))
        return Layout(texts, (), replace(self, rows=[], widths=widths, headed=True))

    def _widths(self, rows: Sequence[Sequence[str]]) -> Sequence[int]:
        count = max([len(self.widths), *(len(row) for row in rows)])
        widths = [*self.widths, *[0] * (count - len(self.widths))]
        for row in rows:
            for index, cell in enumerate(row):
                widths[index] = max(widths[index], columns(cell))
        return tuple(widths)

    def _aligned_line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for index, cell in enumerate(row):
            space = widths[index] - columns(cell)
            side = self.aligned[index] if index < len(self.aligned) else "left"
            left = {"left": 0, "right": space, "center": space // 2}[side]
            padded.append(" " * left + cell + " " * (space - left))
        return _BETWEEN.join(padded).rstrip()

    def _record(self, row: Sequence[str]) -> Sequence[str]:
        """Return the lines of a row: `head: value`; a value without a head stands alone.

        A row that is too short ends with empty cells.
        """
        lines = []
        for name, cell in zip_longest(self.head, row, fillvalue=""):
            if name:
                lines.append(f"{bold(name)}: {on_one_line(cell) or _EMPTY}")
            elif cell:
                lines.append(on_one_line(cell))
        return lines or [_EMPTY]

    def _bare_head(self) -> Sequence[str]:
        return [bold(cell) for cell in self.head if cell] or [_EMPTY]


def begins_table(head: TableRow | Text, line: str) -> bool:
    """Say whether `line` is the row of dashes below `head`.

    A head without a leading pipe must have the same number of cells, or each line with a pipe would be a head.
    """
    if not is_delimiter(line):
        return False
    count = len(cells(line))
    return isinstance(head, TableRow) or ("|" in line and len(_cells_of_row(head.text, count)) == count)


def cells(line: str) -> Sequence[str]:
    """Return the cells of a table's row, trimmed; an escaped pipe does not end a cell."""
    # NUL as the separator: `cleaning` leaves none in the text.
    parts = _PIPE.sub("\\1\0", line.strip().removeprefix("|").replace("\t", " ")).split("\0")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    return [part.strip().replace("\\|", "|") for part in parts]


def _cells_of_row(line: str, count: int) -> Sequence[str]:
    """Return the cells of a row. If pipes in code make too many cells, they do not end a cell."""
    found = cells(line)
    if len(found) <= count or "`" not in line:
        return found
    joined = cells(_CODE.sub(lambda code: _PIPE.sub(r"\1\|", code[0]), line))
    return joined if len(joined) == count else found


def _alignment(cell: str) -> str:
    if cell.endswith(":"):
        return "center" if cell.startswith(":") else "right"
    return "left"

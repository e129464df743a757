"""Turn lines of Claude's Markdown into rows of Discord posts.

Answers for blocks: paragraphs, headings, lists, quotes, fences, tables, and where inline formatting begins
and ends. Each line is read once. The part of an open paragraph that further text cannot change becomes rows
at once. Leaves the inside of a paragraph to `inline`, the sizes of posts to `posts`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace  # noqa: TID251
from typing import assert_never

import msgspec

from bot.markdown import lines
from bot.markdown.code import CodeText, dedented
from bot.markdown.graphemes import cut_before
from bot.markdown.html_blocks import HtmlBlocks
from bot.markdown.inline import SPAN, USUAL, End, Manner, bold, heading_text, render
from bot.markdown.lines import Blank, Fence, Heading, Item, Rule, TableRow, Text
from bot.markdown.marks import lines_of
from bot.markdown.posts import Packer, Row, Seam
from bot.markdown.references import definition, is_used
from bot.markdown.seams import outermost
from bot.markdown.spelling import atom, escaped, resolved
from bot.markdown.tables import Table, begins_table

RULE = "———"
_WINDOW = 2 * SPAN  # characters of a paragraph that are rendered together
_TABLE_ROWS = 40  # rows of a longer table that are laid out together
_DEPTH = 8  # levels of lists that are shown apart
_LOOKS_LIKE_BLOCK = re.compile(r"#{1,3} |>>> ?|> ")  # Discord would read a block here; in Markdown it is text


@dataclass(slots=True)
class Scanner:
    """Reads lines in order and pushes rows. `copy` makes a preview that may be fed the beginning of a line."""

    packer: Packer
    growing: bool = False
    _buffer: str | None = None  # the unsettled part of the open paragraph; None if no paragraph is open
    _hang: str = ""
    _seam: Seam = Seam.LINE
    _quoted: bool = False
    _lists: list[int] = field(default_factory=list)  # the indents of the open items
    _blank: bool = False
    _after_heading: bool = False
    _fence: Fence | None = None
    _fence_quoted: bool = False
    _fences: int = 0
    _fence_rows: int = 0
    _code_text: CodeText = field(default_factory=CodeText)
    _indented: bool = False
    _indented_blanks: int = 0
    _table: Table | None = None
    _head: TableRow | Text | None = None  # a line whose kind the next line decides
    _pipes: bool = True  # the rows of the table begin with a pipe
    _html: HtmlBlocks = field(default_factory=HtmlBlocks)
    _manner: Manner = USUAL

    @property
    def in_fence(self) -> bool:
        """Whether the next line is code."""
        return self._fence is not None

    def copy(self) -> "Scanner":
        """Return a preview with the state so far, on a preview of the posts."""
        return replace(
            self,
            packer=self.packer.copy(),
            growing=True,
            _lists=self._lists.copy(),
            _code_text=self._code_text.copy(),
            _html=self._html.copy(),
        )

    def line(self, line: str) -> None:
        """Read a whole line, or a beginning for which `takes` has returned True."""
        instead = self._html.take(line) if self._fence is None else None
        if instead is None:
            self._read(line)
            return
        for each in instead:
            self._read(each)

    def _read(self, line: str) -> None:
        if self._fence is not None and self._code_line(self._fence, line):
            return
        quoted, content = lines.unquoted(line)
        kind = lines.read(content)
        if self._decides(kind, content, quoted=quoted) or self._goes_on_as_code(kind, content):
            return
        if quoted != self._quoted:
            self._close()
            self._quoted = quoted
            self._lists.clear()
            if quoted and (words := lines.alert(content)):
                self._push(bold(words))
                return
        if self._buffer is not None or not self._defines(content):
            self._block(kind, decided=len(content) > lines.LONGEST_HEAD)

    def takes(self, beginning: str) -> bool:
        """Say whether `line` may get the `beginning` of an unfinished line. The rest then goes to `go_on`."""
        if self._fence is not None or (self._table is not None and not self._pipes):
            return len(lines.unquoted(beginning)[1]) > lines.LONGEST  # a shorter line may end it, or be its row
        return not self._html.is_open and lines.is_certain(beginning)

    def go_on(self, text: str) -> None:
        """Read more of the line whose beginning was read."""
        if self._fence is not None:
            self.packer.extend(self._code_text.add(text))
        else:
            self._grow(text)

    def settle(self) -> Sequence[tuple[int, int]]:
        """Turn the settled part of the paragraph into rows. Return the indivisible ranges found in it."""
        if not self._buffer:
            return ()
        seen = render(self._buffer, End.GROWING, self._manner)
        if seen.settled:
            self._emit(render(self._buffer[: seen.settled], End.CLOSED, self._manner).text)
            self._buffer = self._buffer[seen.settled :]
        return seen.whole

    def show_tail(self, beginning: str, *, in_line: bool) -> None:
        """On a preview: read the beginning of a line if it can be shown, and close the open blocks."""
        if in_line:
            self.go_on(beginning)
        elif self._fence is not None:
            if beginning and not lines.may_end_fence(beginning, self._fence.run):
                self.line(beginning)
        elif beginning and not self._hides(beginning):
            self.line(beginning)
        if isinstance(self._head, Text):
            self._flush_head()
        self._flush_table()
        self._close(End.GROWING)

    def _hides(self, beginning: str) -> bool:
        return self._html.is_open or (self._table is not None and not self._pipes) or lines.is_half(beginning)

    def finish(self) -> None:
        """Read the end of the text."""
        for line in self._html.give_up():
            self._read(line)
        self._flush_head()
        self._flush_table()
        self._end_fence()
        self._close()

    def _block(self, kind: lines.Line, *, decided: bool) -> None:
        # Unless `decided`, the next line may still turn a text into a heading or a table.
        match kind:
            case Blank():
                self._close()
                self._blank = True
                self._quoted = False
            case Fence():
                self._begin_fence(kind)
            case Heading():
                self._heading(kind)
            case Rule():
                self._close()
                self._lists.clear()
                self._push(RULE)
            case TableRow():
                self._head = kind
            case Item():
                self._item(kind)
            case Text():
                if not decided and (self._buffer is None or "|" in kind.text):
                    self._head = kind
                else:
                    self._text(kind)
            case _:
                assert_never(kind)

    # Paragraphs

    def _text(self, text: Text) -> None:
        if self._buffer is not None:
            self._grow("\n" + text.text)
            return
        if self._blank:
            self._leave_lists(text.indent)
        self._begin_text("  " * len(self._lists), "  " * len(self._lists), self._inner_seam(len(self._lists)))
        self._grow(("\\" if _LOOKS_LIKE_BLOCK.match(text.text) else "") + text.text)

    def _item(self, item: Item) -> None:
        self._close()
        self._leave_lists(item.indent)
        level = min(len(self._lists), _DEPTH)
        self._lists.append(item.indent)
        self._begin_text("  " * level + item.mark + " ", "  " * (level + 1), self._inner_seam(level))
        inner = lines.read(item.content)
        if isinstance(inner, Fence):
            self._begin_fence(msgspec.structs.replace(inner, indent=item.width))
        elif words := lines.alert_in_item(item.content):
            self.packer.extend(bold(words))
        else:
            self._grow(item.content)

    def _inner_seam(self, level: int) -> Seam:
        return Seam.POOR if level or self._quoted else Seam.LINE

    def _leave_lists(self, indent: int) -> None:
        while self._lists and indent < self._lists[-1] + 2:
            self._lists.pop()

    def _heading(self, heading: Heading) -> None:
        self._close()
        self._lists.clear()
        self._push(heading_text(heading.level, heading.text, End.GROWING if self.growing else End.CLOSED))
        self._after_heading = True

    def _begin_text(self, prefix: str, hang: str, seam: Seam) -> None:
        self._hang = "> " * self._quoted + hang
        self._seam = Seam.POOR if seam is Seam.POOR else Seam.LINE
        self._push("> " * self._quoted + prefix, seam, self._hang, quoted=True)
        self._buffer = ""

    def _push(self, text: str, seam: Seam = Seam.LINE, hang: str = "", *, quoted: bool = False) -> None:
        """Push a row of text that begins a block."""
        if self._quoted and not quoted:
            text, hang = "> " + text, "> "
        gap = 2 if self._blank else 1
        if self._after_heading:
            seam = Seam.POOR
        elif self._blank and seam is not Seam.POOR:
            seam = Seam.PARAGRAPH
        self.packer.push(Row(text, gap, seam, hang=hang))
        self._blank = self._after_heading = False

    def _grow(self, text: str) -> None:
        at = 0
        while at < len(text):
            buffer = self._buffer or ""
            # A window at a time: a paragraph may be megabytes, and each rendering reads all of its text.
            more = text[at : at + _WINDOW - len(buffer)]
            self._buffer = buffer + more
            at += len(more)
            if len(self._buffer) >= _WINDOW:
                whole = self.settle()
                if len(self._buffer) >= _WINDOW:
                    self._settle_inside_a_word(self._buffer, whole)

    def _settle_inside_a_word(self, buffer: str, whole: Sequence[tuple[int, int]]) -> None:
        place = cut_before(buffer, SPAN)
        for start, stop in outermost(whole):
            if start < place < stop:
                place = start or stop
                break
        self._emit(render(buffer[:place], End.CLOSED, self._manner).text)
        self._buffer = buffer[place:]

    def _emit(self, rendered: str) -> None:
        first, *further = lines_of(rendered)
        self.packer.extend(first)
        for text in further:
            self.packer.push(Row(self._hang + text, 1, self._seam, hang=self._hang))

    def _close(self, end: End = End.CLOSED) -> None:
        """End the open paragraph, if there is one."""
        if end is End.CLOSED:
            self._flush_head()
        if self._buffer:
            self._emit(render(self._buffer, end, self._manner).text)
        self._buffer = None
        self._indented = False
        self._indented_blanks = 0

    # Code

    def _begin_fence(self, fence: Fence) -> None:
        if self._buffer is None or self._buffer:
            self._close()
        self._buffer = None
        if fence.note:
            self._push("-# " + escaped(fence.note))
        self._fence, self._fence_quoted = fence, self._quoted
        self._fences += 1
        self._fence_rows = 0
        self._quoted = False

    def _code_line(self, fence: Fence, line: str) -> bool:
        """Take one line inside a fence. Return False if the line ended the fence by leaving its quote."""
        if self._fence_quoted:
            quoted, line = lines.unquoted(line)
            if not quoted:
                self._end_fence()
                return False
        if lines.ends_fence(line, fence.run):
            self._end_fence()
        else:
            self._code(dedented(line, fence.indent), fence.language)
        return True

    def _end_fence(self) -> None:
        if self._fence is not None and not self._fence_rows:
            self._code(" ", self._fence.language)  # Discord shows no empty fence
        self._fence = None

    def _code(self, text: str, language: str = "") -> None:
        """Push a row of code into the newest fence."""
        gap = 2 if self._blank else 1
        seam = Seam.POOR if self._after_heading else Seam.PARAGRAPH if self._blank else Seam.LINE
        self._code_text = CodeText()
        self.packer.push(Row(self._code_text.add(text), gap, seam, self._fences, language))
        self._fence_rows += 1
        self._blank = self._after_heading = False

    def _goes_on_as_code(self, kind: lines.Line, content: str) -> bool:
        """Take `content` if it is a line of an indented code block; return whether it is."""
        if self._indented and isinstance(kind, Blank):
            self._indented_blanks += 1
            return True
        code = isinstance(kind, Text) and kind.indent >= 4 and len(content) <= lines.LONGEST
        if not code or self._lists or self._quoted or self._buffer is not None or self._head is not None:
            self._blank = self._blank or self._indented_blanks > 0
            self._indented, self._indented_blanks = False, 0
            return False
        if not self._indented:
            self._indented = True
            self._fences += 1
        for _ in range(self._indented_blanks):
            self._code("")
        self._indented_blanks = 0
        self._code(dedented(content, 4))
        return True

    def _defines(self, content: str) -> bool:
        """Take a line that defines a reference's target. If a sealed post uses it, the line is shown."""
        if (defined := definition(content)) is None:
            return False
        name, target = defined
        if name not in self._manner.targets:  # the first one counts
            self._manner = Manner(targets={**self._manner.targets, name: target})
            self.packer.rewrite(lambda marked: resolved(marked, name, target))
        if any(is_used(post.body, name) for post in self.packer.sealed):
            self._close()
            self._push(f"[{escaped(name)}]: {atom(target.address)}")
        return True

    # Tables, and lines whose kind the next line decides

    def _decides(self, kind: lines.Line, content: str, *, quoted: bool) -> bool:
        """Take a line that belongs to a table, or that turns the line before into a heading."""
        if self._table is not None:
            if (row := lines.row_of(kind, content, pipes=self._pipes)) is not None:
                self._table.add(row)
                if len(self._table.rows) >= _TABLE_ROWS:
                    self._table = self._push_table(self._table)
                return True
            self._flush_table()
            return False
        head = self._head
        if head is None:
            return False
        if lines.is_delimiter(content) and begins_table(head, content):
            self._head = None
            self._close()
            self._lists.clear()
            self._quoted = False
            self._fences += 1
            self._pipes = isinstance(head, TableRow)
            self._table = Table.begin(head.text, content)
            return True
        if isinstance(head, Text) and self._buffer is None and quoted == self._quoted:
            heading = lines.heading_of(head, content)
            if heading is not None:
                self._head = None
                self._heading(heading)
                return True
        self._flush_head()
        return False

    def _flush_head(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._text(head if isinstance(head, Text) else Text(0, head.text))

    def _flush_table(self) -> None:
        if self._table is not None:
            self._push_table(self._table)
            self._table = None

    def _push_table(self, table: Table) -> Table:
        """Push the rows that the table holds; return the table without them."""
        layout = table.layout()
        for text in layout.lines:
            self._code(text)
        for record in layout.records:
            self._push(record[0], Seam.PARAGRAPH)
            for text in record[1:]:
                self.packer.push(Row(text, 1, Seam.LINE))
            self._blank = True
        if not layout.records:
            self._blank = False
        return layout.rest

"""Reads the cells of an HTML table. Loaded only for a table, since the parser of HTML takes memory."""

import re
from html.parser import HTMLParser

MOST_COLUMNS = 40  # a cell may claim any `colspan`
_ALIGN = re.compile(r"\b(left|right|center)\b", re.IGNORECASE)
_OF_TABLES = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "colgroup", "col"})
_BLOCKS = frozenset({"p", "div", "ul", "ol", "li", "pre"})


class CellReader(HTMLParser):
    """Collects the cells by row. Tags for formatting stay in them, since `inline` reads those."""

    def __init__(self) -> None:
        # `inline` decodes entities: a decoded `<` would be a tag there.
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
            # A cell of a Markdown table is one line.
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
        self._empty_after = min(int(spans) - 1, MOST_COLUMNS) if re.fullmatch("[1-9][0-9]?", spans) else 0
        self._into = []

    def _end_cell(self) -> None:
        if self._into is not None and self._into is not self.caption:
            words = " ".join("".join(self._into).split())
            # Empty cells for a span, so that later cells stay below their heads.
            self.rows[-1] += [words.replace("|", "\\|"), *[""] * self._empty_after]
        self._into = None

    def _add(self, text: str) -> None:
        if self._into is not None:
            self._into.append(text)

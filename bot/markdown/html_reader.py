"""Reads a block of HTML and writes it as Markdown lines. Loaded when the first one comes."""

import re
from html.parser import HTMLParser

from bot.markdown.tags import CODE_TAGS, MARK_TAGS, decoded

_LANGUAGE = re.compile(r"\blanguage-([\w+#.-]{1,20})")
_PARAGRAPHS = frozenset({"p", "div", "section", "article"})
_LISTS = frozenset({"ul", "ol", "dl"})
_MARKS = frozenset({*CODE_TAGS, *MARK_TAGS, "a"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


class HtmlReader(HTMLParser):
    """Writes Markdown lines. Tags within a line stay as they are: `inline` reads them."""

    def __init__(self) -> None:
        # A decoded `&lt;` would be read as the beginning of a tag.
        super().__init__(convert_charrefs=False)
        self.lines: list[str] = []
        self._line = self._before = self._after = ""
        self._numbers: list[int] = []  # of the open lists; 0 for those without numbers
        self._quotes = 0
        self._code: list[str] | None = None
        self._language = ""

    def end_line(self) -> None:
        """Write the line so far, if it has words."""
        words = " ".join(self._line.split())
        if words:
            self.lines.append("> " * self._quotes + self._before + words + self._after)
        self._line = self._before = self._after = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._code is not None:
            found = _LANGUAGE.search(dict(attrs).get("class") or "")
            self._language = found[1] if found is not None else self._language
            # Discord shows no marks in code. Other tags are text: people forget to write `Vec&lt;T&gt;`.
            self._code.append("" if tag in _MARKS else self.get_starttag_text() or "")
        elif tag in _HEADINGS:
            self._begin("#" * int(tag[1]) + " ")
        elif tag in _LISTS:
            self.end_line()
            self._numbers.append(1 if tag == "ol" else 0)
        elif tag in ("li", "dd"):
            self._begin(self._item())
        elif tag == "dt":
            self._begin("**", "**")
        elif tag == "hr":
            self.end_line()
            self.lines += ["", "---"]
        elif tag == "pre":
            self.end_line()
            found = _LANGUAGE.search(dict(attrs).get("class") or "")
            self._code, self._language = [], found[1] if found is not None else ""
        elif tag == "blockquote":
            self.end_line()
            self._quotes += 1
        elif tag in _PARAGRAPHS:
            self.end_line()
        else:
            self._line += self.get_starttag_text() or ""

    def handle_endtag(self, tag: str) -> None:
        if self._code is not None:
            if tag == "pre":
                self._end_code("".join(self._code).strip("\n"))
            else:
                self._code.append("" if tag in _MARKS else f"</{tag}>")
        elif tag in _LISTS:
            self.end_line()
            del self._numbers[-1:]
        elif tag == "blockquote":
            self.end_line()
            # Tags may close what was never opened.
            self._quotes = max(0, self._quotes - 1)
        elif tag in _HEADINGS or tag in _PARAGRAPHS or tag in ("li", "dd", "dt"):
            self.end_line()
        else:
            self._line += f"</{tag}>"

    def handle_data(self, data: str) -> None:
        if self._code is not None:
            self._code.append(data)
        else:
            self._line += data

    def handle_decl(self, decl: str) -> None:
        self.handle_data(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.handle_data(f"<?{data}>")

    def handle_entityref(self, name: str) -> None:
        self._add_entity(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add_entity(f"&#{name};")

    def _add_entity(self, entity: str) -> None:
        # Outside of code `inline` decodes it: a decoded `<` would be a tag there.
        self.handle_data(decoded(entity) if self._code is not None else entity)

    def _begin(self, before: str, after: str = "") -> None:
        self.end_line()
        self._before, self._after = before, after

    def _item(self) -> str:
        indent = "  " * max(0, len(self._numbers) - 1)
        number = self._numbers[-1] if self._numbers else 0
        if not number:
            return f"{indent}- "
        self._numbers[-1] += 1
        return f"{indent}{number}. "

    def _end_code(self, code: str) -> None:
        # Longer than any run in the code, which would end the fence.
        run = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`{3,}", code))])
        self.lines += [f"{run}{self._language}", *code.split("\n"), run]
        self._code = None

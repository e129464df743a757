"""Escapes HTML inside Markdown, so that a renderer of the exported Markdown finds no tags.

Works on one text that a person or Claude wrote. Code stays as it is: renderers read no tags in it.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from markdown_it import MarkdownIt

_TAG_BEGINS = re.compile(r"<(?=[A-Za-z/!?])(?!https?://[^\s<>`]{1,900}>)")
_SIGN = re.compile(r"\\.|`+|<", re.DOTALL)
_TICKS = re.compile("`+")
# A block of HTML begins in the middle of a paragraph, even inside of what would be a code span.
_IN_A_SPAN = re.compile(r"(\n[ \t]*)?<")
_FOOTNOTE = re.compile(r"[ \t>*+-]*\[\^")
_FENCE_END = re.compile(r" {0,3}(?:`{3,}|~{3,})[ \t]*")
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")


def without_html(text: str) -> str:
    """Return the Markdown `text` with every tag outside of code escaped, and its last fence closed."""
    if "<" not in text and "```" not in text and "~~~" not in text:
        return text
    lines = text.split("\n")
    tokens = [token for token in _PARSER.parse(text) if token.type in ("inline", "fence") and token.map]
    shown = {number for token in tokens for number in range(*(token.map or ()))}
    for number, line in enumerate(lines):
        # For CommonMark this defines a reference, not shown; for others it is a footnote with any text.
        if number not in shown and _FOOTNOTE.match(line):
            lines[number] = line.replace("<", "&lt;")
    for (begin, end, kind), group in groupby(tokens, lambda token: (*(token.map or ()), token.type)):
        if kind == "inline":  # several tokens on one line are the cells of a table's row
            contents = [token.content for token in group]
            lines[begin:end] = _escaped("\n".join(lines[begin:end]), contents).split("\n")
            continue
        (fence,) = group
        if not fence.level and not _closes(lines[end - 1], fence.markup, end - begin):
            lines[end - 1] += f"\n{fence.markup}"  # an open fence would make the rest of the document code
    return "\n".join(lines)


def _closes(line: str, markup: str, count: int) -> bool:
    return count > 1 and _FENCE_END.fullmatch(line) is not None and line.strip().startswith(markup)


def _escaped(source: str, contents: Sequence[str]) -> str:
    """Return the lines `source`, whose texts are `contents`, with the tags escaped.

    `source` also has the marks of quotes, lists and tables. None of these is a `<`: both have the same ones.
    """
    in_code = [each for content in contents for each in _in_code(content)]
    if source.count("<") != len(in_code):  # for example, the target of a reference contains one
        return source.replace("<", "&lt;")
    states = iter(in_code)

    def escape(sign: re.Match[str]) -> str:
        is_tag = not next(states) and _TAG_BEGINS.match(source, sign.start()) is not None
        return "&lt;" if is_tag else "<"

    return re.sub("<", escape, source)


def _in_code(content: str) -> list[bool]:
    """Return for each `<` in the text of a block whether it is inside a code span."""
    runs: dict[int, list[int]] = {}
    for run in reversed(list(_TICKS.finditer(content))):
        runs.setdefault(len(run[0]), []).append(run.start())
    found: list[bool] = []
    at = 0
    while sign := _SIGN.search(content, at):
        at = sign.end()
        if sign[0] == "<":
            found.append(False)
        elif sign[0][0] == "`":
            places = runs.get(len(sign[0]), [])
            while places and places[-1] < at:
                places.pop()
            if places:  # the next run of equal length closes the span; a backslash inside escapes nothing
                found += [each[1] is None for each in _IN_A_SPAN.finditer(content, at, places[-1])]
                at = places[-1] + len(sign[0])
        elif sign[0] == "\\<":
            found.append(False)
    return found

"""Markdown as a tree of plain values, for the template of PDFs. Pure.

A PDF is made of data, never of markup: nothing that Claude or a person wrote is read as Typst.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Node = dict[str, Any]
_LONGEST_RUN = 60
"""Characters of a line of code without a space, after which it may break."""
_BLOCKS = {
    "paragraph": "p",
    "blockquote": "quote",
    "bullet_list": "list",
    "ordered_list": "enum",
    "list_item": "item",
    "table": "table",
    "thead": "rows",
    "tbody": "rows",
    "tr": "row",
    "th": "cell",
    "td": "cell",
}
_INLINE = {"em": "em", "strong": "strong", "s": "s"}


def markdown_nodes(text: str) -> list[Node]:
    """Return Markdown (CommonMark with tables) as a list of blocks. Images are left out."""
    # No images: Typst would load them, and the process may read no file.
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return _nodes(SyntaxTreeNode(parser.parse(text)).children)


def plain(text: str) -> list[Node]:
    """Return plain text as paragraphs that keep their line ends."""
    return [_directed({"t": "p", "c": _lines(part)}, part) for part in text.split("\n\n") if part.strip()]


def code(text: str, language: str = "") -> Node:
    """Return text as a block of code whose long lines can break."""
    return {
        "t": "pre",
        "v": breakable(text),
        "lang": language.split(maxsplit=1)[0][:30] if language.strip() else "",
    }


def breakable(text: str) -> str:
    """Return `text` with places to break at within long runs without spaces."""
    made, run = [], 0
    for char in text:
        run = 0 if char.isspace() else run + 1
        made.append(char)
        if run == _LONGEST_RUN:
            # A zero-width space, at which Typst may break the line.
            made.append("\u200b")
            run = 0
    return "".join(made)


def _nodes(children: Sequence[SyntaxTreeNode]) -> list[Node]:
    return [node for child in children for node in _node(child)]


def _node(node: SyntaxTreeNode) -> list[Node]:
    match node.type:
        case "heading":
            return [_directed({"t": "h", "level": int(node.tag[1:]), "c": _nodes(node.children)}, _text(node))]
        case "fence" | "code_block":
            return [code(node.content.rstrip("\n"), node.info)]
        case "code_inline":
            return [{"t": "code", "v": breakable(node.content)}]
        case "hr":
            return [{"t": "hr"}]
        case "inline":
            return _nodes(node.children)
        case "link":
            return [{"t": "link", "c": _nodes(node.children), "to": str(node.attrs.get("href", ""))}]
        case "softbreak":
            return [{"t": "text", "v": " "}]
        case "hardbreak":
            return [{"t": "br"}]
        case "table":
            rows = [_nodes(row.children) for part in node.children for row in part.children]
            return [{"t": "table", "columns": max(map(len, rows), default=1), "rows": rows}]
        case kind if kind in _BLOCKS:
            made: Node = {"t": _BLOCKS[kind], "c": _nodes(node.children)}
            if kind == "ordered_list":
                made["start"] = int(str(node.attrs.get("start", 1)))
            return [_directed(made, _text(node)) if kind == "paragraph" else made]
        case kind if kind in _INLINE:
            return [{"t": _INLINE[kind], "c": _nodes(node.children)}]
        case _:
            return [{"t": "text", "v": node.content}] if node.content else _nodes(node.children)


def _lines(text: str) -> list[Node]:
    nodes: list[Node] = []
    for number, line in enumerate(text.strip("\n").split("\n")):
        if number:
            nodes.append({"t": "br"})
        nodes.append({"t": "text", "v": breakable(line)})
    return nodes


def _text(node: SyntaxTreeNode) -> str:
    return node.content if node.type in ("text", "inline") else "".join(map(_text, node.children))


def _directed(node: Node, text: str) -> Node:
    """Mark a node whose first letter is of a script that is written from right to left."""
    for char in text:
        kind = unicodedata.bidirectional(char)
        if kind in ("R", "AL"):
            # The first letter with a direction decides, as browsers do with `dir=auto`.
            return {**node, "rtl": True}
        if kind == "L":
            return node
    return node

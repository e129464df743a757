"""A session as a PDF, by Typst in a process of its own with limits on memory and time.

Needs the extra `pdf`. The text of a conversation is anybody's: it goes in as data, the process gets no files,
no environment and no network. Run as a program, this module is that process: JSON on stdin, the PDF on stdout.
"""

import asyncio
import json
import resource
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, assert_never

from machine.limited_process import run_module
from service.export_text import Redact, footer_words, heading_words, summary_words, tool_input
from service.pdf_nodes import Node, code, markdown_nodes, plain
from sessions.archive import ArchivedTurn, SessionArchive
from sessions.errors import PdfRefused
from sessions.model import Block, Note, Other, Text, Thinking, ToolCall, ToolOutput
from texts.hosts import names_another_host
from texts.unseen import as_seen

MOST_TURNS = 2_000
_MOST_TOOL_CHARS = 4_000
_MEMORY_BYTES = 3 << 30
_CPU_S = 60
_DEADLINE_S = 60.0


def has_pdf() -> bool:
    """Whether the extra `pdf` is installed."""
    return find_spec("typst") is not None


async def to_pdf(archive: SessionArchive, redact: Redact) -> bytes:
    """Return the session as a PDF. Raises `PdfRefused` without the extra, or if it is too long."""
    if not has_pdf():
        raise PdfRefused("PDFs need `make pdf` on the machine. Take HTML and print it in a browser instead.")
    if len(archive.turns) > MOST_TURNS:
        raise PdfRefused(f"A PDF holds at most {MOST_TURNS:,} turns. Take HTML instead.")
    data = await asyncio.to_thread(lambda: json.dumps(_document(archive, redact)).encode())
    try:
        # The text on stdin, not in an argument or a file: arguments are short, and other users can read them.
        exited = await run_module("service.pdf_export", data=data, deadline_s=_DEADLINE_S)
    except TimeoutError:
        raise PdfRefused("Making the PDF took too long. Take HTML instead.") from None
    # Both: a process that was killed while it wrote has a code, one that printed something else has not.
    if exited.code != 0 or not exited.stdout.startswith(b"%PDF"):
        raise PdfRefused("The PDF could not be made. Take HTML instead.")
    return exited.stdout


def _document(archive: SessionArchive, redact: Redact) -> Mapping[str, Any]:
    def shown(text: str) -> str:
        return redact(as_seen(text))

    return {
        "title": " ".join(shown(archive.title).split()) or "Session",
        "summary": summary_words(archive),
        "turns": [_turn(each, shown) for each in archive.turns],
    }


def _turn(each: ArchivedTurn, shown: Redact) -> Mapping[str, Any]:
    parts = (_part(block, shown) for block in each.blocks)
    return {
        "heading": heading_words(each),
        "prompt": plain(shown(each.turn.prompt)),
        "parts": [part for part in parts if part is not None],
        "footer": shown(footer_words(each)),
    }


def _part(block: Block, shown: Redact) -> Mapping[str, Any] | None:
    match block:
        case Text():
            return _made(_linked(markdown_nodes(shown(block.text))))
        case Thinking():
            return _made(_linked(markdown_nodes(shown(block.text))), "Thinking") if block.text else None
        case ToolCall():
            return _made([code(_cut(shown(tool_input(block))), "json")], shown(block.name))
        case ToolOutput():
            text = _cut(shown(block.shown))
            label = "Failed" if block.is_error else "Result"
            return _made([code(text, "diff" if block.patch else "")], label, failed=block.is_error)
        case Note():
            return _made(plain(shown(block.text)))
        case Other():
            # Blocks of unknown kinds have no form on paper; JSON and HTML show them.
            return None
        case _:
            assert_never(block)


def _made(nodes: list[Node], label: str = "", *, failed: bool = False) -> Mapping[str, Any]:
    return {"label": label, "failed": failed, "nodes": nodes}


def _linked(nodes: list[Node]) -> list[Node]:
    """Show the address of each link whose words do not tell it: nobody can hover over paper."""
    for node in nodes:
        if node["t"] == "link":
            words = "".join(str(each.get("v", "")) for each in node["c"])
            node["shows"] = words != node["to"] or names_another_host(words, node["to"])
        _linked(node.get("c", []))
        for row in node.get("rows", []):
            _linked(row)
    return nodes


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TOOL_CHARS else f"{text[:_MOST_TOOL_CHARS]}\n… (cut)"


def main() -> int:
    """Make one PDF within the limits. Any error ends the process with a traceback and code 1."""
    data = sys.stdin.buffer.read()
    # A conversation is anybody's text: one that makes the compiler grow or loop ends this process, not the
    # bridge.
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    import typst

    inputs = {"data": data.decode()}
    with tempfile.TemporaryDirectory() as made_for_this:
        # Only the template lies below the root, so no path leads to another file.
        root = Path(made_for_this)
        template = root / "session.typ"
        template.write_bytes(files("service").joinpath("pdf_template.typ").read_bytes())
        made = typst.compile(template, root=root, format="pdf", sys_inputs=inputs, package_path=root)
    sys.stdout.buffer.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())

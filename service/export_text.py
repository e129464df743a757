"""A session for reading: Markdown, or a single HTML page without scripts. Pure: from an archive to text.

Everything that Claude and people wrote is treated as text. The HTML page escapes all of it, including raw HTML
in Markdown.
"""

import html
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import assert_never

from api.prices import price_mark
from api.words.failures import ended_because
from service.raw_html import without_html
from sessions.archive import ArchivedTurn, SessionArchive
from sessions.model import Block, Note, Other, Text, Thinking, ToolCall, ToolOutput, TurnKind, TurnStatus
from texts.markdown_code import fence_around
from texts.markdown_html import MarkdownHtml, code_colours, highlighted
from texts.unseen import as_seen

Redact = Callable[[str], str]

_MAX_TOOL_CHARS = 20_000
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #8889; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
header { border-bottom: 1px solid var(--line); margin-bottom: 2rem; }
.turn { margin: 2.5rem 0; } .dim { color: var(--dim); font-size: .85rem; }
.prompt { border-left: 3px solid #5865f2; padding: .2rem 1rem; white-space: pre-wrap; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); font-size: .85rem; }
details { border: 1px solid var(--line); border-radius: .4rem; padding: .3rem .8rem; margin: .5rem 0; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .3rem .6rem; }
@media print { :root { --dim: #444; --line: #bbb; }
  body { margin: 0; max-width: none; font-size: 11pt; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  details::details-content { content-visibility: visible; height: auto; } summary { list-style: none; }
  .turn { break-inside: auto; } h2, summary { break-after: avoid; } pre, table { break-inside: auto; }
}
@page { margin: 2cm; @bottom-right { content: counter(page) " / " counter(pages); } }
.note { font-style: italic; } .right { text-align: right; } .center { text-align: center; }
"""


def to_markdown(archive: SessionArchive, redact: Redact) -> str:
    """Return the session as one Markdown document."""
    parts = [f"# {_name(archive.title) or 'Session'}", summary_words(archive)]
    for each in archive.turns:
        parts.append(f"## {heading_words(each)}")
        if each.turn.prompt:
            # Each line is quoted, else a heading in a prompt would look like one of the document.
            parts.append("\n".join(f"> {line}" for line in _text(each.turn.prompt).split("\n")))
        parts.extend(_block_markdown(block) for block in each.blocks)
        parts.append(f"*{_name(footer_words(each))}*")
    return redact("\n\n".join(part for part in parts if part) + "\n")


def summary_words(archive: SessionArchive) -> str:
    """Return one line about the whole session."""
    return (
        f"{len(archive.turns)} turns · {archive.model or 'default model'} · ${archive.cost_usd:.4f}"
        f"{price_mark(archive.cost_usd, archive.list_price_usd)} · "
        f"begun {_time(archive.created_ms)} · exported {_time(archive.exported_ms)}"
    )


def heading_words(each: ArchivedTurn) -> str:
    """Return the heading of a turn."""
    turn = each.turn
    who = "Background work" if turn.kind is TurnKind.BACKGROUND else f"Prompt {turn.number}"
    again = " (asked again)" if turn.alternative_of else ""
    return f"{who}{again}"


def footer_words(each: ArchivedTurn) -> str:
    """Return the time, duration, tokens and cost of a turn, and why it ended if it failed."""
    turn = each.turn
    tokens = f"{turn.usage.input_tokens:,} tokens in, {turn.usage.output_tokens:,} out"
    reason = ended_because(turn)
    end = "" if turn.status is TurnStatus.DONE else f" · {turn.status}{': ' + reason if reason else ''}"
    cost = f"${turn.cost_usd:.4f}{price_mark(turn.cost_usd, turn.list_price_usd)}"
    return f"{_time(turn.queued_ms)} · {turn.duration_ms / 1000:.1f} s · {tokens} · {cost}{end}"


def _block_markdown(block: Block) -> str:
    match block:
        case Text():
            return _text(block.text)
        case Thinking():
            if not block.text:
                return ""
            return f"<details><summary>Thinking</summary>\n\n{_text(block.text)}\n\n</details>"
        case ToolCall():
            return f"**{_name(block.name)}**\n\n{_fenced(tool_input(block), 'json')}"
        case ToolOutput():
            label = "Failed" if block.is_error else "Result"
            return f"{label}:\n\n{_fenced(_cut(block.shown), 'diff' if block.patch else '')}"
        case Note():
            return f"*{_name(block.text)}*"
        case Other():
            return _fenced(json.dumps(block.body, ensure_ascii=False, indent=1), "json")
        case _:
            assert_never(block)


def _text(text: str) -> str:
    # Readers of Markdown run HTML, and this text may come from a web page that Claude read.
    return without_html(as_seen(text))


def _name(text: str) -> str:
    # On one line, so that it cannot begin a block of its own.
    return _line(as_seen(text)).replace("<", "&lt;")


def _fenced(text: str, language: str) -> str:
    text = as_seen(text)
    fence = fence_around(text)
    return f"{fence}{language}\n{text}\n{fence}"


def to_html(archive: SessionArchive, redact: Redact) -> str:
    """Return the session as one HTML page: readable offline, code highlighted, no scripts, nothing loaded."""

    def shown(text: str) -> str:
        # Invisible characters go first: one of them within a secret would hide it from the redactor.
        return redact(as_seen(text))

    renderer = MarkdownHtml()
    turns = "\n".join(_turn_html(each, renderer, shown) for each in archive.turns)
    title = html.escape(shown(_line(archive.title)) or "Session")
    # If a tag got through the escaping all the same, the browser would load and run nothing.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}{code_colours()}</style></head><body>"
        f'<header><h1>{title}</h1><p class="dim">{html.escape(summary_words(archive))}</p></header>'
        f"<main>{turns}</main></body></html>\n"
    )


def _turn_html(each: ArchivedTurn, renderer: MarkdownHtml, redact: Redact) -> str:
    prompt = ""
    if each.turn.prompt:
        # As text: a person typed it, and Markdown would change what it says.
        prompt = f'<div class="prompt">{html.escape(redact(each.turn.prompt))}</div>'
    blocks = "\n".join(_block_html(block, renderer, redact) for block in each.blocks)
    return (
        f'<section class="turn"><h2 class="dim">{html.escape(heading_words(each))}</h2>{prompt}{blocks}'
        f'<p class="dim">{html.escape(redact(footer_words(each)))}</p></section>'
    )


def _block_html(block: Block, renderer: MarkdownHtml, redact: Redact) -> str:
    match block:
        case Text():
            return renderer.render(redact(block.text))
        case Thinking():
            return _details("Thinking", renderer.render(redact(block.text))) if block.text else ""
        case ToolCall():
            return _details(redact(block.name), highlighted(redact(tool_input(block)), "json"))
        case ToolOutput():
            shown = redact(_cut(block.shown))
            label = "Failed" if block.is_error else "Result"
            return _details(label, highlighted(shown, "diff" if block.patch else "text"))
        case Note():
            return f'<p class="note">{html.escape(redact(block.text))}</p>'
        case Other():
            shown = redact(json.dumps(block.body, ensure_ascii=False, indent=1))
            return _details(redact(block.kind), highlighted(shown, "json"))
        case _:
            assert_never(block)


def _details(label: str, body: str) -> str:
    return f"<details><summary>{html.escape(label)}</summary>{body}</details>"


def tool_input(block: ToolCall) -> str:
    """Return the input of a tool as JSON, cut if it is long."""
    return _cut(json.dumps(block.input, ensure_ascii=False, indent=1))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TOOL_CHARS else f"{text[:_MAX_TOOL_CHARS]}\n… (cut)"


def _line(text: str) -> str:
    return " ".join(text.split())


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")

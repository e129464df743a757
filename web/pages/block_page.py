"""The page of one whole block: a very long answer or result of a tool, in parts."""

import asyncio
from collections.abc import Sequence
from html import escape

import api as c
from api.access import Actor
from sessions.model import Block, Note, Other, Text, Thinking, ToolCall, ToolOutput
from texts.pieces import pieces_of
from web.pages import fragments
from web.pages.work_frame import place_of, work_page
from web.parts import WebParts
from web.problems import Refused

_PART_CHARS = 100_000


async def block_page(
    parts: WebParts, actor: Actor, session_id: str, turn_id: str, ordinal: int, number: int
) -> str:
    """Return part `number` of a block, counted from 1. Raises `TurnNotFound`, `Refused` without such a part."""
    info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
    block = await read_block(parts, actor, session_id, turn_id, ordinal)
    text, is_markdown = text_of_block(block), isinstance(block, Text | Thinking)
    # In a thread: to cut the longest answers takes a third of a second.
    found = await asyncio.to_thread(_pieces, text, is_markdown=is_markdown)
    if not 1 <= number <= len(found):
        raise Refused(404, "part_not_found", "There is no such part.")
    shown = found[number - 1]
    if is_markdown:
        html = f'<div class="block text">{await parts.renderer.markdown(shown)}</div>'
    else:
        html = f'<pre class="code whole">{fragments.text_of(shown)}</pre>'
    place = f"{place_of(parts.options, session_id)}/turns/{escape(turn_id)}/blocks/{ordinal}"
    ways = _ways(place, number, len(found))
    back = f"{place_of(parts.options, session_id)}#t-{escape(turn_id)}"
    size = fragments.size_words(len(text.encode(errors="replace")))
    top = (
        f'<p><a class="back" href="{back}">To this turn</a> · {size} · <a href="{place}/text">As a file</a></p>'
    )
    return work_page(parts, actor, info, "/whole", _heading(block), f"{top}{ways}{html}{ways}")


def _pieces(text: str, *, is_markdown: bool) -> list[str]:
    return list(pieces_of(text, _PART_CHARS, is_markdown=is_markdown)) or [""]


async def read_block(parts: WebParts, actor: Actor, session_id: str, turn_id: str, ordinal: int) -> Block:
    """Return a block, whole. Raises `TurnNotFound`."""
    command = c.ReadBlock(session_id=session_id, turn_id=turn_id, ordinal=ordinal)
    return (await parts.core.perform(actor, command)).block


def text_of_block(block: Block) -> str:
    """Return a block's text: Markdown of an answer, plain text of a tool."""
    match block:
        case Text() | Thinking() | Note():
            return block.text
        case ToolCall():
            return fragments.pretty(block.input)
        case ToolOutput():
            return block.patch or block.shown
        case Other():
            return fragments.pretty(block.body)


def _heading(block: Block) -> str:
    return "The whole answer" if isinstance(block, Text) else "The whole text"


def _ways(place: str, number: int, count: int) -> str:
    if count == 1:
        return ""
    links: Sequence[str] = [
        f'<a href="{place}?part={number - 1}" rel="prev">Earlier</a>' if number > 1 else "",
        f"<span>Part {number} of {count}</span>",
        f'<a href="{place}?part={number + 1}" rel="next">Later</a>' if number < count else "",
    ]
    return f'<nav class="row parts" aria-label="Parts">{"".join(links)}</nav>'

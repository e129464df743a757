"""The places that a search found in conversations: their list, and the marks on a session's page."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape, unescape
from itertools import groupby
from urllib.parse import quote, urlencode

import api as c
from api.access import Actor
from web.pages import fragments
from web.parts import WebParts

_SHOWN = 50
_LABELS = {c.FoundIn.PROMPT: "Prompt", c.FoundIn.ANSWER: "Answer", c.FoundIn.TOOL: "Tool"}
_PIECE = re.compile(r"(<[^<>]*>)|([^<]+)")


async def found_places(parts: WebParts, actor: Actor, text: str, cursor: str) -> str:
    """Return the places with all words of `text`, newest first, under the titles of their sessions."""
    found = await parts.core.perform(actor, c.Search(text=text, cursor=cursor, limit=_SHOWN))
    base = escape(parts.options.base_path, quote=True)
    # Neighbours only, to keep the order by time: a session may stand in the list twice.
    listed = "".join(
        _session(list(places), base, text) for _, places in groupby(found.places, lambda each: each.session_id)
    )
    words = [] if listed else ['<p class="dim">No prompt, answer or tool has all these words.</p>']
    if not found.is_complete:
        words.append('<p class="warn">Older sessions are still being read. Search again in a minute.</p>')
    if found.cursor:
        more = escape(f"?{urlencode({'text': text, 'cursor': found.cursor})}", quote=True)
        words.append(f'<p class="older"><a href="{more}">Older places</a></p>')
    heading = '<h2 id="ph">In conversations</h2>'
    return f'<section id="places" aria-labelledby="ph">{heading}{listed}{"".join(words)}</section>'


def _session(places: list[c.FoundPlace], base: str, text: str) -> str:
    first = places[0]
    title = fragments.text_of(fragments.one_line(first.title, 80) or "Session")
    facts = [first.project, "ended" if first.is_ended else ""]
    dim = " · ".join(fragments.text_of(fact) for fact in facts if fact)
    listed = "".join(_place(each, base, text) for each in places)
    return f'<article class="found"><h3>{title} <span class="dim">{dim}</span></h3><ul>{listed}</ul></article>'


def _place(place: c.FoundPlace, base: str, text: str) -> str:
    where = f"{base}/chat/{escape(place.session_id)}?{urlencode({'at': place.turn_number, 'find': text})}"
    element = (
        f"t-{place.turn_id}" if place.ordinal is None else fragments.block_id(place.turn_id, place.ordinal)
    )
    day = datetime.fromtimestamp(place.at_ms / 1000, UTC).astimezone().strftime("%-d %B %Y, %H:%M")
    return (
        f'<li><a href="{escape(where, quote=True)}#{quote(element)}">{_marked_excerpt(place)}</a>'
        f'<span class="dim">{_LABELS[place.found_in]} · {day}</span></li>'
    )


def _marked_excerpt(place: c.FoundPlace) -> str:
    parts, at = [], 0
    for begin, end in place.marks:
        parts.append(f"{fragments.text_of(place.excerpt[at:begin])}<mark>")
        parts.append(f"{fragments.text_of(place.excerpt[begin:end])}</mark>")
        at = end
    return "".join([*parts, fragments.text_of(place.excerpt[at:])])


def marked(html: str, pattern: re.Pattern[str], tag: str = "<mark>") -> str:
    """Return `html` with `tag`, a mark, around what `pattern` matches in its text. Pure.

    Only for HTML of ours, in which `<` and `>` stand around tags and nowhere else.
    """
    return "".join(_marked_pieces(html, pattern, tag))


def opened(html: str) -> str:
    """Return `html`, a marked block, with its first fold open if there is a mark in it."""
    return html.replace("<details>", "<details open>", 1) if "<mark>" in html else html


def _marked_pieces(html: str, pattern: re.Pattern[str], mark: str) -> Iterable[str]:
    for tag, words in _PIECE.findall(html):
        # Unescaped for the search and escaped again: `&amp;` must be found as `&`, and never cut.
        yield tag or _marked_text(unescape(words), pattern, mark)


def _marked_text(words: str, pattern: re.Pattern[str], mark: str) -> str:
    parts, at = [], 0
    for found in pattern.finditer(words):
        parts.append(f"{escape(words[at : found.start()])}{mark}{escape(found[0])}</mark>")
        at = found.end()
    return "".join([*parts, escape(words[at:])])

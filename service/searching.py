"""Carries out the commands of `api/searching.py`."""

import re
from pathlib import PurePath

import api as c
from api.access import Actor
from api.words.tools import relative
from service.parts import ServiceParts
from service.session_list import visible_to
from sessions.rows.search import FoundText, fill_index, find_texts
from sessions.search_words import Words

_MOST = 100
_PATIENCE_S = 0.5
"""A search waits this long for new texts to get into the index."""
_BEFORE, _EXCERPT_CHARS = 60, 220
_CURSOR = re.compile(r"-?[0-9]{1,18}")


async def search(parts: ServiceParts, actor: Actor, command: c.SearchingCommand) -> c.FoundPlaces:
    """Return the places that `command` looks for."""
    db, words = parts.manager.db, Words.of(command.text)
    pattern = words.pattern
    if pattern is None:
        return c.FoundPlaces(())
    # The index is filled beside the events, so the newest texts may be missing yet.
    is_complete = await fill_index(db, within_s=_PATIENCE_S)
    limit = max(1, min(command.limit, _MOST))
    # The cursor comes from a client: anything else than a number means the first page.
    below = int(command.cursor) if _CURSOR.fullmatch(command.cursor) else None
    found = await find_texts(db, words, visible_to(actor), below=below, limit=limit)
    cursor = str(found[-1].place) if len(found) == limit else ""
    return c.FoundPlaces(tuple(_place(each, pattern) for each in found), cursor, is_complete)


def _place(found: FoundText, pattern: re.Pattern[str]) -> c.FoundPlace:
    text = relative(found.text, PurePath(found.directory).name) if found.kind == "tool_call" else found.text
    excerpt, marks = excerpt_of(text, pattern)
    kinds = {"prompt": c.FoundIn.PROMPT, "text": c.FoundIn.ANSWER}
    return c.FoundPlace(
        session_id=found.session_id,
        title=found.title,
        project=found.project,
        is_ended=found.is_ended,
        turn_id=found.turn_id,
        turn_number=found.number,
        ordinal=found.ordinal,
        found_in=kinds.get(found.kind, c.FoundIn.TOOL),
        at_ms=found.at_ms,
        excerpt=excerpt,
        marks=marks,
    )


def excerpt_of(text: str, pattern: re.Pattern[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return one line of `text` around the first match, and the matches in it. Pure."""
    first = pattern.search(text)
    begin = max(0, first.start() - _BEFORE) if first else 0
    end = begin + _EXCERPT_CHARS
    if begin:
        # Begin with a whole word, if one begins soon.
        space = text.find(" ", begin, begin + 20)
        begin = space + 1 if space >= 0 else begin
    line = " ".join(text[begin:end].split())
    line = f"{'… ' if begin else ''}{line}{' …' if end < len(text) else ''}"
    return line, tuple(found.span() for found in pattern.finditer(line))

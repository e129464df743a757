"""The SQL of the search: the index over prompts, answers and tool calls, how it is filled, and how it is asked.

Triggers mark a turn when it gets a text. `fill_index` puts the texts of marked turns into the index.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from sessions.model import SessionId, TurnId
from sessions.search_words import Words, literal
from storage import BulkStatement, Database, Row, SqlValue, Statement

_BATCH_S = 0.03
"""Other changes wait while the index grows: a step shall take no longer than this."""
_MOST_TURNS = 200
_GONE_AT_ONCE = 50
_MERGED_PAGES = 64
"""Merging so many takes about 10 ms."""
_TO_ERASE = 0
"""In `search_gone`: the index still holds parts of what was taken out. No turn has this number."""

_FILL = """
INSERT INTO search_texts (rowid, text)
SELECT search_turns.number << 20, prompt FROM search_turns JOIN turns ON turns.id = turn_id
WHERE is_due AND through < -1 AND prompt <> '' AND search_turns.number IN (SELECT value FROM json_each(?))
UNION ALL
SELECT (number << 20) + ordinal + 1, CASE kind
    WHEN 'text' THEN coalesce(body ->> 'text', '')
    ELSE coalesce(body ->> 'name', '') || ' ' || coalesce((
        SELECT group_concat(value, ' ') FROM json_each(body, '$.input') WHERE type = 'text' AND key IN (
            'command', 'file_path', 'notebook_path', 'pattern', 'path', 'url', 'query', 'description', 'skill'
        )
    ), '') END
FROM search_turns JOIN blocks USING (turn_id)
WHERE is_due AND ordinal > through AND kind IN ('text', 'tool_call') AND json_valid(body)
AND number IN (SELECT value FROM json_each(?))
"""
"""The fields of a tool's input are those that tell a person what the tool did."""
_FILLED = (
    "UPDATE search_turns SET is_due = 0, through ="
    " (SELECT coalesce(max(ordinal), -1) FROM blocks WHERE blocks.turn_id = search_turns.turn_id)"
    " WHERE number IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True, slots=True)
class FoundText:
    """A text of the index that has the words. `ordinal` is that of the block; None for the prompt."""

    place: int
    session_id: SessionId
    title: str
    project: str
    directory: str
    is_ended: bool
    turn_id: TurnId
    number: int
    at_ms: int
    ordinal: int | None
    kind: str
    text: str


async def find_texts(
    db: Database, words: Words, visible: tuple[str, Sequence[SqlValue]], *, below: int | None, limit: int
) -> list[FoundText]:
    """Return texts with all of `words`, newest first, in sessions for which `visible` (a condition) holds.

    `below` is the `place` of the last one of the page before.
    """
    having, values = _condition(words)
    if not having:
        return []
    if below is not None:
        having += " AND search_texts.rowid < ?"
        values.append(below)
    rows = await db.read(
        "SELECT search_texts.rowid, sessions.id, title, project, sessions.status = 'ended', turns.id,"  # noqa: S608
        " turns.number, coalesce(started_ms, queued_ms), search_texts.text, blocks.kind, work_directory"
        # CROSS: the index comes first, else SQLite may read it once for each session.
        " FROM search_texts CROSS JOIN search_turns ON search_turns.number = search_texts.rowid >> 20"
        " CROSS JOIN turns ON turns.id = search_turns.turn_id CROSS JOIN sessions ON sessions.id = session_id"
        " LEFT JOIN blocks ON blocks.turn_id = turns.id AND ordinal = (search_texts.rowid & 1048575) - 1"
        f" WHERE {having} AND sessions.id IN (SELECT id FROM sessions WHERE {visible[0]})"
        " ORDER BY search_texts.rowid DESC LIMIT ?",
        (*values, *visible[1], limit),
    )
    return [_found(row) for row in rows]


def _condition(words: Words) -> tuple[str, list[SqlValue]]:
    """Return a condition on rows of `search_texts`, and its values. No character of a word is syntax."""
    parts: list[str] = []
    values: list[SqlValue] = []
    if words.indexed:
        parts.append("search_texts MATCH ?")
        values.append(" AND ".join('"{}"'.format(word.replace('"', '""')) for word in words.indexed))
    # Trigrams find nothing below three characters: shorter words are looked for in the texts themselves.
    for word in words.short:
        parts.append("search_texts.text LIKE ? ESCAPE '\\'")
        values.append(f"%{literal(word)}%")
    return " AND ".join(parts), values


def _found(row: Row) -> FoundText:
    place = int(str(row[0]))
    # A row's number is the turn's number, then 20 bits: 0 for the prompt, else the block's ordinal and one.
    ordinal = (place & 0xFFFFF) - 1
    return FoundText(
        place=place,
        session_id=SessionId(str(row[1])),
        title=str(row[2]),
        project=str(row[3]),
        directory=str(row[10] or ""),
        is_ended=bool(row[4]),
        turn_id=TurnId(str(row[5])),
        number=int(str(row[6])),
        at_ms=int(str(row[7])),
        ordinal=ordinal if ordinal >= 0 else None,
        text=str(row[8]),
        kind=str(row[9] or "prompt"),
    )


def sessions_with(words: Words) -> tuple[str, list[SqlValue]]:
    """Return a condition on rows of `sessions` whose turns have all of `words` in one text, and its values."""
    having, values = _condition(words)
    turns = "SELECT session_id FROM turns JOIN search_turns ON turn_id = turns.id"
    found = f"SELECT search_texts.rowid >> 20 FROM search_texts WHERE {having}"  # noqa: S608
    return f"id IN ({turns} WHERE search_turns.number IN ({found}))", values


async def fill_index(db: Database, *, within_s: float, pause_s: float = 0.0) -> bool:
    """Put the texts of marked turns into the index, newest first, for about `within_s` seconds.

    Return whether the index is complete. Rests `pause_s` between its steps.
    """
    # Texts differ in length a thousandfold, so the size of a step follows the time that the last one took.
    until, most = monotonic() + within_s, 4
    while True:
        due = await db.read(
            "SELECT number FROM search_turns WHERE is_due ORDER BY number DESC LIMIT ?", (most,)
        )
        if not due:
            return True
        numbers = json.dumps([row[0] for row in due])
        began = monotonic()
        # In one transaction: a kill leaves no text in the index twice, and none missing.
        await db.write([Statement(_FILL, (numbers, numbers)), Statement(_FILLED, (numbers,))])
        took = monotonic() - began
        most = (
            min(most * 2, _MOST_TURNS)
            if took < _BATCH_S / 2
            else max(1, most // 2)
            if took > _BATCH_S
            else most
        )
        if monotonic() > until:
            return False
        await asyncio.sleep(pause_s)


async def drop_gone(db: Database, *, pause_s: float = 0.0) -> None:
    """Take the texts of deleted turns out of the index. No search finds them meanwhile.

    Their parts of words stay in the files until `erase_gone` is done.
    """
    of_turns = "SELECT number FROM search_gone WHERE number <> ? LIMIT ?"
    while gone := await db.read(of_turns, (_TO_ERASE, _GONE_AT_ONCE)):
        numbers = [int(str(row[0])) for row in gone]
        places = [(number << 20, (number << 20) + 0xFFFFF) for number in numbers]
        await db.write(
            [
                # Together with their marks: a turn's number is used again only when it is gone from
                # `search_gone`.
                BulkStatement("DELETE FROM search_texts WHERE rowid BETWEEN ? AND ?", places),
                BulkStatement("DELETE FROM search_gone WHERE number = ?", [(number,) for number in numbers]),
                Statement("INSERT OR IGNORE INTO search_gone VALUES (?)", (_TO_ERASE,)),
            ]
        )
        await asyncio.sleep(pause_s)


async def erase_gone(db: Database, *, within_s: float, pause_s: float = 0.0) -> None:
    """Erase from the files what `drop_gone` took out of the index; does nothing if nothing was.

    FTS5 only notes a deletion, and keeps the parts of words with their places until its segments are merged:
    the text could be put together again. Merging takes 35 ms of CPU a megabyte. After `within_s` seconds the
    rest is left to the next call.
    """
    until, pages = monotonic() + within_s, -_MERGED_PAGES
    if not await db.read("SELECT 1 FROM search_gone WHERE number = ?", (_TO_ERASE,)):
        return
    # The record that lists the segments changes with each step but the last.
    segments: Sequence[Row] = ()
    while (now := await db.read("SELECT block FROM search_texts_data WHERE id = 10")) != segments:
        if monotonic() > until:
            return
        segments = now
        await db.write(
            [Statement("INSERT INTO search_texts (search_texts, rank) VALUES ('merge', ?)", (pages,))]
        )
        pages = _MERGED_PAGES  # below 0 it begins to merge everything, above it goes on
        await asyncio.sleep(pause_s)
    # A reader can keep the WAL file from being emptied: then the mark stays for the next call.
    if await db.empty_wal():
        await db.write([Statement("DELETE FROM search_gone WHERE number = ?", (_TO_ERASE,))])

"""A transcript as of one moment: turns with blocks and asks, and the number of the last event in it."""

from collections.abc import Sequence

import msgspec

from sessions.errors import TurnNotFound
from sessions.model import Block, SessionId, TurnId
from sessions.rows.reading import ASK_COLUMNS, TURN_COLUMNS, ask_of, block_of, turn_of
from sessions.stored import StoredAsk, StoredTurn
from storage import Database, SqlValue
from storage.readers import Query


class StoredBlock(msgspec.Struct, frozen=True):
    """A block with its place: if `before` is set, it is shown before the block with that ordinal."""

    ordinal: int
    before: int | None
    block: Block


class WholeTurn(msgspec.Struct, frozen=True):
    """A turn with its blocks in the order of display, and its asks, oldest first."""

    turn: StoredTurn
    blocks: tuple[StoredBlock, ...]
    asks: tuple[StoredAsk, ...]


class Transcript(msgspec.Struct, frozen=True):
    """Turns in their state after event number `as_of`."""

    turns: tuple[WholeTurn, ...]
    as_of: int


async def load_transcript(
    db: Database, session_id: SessionId, *, before: int | None, limit: int, with_blocks: bool = True
) -> Transcript:
    """Return a page of turns with numbers below `before`, newest first."""
    chosen = "session_id = ? AND number < ? ORDER BY number DESC LIMIT ?"
    given = (session_id, before if before is not None else 1 << 62, limit)
    return await _load(db, session_id, chosen, given, with_blocks=with_blocks)


async def load_whole_turn(
    db: Database, session_id: SessionId, turn_id: TurnId, *, with_blocks: bool = True
) -> Transcript:
    """Return one turn of the session. Raises `TurnNotFound`."""
    found = await _load(
        db, session_id, "session_id = ? AND id = ?", (session_id, turn_id), with_blocks=with_blocks
    )
    if not found.turns:
        raise TurnNotFound(turn_id)
    return found


async def load_block(db: Database, session_id: SessionId, turn_id: TurnId, ordinal: int) -> StoredBlock:
    """Return one block of the session. Raises `TurnNotFound`."""
    row = await db.read_one(
        "SELECT blocks.turn_id, ordinal, before, body FROM blocks JOIN turns ON turns.id = blocks.turn_id"
        " WHERE session_id = ? AND blocks.turn_id = ? AND ordinal = ?",
        (session_id, turn_id, ordinal),
    )
    if row is None:
        raise TurnNotFound(turn_id)
    return StoredBlock(int(str(row[1])), _number(row[2]), block_of(str(row[3])))


async def _load(
    db: Database, session_id: SessionId, chosen: str, given: Sequence[SqlValue], *, with_blocks: bool
) -> Transcript:
    # Safe formatting: the parts of the SQL are our own, and all values are bound.
    turn_ids = f"SELECT id FROM turns WHERE {chosen}"  # noqa: S608
    queries: list[Query] = [
        ("SELECT coalesce(max(number), 0) FROM events WHERE session_id = ?", (session_id,)),
        (f"SELECT {TURN_COLUMNS} FROM turns WHERE {chosen}", given),  # noqa: S608
        (f"SELECT {ASK_COLUMNS} FROM asks WHERE turn_id IN ({turn_ids}) ORDER BY opened_ms, rowid", given),  # noqa: S608
    ]
    if with_blocks:
        order = "turn_id, coalesce(before, ordinal), before IS NULL, ordinal"
        read_blocks = f"SELECT turn_id, ordinal, before, body FROM blocks WHERE turn_id IN ({turn_ids})"  # noqa: S608
        queries.append((f"{read_blocks} ORDER BY {order}", given))
    # In one read transaction: with `as_of`, a page and the events after it join without a gap and without a
    # double.
    as_of, turns, asks, *rest = await db.read_together(queries)
    blocks: dict[str, list[StoredBlock]] = {}
    for turn_id, ordinal, before, body in rest[0] if rest else ():
        stored = StoredBlock(int(str(ordinal)), _number(before), block_of(str(body)))
        blocks.setdefault(str(turn_id), []).append(stored)
    asked: dict[str | None, list[StoredAsk]] = {}
    for row in asks:
        ask = ask_of(row)
        asked.setdefault(ask.ask.turn_id, []).append(ask)
    whole = [
        WholeTurn(turn, tuple(blocks.get(turn.id, ())), tuple(asked.get(turn.id, ())))
        for turn in map(turn_of, turns)
    ]
    return Transcript(tuple(whole), int(str(as_of[0][0])))


def _number(value: SqlValue) -> int | None:
    return None if value is None else int(str(value))

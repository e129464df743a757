"""Turns of a session as faces read them: as of one event, blocks in order, long tool bodies cut."""

from collections.abc import Sequence

import api as c
from service.cutting import cut_block
from sessions import rows
from sessions.bus import Bus
from sessions.events import PartialText
from sessions.model import SessionId, TurnId
from sessions.rows.transcript import StoredBlock, WholeTurn
from storage import Database

_MAX_PAGE = 100
_MAX_EVENTS = 500


async def turn_page(db: Database, bus: Bus, session_id: SessionId, command: c.ReadTurns) -> c.TurnPage:
    """Return the page of turns that `command` asks for."""
    limit = max(1, min(command.limit, _MAX_PAGE))
    found = await rows.load_transcript(
        db, session_id, before=command.before, limit=limit, with_blocks=command.with_blocks
    )
    growing = bus.partials(session_id)
    views = tuple(_view(each, found.as_of, growing, whole=False) for each in found.turns)
    return c.TurnPage(views, views[-1].turn.number if len(views) == limit else None, found.as_of)


async def turn_view(db: Database, bus: Bus, session_id: SessionId, command: c.ReadTurn) -> c.TurnView:
    """Return the turn that `command` asks for. Raises `TurnNotFound`."""
    turn_id = TurnId(command.turn_id)
    found = await rows.load_whole_turn(db, session_id, turn_id, with_blocks=command.with_blocks)
    return _view(found.turns[0], found.as_of, bus.partials(session_id), whole=command.whole)


async def read_block(db: Database, session_id: SessionId, command: c.ReadBlock) -> c.PlacedBlock:
    """Return the block that `command` asks for. Raises `TurnNotFound`."""
    found = await rows.load_block(db, session_id, TurnId(command.turn_id), command.ordinal)
    return _placed(found, whole=True)


async def event_page(db: Database, session_id: SessionId, command: c.ReadEvents) -> c.EventPage:
    """Return the events that `command` asks for."""
    limit = max(1, min(command.limit, _MAX_EVENTS))
    return c.EventPage(tuple(await rows.load_events(db, session_id, after=command.after, limit=limit)))


def _view(found: WholeTurn, as_of: int, growing: Sequence[PartialText], *, whole: bool) -> c.TurnView:
    return c.TurnView(
        found.turn,
        tuple(_placed(each, whole=whole) for each in found.blocks),
        as_of,
        found.asks,
        tuple(each for each in growing if each.turn_id == found.turn.id),
    )


def _placed(stored: StoredBlock, *, whole: bool) -> c.PlacedBlock:
    block, left_out = (stored.block, 0) if whole else cut_block(stored.block)
    return c.PlacedBlock(stored.ordinal, block, stored.before, left_out)

"""Carries out the commands of `api/reading.py`."""

from pathlib import Path
from typing import assert_never

import api as c
from service.exporting import SUFFIX, export_session
from service.parts import ServiceParts
from service.session_info import session_info
from service.work_place import read_work_place
from sessions import rows
from sessions.errors import SessionNotFound, TurnNotFound
from sessions.model import AskId, TurnId
from sessions.session import Session
from sessions.stored import StoredAsk, StoredTurn
from texts.redaction import Redactor

_MAX_PAGE = 100


async def read(parts: ServiceParts, session: Session, command: c.ReadingCommand) -> object:
    """The reply to `command`. Raises `TurnNotFound`, `SessionNotFound` for what is not the session's."""
    manager = parts.manager
    match command:
        case c.GetSession():
            return session_info(manager, session)
        case c.ReadTurns():
            return await _turn_page(session, command)
        case c.ReadTurn():
            return await _turn_view(session, TurnId(command.turn_id))
        case c.ReadAsk():
            return await _ask(session, AskId(command.ask_id))
        case c.ReadWorkPlace():
            return await read_work_place(Path(session.snapshot.work_directory))
        case c.ExportSession():
            redactor = Redactor(parts.secrets)
            data = await export_session(session, command.format, redactor)
            return c.ExportedFile(f"session-{session.id}.{SUFFIX[command.format]}", data)
        case _:
            assert_never(command)


async def _turn_page(session: Session, command: c.ReadTurns) -> c.TurnPage:
    limit = max(1, min(command.limit, _MAX_PAGE))
    turns = await rows.load_turns(session.around.db, session.id, before=command.before, limit=limit)
    views = [await _with_blocks(session, turn) for turn in turns]
    return c.TurnPage(tuple(views), turns[-1].number if len(turns) == limit else None)


async def _turn_view(session: Session, turn_id: TurnId) -> c.TurnView:
    turn = await rows.load_turn(session.around.db, turn_id)
    if turn.session_id != session.id:
        raise TurnNotFound(turn_id)
    return await _with_blocks(session, turn)


async def _with_blocks(session: Session, turn: StoredTurn) -> c.TurnView:
    return c.TurnView(turn, tuple(await rows.load_blocks(session.around.db, turn.id)))


async def _ask(session: Session, ask_id: AskId) -> StoredAsk:
    stored = await rows.load_ask(session.around.db, ask_id)
    if stored is None or stored.session_id != session.id:
        raise SessionNotFound(ask_id)
    return stored

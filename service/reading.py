"""Carries out the commands of `api/reading.py`."""

from pathlib import Path
from typing import assert_never

from msgspec.structs import replace

import api as c
from service.parts import ServiceParts
from service.session_info import session_facts, session_info
from service.transcript import event_page, read_block, turn_page, turn_view
from sessions import rows
from sessions.errors import SessionNotFound
from sessions.model import AskId, ShareLevel
from sessions.session import Session
from sessions.stored import StoredAsk
from texts.redaction import Redactor


async def read(parts: ServiceParts, session: Session, command: c.ReadingCommand) -> object:
    """Carry out `command` and return its reply.

    Raises `TurnNotFound` or `SessionNotFound` for a turn or ask that does not belong to the session.
    """
    manager = parts.manager
    match command:
        case c.GetSession():
            shares = (await session_facts(session)).shares.values()
            # Here and not in lists: a list would read the shares of each session.
            several = any(level in (ShareLevel.PROMPT, ShareLevel.APPROVE) for level in shares)
            return replace(session_info(manager, session), prompted_by_several=several)
        case c.ReadTurns():
            return await turn_page(manager.db, manager.bus, session.id, command)
        case c.ReadTurn():
            return await turn_view(manager.db, manager.bus, session.id, command)
        case c.ReadBlock():
            return await read_block(manager.db, session.id, command)
        case c.ReadEvents():
            return await event_page(manager.db, session.id, command)
        case c.ReadNotices():
            return c.Notices(tuple(await rows.load_notices(manager.db, session.id, command.since_ms)))
        case c.ReadPresence():
            return c.Present(parts.links.lookers(session.id))
        case c.ReadAsks():
            return c.Asks(tuple(await rows.load_asks(manager.db, session.id)))
        case c.ReadAsk():
            return await _ask(session, AskId(command.ask_id))
        case c.ReadWorkPlace():
            from service.work_place import read_work_place

            return await read_work_place(Path(session.snapshot.work_directory))
        case c.ExportSession():
            from api.words.exports import EXPORTS
            from service.exporting import export_session

            redactor = Redactor(parts.secrets)
            data = await export_session(session, command.format, redactor, with_uploads=command.with_uploads)
            return c.ExportedFile(f"session-{session.id}.{EXPORTS[command.format].ending}", data)
        case _:
            assert_never(command)


async def _ask(session: Session, ask_id: AskId) -> StoredAsk:
    stored = await rows.load_ask(session.around.db, ask_id)
    # The id comes from a person, who may have no right to the session of that ask.
    if stored is None or stored.session_id != session.id:
        raise SessionNotFound(ask_id)
    return stored

"""Carries out the commands of `api/context.py`."""

from typing import assert_never

import api as c
from sessions import rows
from sessions.events import ChangesSwitched
from sessions.model import TurnId
from sessions.session import Session
from sessions.stored import StoredContext


async def context(session: Session, command: c.ContextCommand) -> object:
    """Carry out `command` and return its reply."""
    match command:
        case c.ShowChanges():
            found = await _found(session, command.turn_id)
            is_on = session.snapshot.tells_changes
            return c.ContextView(is_on) if found is None else c.ContextView(is_on, found.kind, found.text)
        case c.SwitchChanges():
            async with session.change() as draft:
                if draft.snapshot.tells_changes is not command.on:
                    draft.add(ChangesSwitched(command.on))
            return c.Nothing()
        case _:
            assert_never(command)


async def _found(session: Session, turn_id: str) -> StoredContext | None:
    database = session.around.db
    if not turn_id:
        return await rows.load_last_context(database, session.id)
    owned = {each.id for each in await rows.load_turns(database, session.id, limit=1_000)}
    return await rows.load_context(database, TurnId(turn_id)) if turn_id in owned else None

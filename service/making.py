"""Carries out the commands of `api/making.py`."""

from contextlib import suppress
from typing import assert_never

from msgspec.structs import replace

import api as c
from api.access import Action, Actor, authorize
from service.modes import check_mode
from service.parts import ServiceParts
from service.session_info import session_facts, session_info
from sessions.errors import FolderRefused
from sessions.manager import SessionManager
from sessions.session import Session
from sessions.session_maker import NewSession

_ZIP = b"PK\x03\x04"


async def make(parts: ServiceParts, actor: Actor, command: c.MakingCommand) -> c.SessionInfo:
    """Carry out `command` and return its session. Raises the errors that the command's docstring names."""
    return session_info(parts.manager, await _made(parts, actor, command))


async def _made(parts: ServiceParts, actor: Actor, command: c.MakingCommand) -> Session:
    manager = parts.manager
    match command:
        case c.CreateSession():
            focus = " ".join(command.focus.split())[: c.MAX_FOCUS]
            wish = _wish(manager, actor, command)
            session = await manager.create_session(replace(wish, focus=focus, title=wish.title or focus))
            if focus:
                from service.session_folders import refresh

                with suppress(FolderRefused):  # the session is there; the next refresh writes its folder
                    await refresh(parts, session.id)
            return session
        case c.GetOrCreateSession():
            session = await manager.get_or_create_session(_wish(manager, actor, command))
            # The key may lead to a session of somebody else.
            authorize(actor, Action.VIEW, await session_facts(session))
            return session
        case c.ImportSession():
            wish = NewSession(actor.user_id, command.channel_id, key=command.key, project=command.project)
            # The content decides: a person may name the file anything.
            if command.data.startswith(_ZIP):
                from service.bundle_restoring import restore_uploaded

                return await restore_uploaded(parts, command.data, wish)
            return await manager.maker.from_archive(command.data, wish)
        case c.AdoptConversation():
            wish = NewSession(actor.user_id, command.channel_id, key=command.key, project=command.project)
            return await manager.maker.adopt(command.conversation_id, wish)
        case _:
            assert_never(command)


def _wish(manager: SessionManager, actor: Actor, command: c.CreateSession | c.GetOrCreateSession) -> NewSession:
    check_mode(actor, command.mode, manager.policy.bypass)
    return NewSession(
        user_id=actor.user_id,
        channel_id=command.channel_id,
        key=command.key,
        title=command.title,
        project=command.project,
        model=command.model,
        mode=command.mode,
        own_copy=command.own_copy,
    )

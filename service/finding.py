"""Carries out the commands of `api/finding.py`."""

import asyncio
from pathlib import Path
from typing import assert_never

import api as c
from api.access import Action, Actor, authorize
from service.parts import ServiceParts
from service.session_info import session_facts, session_info
from service.session_list import last_events, list_sessions, queued_turns
from sessions import rows
from sessions.claude.transcript import StoredConversation
from sessions.errors import SessionNotFound, TurnNotFound
from sessions.manager import SessionManager
from sessions.stored import StoredTurn
from sessions.work_directory import list_projects


async def find(parts: ServiceParts, actor: Actor, command: c.FindingCommand) -> object:
    """Carry out `command` and return its reply.

    Raises `SessionNotFound`, and `NotAllowed` for a session that is not the actor's.
    """
    manager = parts.manager
    match command:
        case c.FindSession():
            return await _find_session(manager, actor, command)
        case c.FindTurn():
            return await _find_turn(manager, actor, command)
        case c.QuerySessions():
            sessions, cursor = await list_sessions(manager, actor, command)
            return c.SessionPage(tuple(session_info(manager, each) for each in sessions), cursor)
        case c.ReadLastEvents():
            return c.LastEvents(await last_events(manager.db, actor, command.session_ids))
        case c.ListQueuedTurns():
            return c.QueuedTurns(tuple(await queued_turns(manager.db, actor)))
        case c.ListProjects():
            return c.Names(tuple(await asyncio.to_thread(list_projects, manager.policy.workspace_root)))
        case c.ListConversations():
            found = await manager.maker.free_conversations()
            return c.FoundConversations(tuple(_found(each) for each in found[: command.limit]))
        case _:
            assert_never(command)


async def _find_session(manager: SessionManager, actor: Actor, command: c.FindSession) -> c.SessionInfo:
    known = await rows.find_by_key(manager.db, command.key)
    if known is None:
        raise SessionNotFound("")
    session = await manager.get_session(known)
    # A key is no secret, so it gives no right.
    authorize(actor, Action.VIEW, await session_facts(session))
    return session_info(manager, session)


async def _find_turn(manager: SessionManager, actor: Actor, command: c.FindTurn) -> StoredTurn:
    turn = await rows.find_turn_by_origin(manager.db, command.origin)
    if turn is None:
        raise TurnNotFound(command.origin)
    # An origin is no secret, so it gives no right.
    authorize(actor, Action.VIEW, await session_facts(await manager.get_session(turn.session_id)))
    return turn


def _found(conversation: StoredConversation) -> c.FoundConversation:
    return c.FoundConversation(
        conversation_id=conversation.conversation_id,
        title=conversation.title,
        first_prompt=conversation.first_prompt,
        directory_name=Path(conversation.cwd).name,
        size_bytes=conversation.size_bytes,
        updated_ms=conversation.updated_at_ms,
        directory_is_gone=not Path(conversation.cwd).is_dir(),
    )

"""Carries out the commands of `api/managing.py`."""

import asyncio
from typing import assert_never

import api as c
from api.access import Action, Actor, authorize
from service.modes import check_mode, mode_for
from service.parts import ServiceParts
from service.session_info import session_info
from sessions.events import PinChanged, SharesChanged
from sessions.manager import SessionManager
from sessions.model import TurnId
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.work_directory import open_project


async def manage(parts: ServiceParts, session: Session, actor: Actor, command: c.ManagingCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring and `Session` name."""
    manager = parts.manager
    match command:
        case c.Branch():
            return session_info(manager, await _branch(manager, session, actor, command))
        case c.GoOnFrom():
            from sessions.branching import go_on_from

            await go_on_from(session, TurnId(command.turn_id))
            return session_info(manager, session)
        case c.SetModel():
            await session.set_model(command.model)
            return session_info(manager, session)
        case c.SetMode():
            check_mode(actor, command.mode, manager.policy.bypass)
            await session.set_permission_mode(command.mode)
            return session_info(manager, session)
        case c.Rename():
            await session.rename(command.title)
            return session_info(manager, session)
        case c.MoveSession():
            directory = await asyncio.to_thread(
                open_project, command.project, manager.policy.workspace_root, manager.policy.private_places
            )
            await session.move(command.project, str(directory))
            return session_info(manager, session)
        case c.Pin():
            async with session.change() as draft:
                draft.add(PinChanged(command.pinned))
            return session_info(manager, session)
        case c.EndLeftRunning():
            await session.process.end_left_running()
            return session_info(manager, session)
        case c.HandOver():
            return c.Handover(await session.hand_over())
        case c.RestoreSession():
            await manager.retention.restore(session, channel_id=command.channel_id, key=command.key)
            from service.folder_reopening import reopen_folder

            await reopen_folder(parts, session)
            return session_info(manager, session)
        case c.Share():
            await _share(session, actor, command)
        case c.Park():
            await session.park("parked on request")
        case c.Purge():
            await manager.retention.purge(session)
        case c.Clear():
            from service.ending import just_end

            await just_end(parts, session, actor)
        case _:
            assert_never(command)
    return c.Nothing()


async def _branch(manager: SessionManager, parent: Session, actor: Actor, command: c.Branch) -> Session:
    # The right to prompt the parent does not include making sessions.
    authorize(actor, Action.CREATE)
    wish = NewSession(
        user_id=actor.user_id,
        channel_id=command.channel_id,
        key=command.key,
        title=command.title,
        project=parent.snapshot.project,
        model=parent.snapshot.model,
        # The parent's mode, unless this person may not use it: a branch must not be a way to more rights.
        mode=mode_for(actor, parent.snapshot.mode, manager.policy.bypass),
    )
    turn_id = TurnId(command.turn_id) if command.turn_id is not None else None
    return await manager.maker.branch(parent, turn_id, wish, own_copy=command.own_copy)


async def _share(session: Session, actor: Actor, command: c.Share) -> None:
    async with session.change() as draft:
        draft.add(SharesChanged(command.grantee, command.level, actor.user_id))

"""Acts that leave a process cut no turn: one that begins while their checkpoint is taken goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import api as c
from sessions.errors import IllegalMove
from sessions.host_run import HostRun
from sessions.model import PermissionMode, TurnStatus
from sessions.restore_scope import RestoreScope
from sessions.session import Session
from tests.sessions.checkpointed import core as core  # noqa: PLC0414
from tests.sessions.checkpointed import listed
from tests.sessions.running_core import RunningCore, idle, reached
from workdirs.checkpoint_model import Reason

Act = Callable[[RunningCore, Session], Awaitable[object]]


async def hand_over(core: RunningCore, session: Session) -> object:
    return await core.do(c.HandOver(session_id=session.id))


async def move(core: RunningCore, session: Session) -> object:
    (core.directory / "workspaces" / "other").mkdir(exist_ok=True)
    return await core.do(c.MoveSession(session_id=session.id, project="other"))


async def ask_nothing(core: RunningCore, session: Session) -> None:
    await session.set_permission_mode(PermissionMode.BYPASS)


async def go_on(core: RunningCore, session: Session) -> object:
    assert session.snapshot.last_turn is not None
    return await core.do(c.GoOnFrom(session_id=session.id, turn_id=session.snapshot.last_turn))


async def renew(core: RunningCore, session: Session) -> None:
    await core.manager.renew_processes(session.snapshot.work_directory, "test")


async def restore(core: RunningCore, session: Session) -> object:
    (before, *_) = await listed(core, session)
    scope = RestoreScope.EVERYTHING
    preview = await core.do(c.PreviewRestore(session_id=session.id, checkpoint_id=before.id, scope=scope))
    return await core.do(
        c.RestoreFiles(session_id=session.id, checkpoint_id=before.id, scope=scope, digest=preview.digest)
    )


@pytest.mark.parametrize("act", [hand_over, move, ask_nothing, go_on, renew, restore])
async def test_a_turn_that_begins_meanwhile_goes_on(
    act: Act, core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await core.session()
    await core.ask(session, "demo:text one")
    at_checkpoint, turn_runs = asyncio.Event(), asyncio.Event()

    async def before_leaving(_: object, reason: Reason) -> None:
        at_checkpoint.set()
        await turn_runs.wait()

    monkeypatch.setattr(session.around.checkpoints, "before_leaving", before_leaving)
    acting = asyncio.create_task(_done(act(core, session)))
    await at_checkpoint.wait()
    gates = core.claude / "gates"
    gates.mkdir(parents=True, exist_ok=True)
    turn_id = await core.say(session, "demo:gate g demo:text two")
    await reached(session, lambda snapshot: snapshot.running is not None)
    turn_runs.set()
    assert await acting is (act is not renew), "the others say that the session is busy"
    (gates / "g").touch()
    await idle(session)
    assert await core.status(turn_id) is TurnStatus.DONE


async def _done(act: Awaitable[object]) -> bool:
    """Whether the act is refused because the session is busy."""
    try:
        await act
    except IllegalMove as refused:
        return refused.state == "busy"
    return False


async def test_the_same_acts_leave_a_process_at_rest(core: RunningCore, tmp_path: Path) -> None:
    session = await core.session()
    for act in (renew, go_on, move, hand_over):
        await core.ask(session, "demo:text one")
        assert session.snapshot.holds_slot
        await act(core, session)
        assert not session.snapshot.holds_slot


async def test_a_turn_that_begins_while_its_session_wakes_refuses_to_put_files_back(
    core: RunningCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await core.session()
    first = await core.ask(session, "demo:text one")
    await session.park("test")
    gates = core.claude / "gates"
    gates.mkdir(parents=True, exist_ok=True)
    wake = session.wake

    async def wake_and_begin() -> HostRun:
        await core.say(session, "demo:gate g demo:text two")
        run = await wake()
        await reached(session, lambda snapshot: snapshot.running is not None)
        return run

    monkeypatch.setattr(session, "wake", wake_and_begin)
    with pytest.raises(IllegalMove, match="busy"):
        await session.rewind_files(first, dry_run=False)
    (gates / "g").touch()
    await idle(session)

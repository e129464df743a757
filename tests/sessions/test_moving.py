"""A project that was renamed: its sessions say so, are moved, and go on with the same conversation."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from bridge.demo.model import DemoModel
from sessions.errors import IllegalMove, WorkDirectoryRefused
from sessions.model import Lifecycle, TurnStatus
from sessions.session import Session
from sessions.session_maker import NewSession
from tests.fakes.cli_home import StreamCli, make_cli_home
from tests.sessions.running_core import RunningCore, idle, reached, real_cli_core

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]


@pytest.fixture
async def demo() -> AsyncIterator[DemoModel]:
    async with DemoModel() as model:
        yield model


@pytest.fixture
async def core(demo: DemoModel, tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with real_cli_core(tmp_path, demo) as core:
        (core.directory / "workspaces" / "shop").mkdir(parents=True)
        yield core


def notes(demo: DemoModel) -> list[str]:
    """The notes of ours in the newest request that a person's prompt made."""
    bodies = [seen.body for seen in demo.requests if seen.path == "/v1/messages" and seen.body]
    return re.findall(r"<bridge-note>.*?</bridge-note>", str(bodies[-1]["messages"]))


async def test_a_session_of_a_renamed_project_says_so_and_is_moved_with_its_conversation(
    demo: DemoModel, core: RunningCore
) -> None:
    workspaces = core.directory / "workspaces"
    session = await core.manager.create_session(NewSession("ann", "c", project="shop"))
    await core.ask(session, "demo:text one")
    await session.park("test")
    old, new = workspaces / "shop", workspaces / "store"
    old.rename(new)
    waiting = await core.say(session, "demo:bash pwd")
    failed = await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
    assert "“shop”" in failed.reason
    assert (await core.notices(session))[-1] == "project_gone"
    assert (await core.do(c.GetSession(session_id=session.id))).project_is_gone
    conversation = session.snapshot.conversation_id
    with pytest.raises(WorkDirectoryRefused):
        await core.do(c.MoveSession(session_id=session.id, project="nowhere"))

    info = await core.do(c.MoveSession(session_id=session.id, project="store"))
    assert (info.project, info.project_is_gone) == ("store", False)
    await idle(session)
    assert await core.status(waiting) is TurnStatus.DONE
    assert session.snapshot.conversation_id == conversation
    (note,) = notes(demo)
    assert str(old) in note
    assert str(new) in note
    shown = await core.do(c.ReadTurns(session_id=session.id))
    assert str(new) in str(shown.turns[0].blocks), "Claude works there"
    # Told once: later prompts have it in their history only, also in a new process.
    await session.park("test")
    await core.ask(session, "demo:text three")
    assert notes(demo) == [note]
    assert [view.turn.prompt for view in shown.turns] == ["demo:bash pwd", "demo:text one"]


async def test_a_session_is_not_moved_while_a_turn_runs(core: RunningCore, demo: DemoModel) -> None:
    session = await core.session()
    running = await core.say(session, "demo:gate g")
    await demo.reached("g")
    await reached(session, lambda snapshot: snapshot.running is not None)
    with pytest.raises(IllegalMove):
        await core.do(c.MoveSession(session_id=session.id, project="shop"))
    demo.release("g")
    await idle(session)
    assert await core.status(running) is TurnStatus.DONE
    await core.do(c.MoveSession(session_id=session.id, project="shop"))
    assert session.snapshot.work_directory.endswith("/shop")


async def test_a_conversation_whose_directory_was_renamed_is_adopted_into_another_project(
    core: RunningCore, demo: DemoModel, tmp_path: Path
) -> None:
    home = make_cli_home(tmp_path, demo.base_url)
    conversation = "11111111-1111-4111-8111-111111111111"
    async with StreamCli(home, "--session-id", conversation) as cli:
        await cli.turn("demo:text outside")
        await cli.close()
    home.work.rename(tmp_path / "renamed")
    (found,) = (await core.do(c.ListConversations())).conversations
    assert found.directory_is_gone
    adopt = c.AdoptConversation(channel_id="c", conversation_id=conversation)
    with pytest.raises(WorkDirectoryRefused):
        await core.do(adopt)
    info = await core.do(c.AdoptConversation(channel_id="c", conversation_id=conversation, project="shop"))
    session: Session = await core.manager.get_session(info.id)
    assert info.project == "shop"
    assert await core.status(await core.ask(session, "demo:text inside")) is TurnStatus.DONE
    assert session.snapshot.conversation_id == conversation
    (note,) = notes(demo)
    assert str(home.work) in note

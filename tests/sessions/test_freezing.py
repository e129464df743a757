"""An idle process is frozen and takes no CPU time; whatever it is sent, it is there at once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import api as c
from bridge.demo.model import DemoModel
from sessions.claude.registry import open_conversations
from sessions.dependencies import Patience
from sessions.model import (
    Activity,
    LeftProcess,
    Lifecycle,
    McpServer,
    PermissionMode,
    Schedule,
    SessionId,
    TurnId,
    TurnKind,
)
from sessions.parking import may_be_frozen
from sessions.session import Session
from sessions.snapshot import QueuedTurn, RunningTurn, Snapshot
from tests.sessions.running_core import (
    RunningCore,
    idle,
    reached,
    real_cli_core,
    running_core,
    until,
)

# Not 0: between two steps of one turn there is silence, too.
SOON = Patience(start_s=30, request_s=30, stop_s=30, idle_s=3600, freeze_s=0.1)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", patience=SOON) as core:
        yield core


def pid_of(core: RunningCore, session: Session) -> int:
    conversation = session.snapshot.conversation_id
    [pid] = [each.pid for each in open_conversations(core.claude) if each.conversation_id == conversation]
    return pid


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def frozen(core: RunningCore, session: Session) -> int:
    """Wait until the session's process is frozen; its pid."""
    pid = pid_of(core, session)
    await until(lambda: state_of(pid) == "T")
    return pid


async def test_a_frozen_process_answers_every_wish_and_is_frozen_again(core: RunningCore) -> None:
    session = await core.session()
    await core.ask(session, "demo:text one")
    wishes: list[c.Command[Any]] = [
        c.SendMessage(session_id=session.id, content="demo:text two", origin="two"),
        c.SetMode(session_id=session.id, mode=PermissionMode.PLAN),
        c.SetModel(session_id=session.id, model="claude-haiku-4-5"),
        c.Regenerate(session_id=session.id, origin="again"),
    ]
    pid = await frozen(core, session)
    for wish in wishes:
        await core.do(wish)
        await idle(session)
        assert await frozen(core, session) == pid
    turns = (await core.do(c.ReadTurns(session_id=session.id))).turns
    assert {view.turn.status for view in turns} == {"done"}


async def test_a_frozen_process_is_parked_and_cleared_as_any_other(core: RunningCore) -> None:
    for leave, leads_to in ((Session.park, Lifecycle.PARKED), (Session.end, Lifecycle.ENDED)):
        session = await core.session()
        await core.ask(session, "demo:text one")
        await frozen(core, session)
        begun = time.monotonic()
        await leave(session, "test")
        assert session.snapshot.lifecycle is leads_to
        assert time.monotonic() - begun < SOON.stop_s, "it was asked, not waited for in vain"
    rows = await core.db.read("SELECT exit_code FROM hosts")
    assert [code for (code,) in rows] == [0, 0], "it ended by itself"


async def test_a_frozen_process_that_is_killed_is_noticed_and_the_next_prompt_starts_another(
    core: RunningCore,
) -> None:
    session = await core.session()
    await core.ask(session, "demo:text one")
    os.kill(await frozen(core, session), signal.SIGKILL)
    await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
    turn_id = await core.ask(session, "demo:text two")
    assert await core.status(turn_id) == "done"


async def test_a_start_finds_frozen_processes_and_feeds_them(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core", patience=SOON) as core:
        session = await core.session()
        await core.ask(session, "demo:text one")
        pid = await frozen(core, session)
        await core.manager.shutdown()
        async with running_core(tmp_path / "core", patience=SOON) as again:
            session = await again.manager.get_session(session.id)
            turn_id = await again.ask(session, "demo:text two")
            assert await again.status(turn_id) == "done"
            assert await frozen(again, session) == pid


async def test_a_process_that_is_frozen_at_every_chance_loses_nothing(tmp_path: Path) -> None:
    at_once = replace(SOON, freeze_s=0.001)
    async with running_core(tmp_path / "core", patience=at_once) as core:
        session = await core.session()
        for number in range(15):
            turn_id = await core.say(session, f"demo:text {number}")
            await core.do(c.SetModel(session_id=session.id, model=f"claude-haiku-4-{number}"))
            await idle(session)
            assert await core.status(turn_id) == "done"
        await frozen(core, session)


LIVE = Snapshot(SessionId("s"), lifecycle=Lifecycle.LIVE, activity=Activity.IDLE)
TURN = RunningTurn(TurnId("t"), "uuid", TurnKind.PROMPT)


@pytest.mark.parametrize(
    "busy",
    [
        {"activity": Activity.WORKING},
        {"activity": Activity.ASKING},
        {"activity": Activity.BLOCKED},
        {"lifecycle": Lifecycle.STARTING},
        {"lifecycle": Lifecycle.STOPPING},
        {"sent": TURN},
        {"running": TURN},
        {"queue": (QueuedTurn(TurnId("t"), "uuid", TurnKind.PROMPT, "ann"),)},
        {"background_tasks": ("task",)},
        {"mcp_servers": (McpServer("calendar", "connected"),)},
        {"schedules": (Schedule("id", "look again"),)},
        {"left_running": (LeftProcess(7, "npm run dev"),)},
    ],
    ids=lambda busy: next(iter(busy)),
)
def test_only_a_process_that_waits_for_nothing_but_a_line_may_be_frozen(busy: dict[str, Any]) -> None:
    assert may_be_frozen(LIVE)
    assert not may_be_frozen(msgspec.structs.replace(LIVE, **busy))


@pytest.mark.real_cli
@pytest.mark.timeout(180)
async def test_the_real_cli_takes_no_time_while_it_is_frozen_and_goes_on_as_if_it_had_not_been(
    tmp_path: Path,
) -> None:
    async with DemoModel() as demo, real_cli_core(tmp_path, demo, patience=SOON) as core:
        session = await core.session()
        turns = [await core.ask(session, "demo:text one")]
        pid = await frozen(core, session)
        await until(lambda: has_stopped(pid))  # on a busy machine each thread stops when its turn comes
        before = switches(pid)
        await asyncio.sleep(1)  # an idle CLI would have run a dozen times
        assert switches(pid) == before
        turns.append(await core.ask(session, "demo:text two demo:todo"))
        assert await frozen(core, session) == pid
        await session.park("test")
        turns.append(await core.ask(session, "demo:text three"))
        assert [await core.status(each) for each in turns] == ["done"] * 3
        assert not [line for line in await core.notices(session) if line != "process_ended"]


def has_stopped(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rpartition(") ")[2].startswith("T") for task in tasks)


def switches(pid: int) -> int:
    """How often the process has been given a processor and has left it."""
    found = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        found += sum(
            int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line
        )
    return found

"""Processes that Claude's tools leave: they are listed, keep the place for a while, and end with Claude's."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import api as c
import machine
from backends.base import LeftRunning
from bridge.demo.model import DemoModel
from sessions import events as e
from sessions import rows
from sessions.claude.registry import open_conversations
from sessions.claude.shell_command import shown_command
from sessions.dependencies import Patience
from sessions.left_processes import left_process
from sessions.model import Allow, Lifecycle
from sessions.session import Session
from sessions.slots import Limits
from sessions.supervision import Supervisor, Vigilance
from sessions.topics import Topic
from tests.sessions.kit import House, idle, send
from tests.sessions.running_core import (
    DEADLINE_S,
    RunningCore,
    reached,
    real_cli_core,
    until,
)

SHELL = (
    "/bin/bash -c source /h/shell-snapshots/s.sh 2>/dev/null || true && eval 'echo '\\''a'\\'' && sleep 9'"
    " < /dev/null && pwd -P >| /tmp/cwd"
)


@pytest.mark.parametrize(
    ("command_line", "shown"),
    [
        ("sleep 600", "sleep 600"),
        (SHELL, "echo 'a' && sleep 9"),
        (SHELL.partition("9'")[0], "echo 'a' && sleep"),
        ("", ""),
        ("a\n\tb", "a b"),
        ("x" * 300, "x" * 120 + "…"),
    ],
)
def test_a_process_is_named_by_the_command_that_claude_gave(command_line: str, shown: str) -> None:
    assert left_process(LeftRunning(1, "1", command_line)).command == shown


def test_only_a_shell_of_claudes_is_unwrapped() -> None:
    assert shown_command("bash -c eval 'x'") == "bash -c eval 'x'"


@asynccontextmanager
async def with_the_real_cli(directory: Path, idle_s: float) -> AsyncIterator[RunningCore]:
    async with DemoModel() as demo:
        patience = Patience(start_s=30, request_s=30, stop_s=5, idle_s=idle_s)
        async with real_cli_core(directory, demo, patience=patience) as core:
            yield core


async def run_command(core: RunningCore, session: Session, command: str) -> None:
    """Let Claude run `command` with its Bash tool, as somebody allows it."""
    await core.say(session, f"demo:bash {command}")
    ask = (await reached(session, lambda snapshot: bool(snapshot.asks))).asks[0]
    await session.answer(ask.id, Allow(), by="ann")


async def happened(core: RunningCore, session: Session) -> list[e.Event]:
    return [each.event for each in await rows.load_events(core.db, session.id, after=0, limit=1000)]


def lives(pid: int) -> bool:
    row = machine.this().read_process(pid)
    return row is not None and not row.zombie


@pytest.mark.real_cli
@pytest.mark.timeout(120)
async def test_a_killed_cli_takes_its_tools_along_before_the_next_one_starts(tmp_path: Path) -> None:
    async with with_the_real_cli(tmp_path, idle_s=3600) as core:
        session = await core.session()
        await run_command(core, session, "echo $$ > pid; for i in $(seq 1200); do sleep 0.1; done")
        pid_file = Path(session.snapshot.work_directory) / "pid"
        await until(lambda: pid_file.exists() and bool(pid_file.read_text()))
        shell = int(pid_file.read_text())
        (cli,) = open_conversations(core.claude)
        os.kill(cli.pid, signal.SIGKILL)
        await reached(session, lambda snapshot: snapshot.host == 2)
        assert not lives(shell)
        events = await happened(core, session)
        notices = {each.topic: each for each in events if isinstance(each, e.Noticed)}
        assert "for i in $(seq 1200); do sleep 0.1; done" in notices[Topic.LEFT_RUNNING_ENDED].text
        starts = [each for each in events if isinstance(each, e.HostStarted)]
        assert events.index(notices[Topic.LEFT_RUNNING_ENDED]) < events.index(starts[1])


@pytest.mark.real_cli
@pytest.mark.timeout(120)
async def test_what_is_left_running_keeps_the_process_and_ends_on_request_or_with_it(tmp_path: Path) -> None:
    async with with_the_real_cli(tmp_path, idle_s=1) as core:
        session = await core.session()
        await run_command(core, session, "nohup sleep 601 >/dev/null 2>&1 &")
        left = (await reached(session, lambda snapshot: bool(snapshot.left_running))).left_running
        assert [each.command for each in left] == ["sleep 601"]
        info = await core.do(c.GetSession(session_id=session.id))
        assert info.left_running == left
        with pytest.raises(TimeoutError):  # five times as long as it would stay without
            async with asyncio.timeout(5):
                await session.until(lambda snapshot: snapshot.lifecycle is not Lifecycle.LIVE)
        info = await core.do(c.EndLeftRunning(session_id=session.id))
        assert info.left_running == ()
        assert not lives(left[0].pid)
        await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
        assert "left_running_ended" not in await core.notices(session)

        await run_command(core, session, "nohup sleep 602 >/dev/null 2>&1 &")
        left = (await reached(session, lambda snapshot: bool(snapshot.left_running))).left_running
        await core.do(c.Clear(session_id=session.id))
        assert not lives(left[0].pid)
        last = [each for each in await happened(core, session) if isinstance(each, e.Noticed)][-1]
        assert (last.topic, "sleep 602" in last.text) == (Topic.LEFT_RUNNING_ENDED, True)


class Place:
    """One place, a session that a server keeps in it, and a supervisor that is asked to look round."""

    def __init__(self, here: House) -> None:
        self.here = here
        here.manager.keeper.slots.limits = Limits(max_sessions=1)
        vigilance = Vigilance(ask_park_s=3600)
        keeper = here.manager.keeper
        self.supervisor = Supervisor(vigilance, here.manager.loaded, keeper.is_place_wanted, self._daily)

    async def _daily(self) -> None:
        return

    async def holder(self) -> Session:
        session = await self.here.session()
        await send(session, "one")
        await idle(session)
        (process,) = self.here.machine.living()
        process.left.append(LeftRunning(7, "1", "npm run dev"))
        assert session.run is not None
        await session.run.note_left_running()
        return session


async def test_its_place_is_given_up_like_that_of_an_ask(here: House) -> None:
    place = Place(here)
    session, other = await place.holder(), await here.session("other")
    here.clock.seconds += 7200
    await place.supervisor._look_after(session)
    assert session.snapshot.is_idle, "nobody waited"
    here.clock.seconds -= 7200
    await send(other, "two")
    async with asyncio.timeout(DEADLINE_S):
        await other.until(lambda snapshot: snapshot.lifecycle is Lifecycle.QUEUED)
    await place.supervisor._look_after(session)
    assert session.snapshot.is_idle, "they had not waited long enough"
    here.clock.seconds += 3600
    await place.supervisor._look_after(session)
    await idle(other)
    assert session.snapshot.lifecycle is Lifecycle.PARKED
    events = await rows.load_events(here.db, session.id, after=0, limit=1000)
    (notice,) = [each.event.text for each in events if isinstance(each.event, e.Noticed)]
    assert "npm run dev" in notice


async def test_what_ends_by_itself_keeps_nothing(here: House) -> None:
    place = Place(here)
    session, other = await place.holder(), await here.session("other")
    await send(other, "two")
    (process,) = here.machine.living()
    process.left.clear()
    async with asyncio.timeout(DEADLINE_S):
        await place.supervisor._look_after(session)
        await idle(other)
    assert session.snapshot.lifecycle is Lifecycle.PARKED

"""Faults 3, 4 and 5: parts of hosts are killed, tmux goes away, and the machine reboots."""

import asyncio
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import machine
from backends import processes
from backends.directory import HostPids
from machine import ProcessId
from sessions.model import Allow, TurnStatus
from tests.chaos.people import Crowd
from tests.chaos.world import World, world

GATED = "demo:text before demo:gate {gate} demo:text after"

Victim = Callable[[HostPids], ProcessId]
VICTIMS: dict[str, Victim] = {
    "shell": lambda pids: pids.shell,
    "follower": lambda pids: pids.follower,
    "claude": lambda pids: inside(pids) if pids.sandbox else pids.program,
}


def inside(pids: HostPids) -> ProcessId:
    """Claude in a sandbox of bwrap, which is the program that the host knows."""
    assert pids.sandbox is not None
    found = processes.program_inside(pids.sandbox, machine.this().read_table())
    assert found is not None
    return found


async def until(is_so: Callable[[], bool], deadline_s: float = 60.0, *, every_s: float = 0.01) -> None:
    """Wait for what no event tells."""
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(every_s)


def kill(victim: ProcessId) -> None:
    assert processes.is_alive(victim)
    os.kill(victim.pid, signal.SIGKILL)


def open_gate(world: World, gate: str) -> None:
    (world.gates / gate).touch()


async def at_gate(world: World, gate: str) -> None:
    await until((world.gates / f"{gate}.reached").exists)


async def judged(world: World, crowd: Crowd) -> None:
    await crowd.park_all()
    await world.cleared_away()
    await world.stop_bot()
    found = await world.violations()
    assert found == [], "\n".join(map(str, found)) + world.sentences()


def notices(world: World) -> list[str]:
    """Return the notices of the sessions, oldest first."""
    with closing(sqlite3.connect(f"file:{world.data / 'sessions.db'}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT json_extract(body, '$.text') FROM events WHERE kind = 'noticed' ORDER BY at_ms"
        )
        return [str(row[0]) for row in found]


def host_ends(world: World) -> list[str]:
    """Why hosts ended that did not end as asked."""
    with closing(sqlite3.connect(f"file:{world.data / 'sessions.db'}?mode=ro", uri=True)) as connection:
        return [str(row[0]) for row in connection.execute("SELECT reason FROM hosts WHERE reason <> ''")]


# --- 3: a part of a host ------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", VICTIMS)
async def test_a_turn_goes_on_when_a_part_of_its_host_is_killed(tmp_path: Path, part: str) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, 3, 1, menu=(GATED.format(gate="g"), "demo:text next"), most=2)
        (person,) = crowd.people
        person.choose = iter((GATED.format(gate="g"), "demo:text next")).__next__
        async with crowd.busy():
            await made.start_bot()
            await at_gate(made, "g")
            kill(VICTIMS[part](made.living()[0][1]))
            if part == "claude":
                # The next one works on the same prompt, and comes to the same gate.
                (made.gates / "g.reached").unlink()
                await at_gate(made, "g")
            open_gate(made, "g")
            await person.given(2)
        assert set(person.ended.values()) == {TurnStatus.DONE}
        assert any("ended by itself" in each for each in notices(made)) is (part == "claude")
        await judged(made, crowd)


@pytest.mark.parametrize(
    ("part", "bot_too"),
    [
        ("shell", False),
        ("follower", False),
        ("claude", False),
        ("follower", True),
        pytest.param("shell", True, marks=pytest.mark.soak),
        pytest.param("claude", True, marks=pytest.mark.soak),
    ],
)
async def test_an_open_ask_is_answered_after_a_part_of_its_host_was_killed(
    tmp_path: Path, part: str, bot_too: bool
) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, 3, 1, answers=False, most=1, menu=("demo:bash touch done",))
        (person,) = crowd.people
        async with crowd.busy():
            await made.start_bot()
            first = await person.asked(1)
            if bot_too:
                await made.kill_bot()
            kill(VICTIMS[part](made.living()[0][1]))
            if bot_too:
                await made.start_bot()
            ask = await person.asked(2) if part == "claude" else first
            assert await person.answer(ask, Allow())
        assert set(person.ended.values()) == {TurnStatus.DONE}
        assert list((made.root / "workspaces").rglob("done"))
        await judged(made, crowd)


# --- 4: tmux ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sessions", [3, pytest.param(20, marks=pytest.mark.soak)])
async def test_no_session_is_lost_when_the_tmux_server_is_killed(tmp_path: Path, sessions: int) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, 4, sessions, menu=(GATED.format(gate="g"),), most=1)
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await person.given(1)
            # A host starts before its window: the server may not be there yet when all hosts run.
            await until(lambda: len(made.living()) == sessions)
            await until(lambda: windows(made) >= sessions, every_s=0.1)
            before = {pids.program for _, pids in made.living()}
            server = machine.this().read_process(int(made.tmux("display-message", "-p", "#{pid}")))
            assert server is not None
            kill(server.process)
            await until(lambda: not processes.is_alive(server.process))
            await until(lambda: windows(made) >= sessions, every_s=0.1)
            assert {pids.program for _, pids in made.living()} == before
            open_gate(made, "g")
        await judged(made, crowd)


def windows(made: World) -> int:
    """How many windows the server has. Each look is a process of tmux."""
    return len(made.tmux("list-windows", "-a").splitlines())


async def test_sessions_go_on_when_tmux_is_uninstalled_between_two_starts(tmp_path: Path) -> None:
    async with world(tmp_path / "w", BACKEND="auto") as made:
        crowd = Crowd(made, 4, 3, menu=(GATED.format(gate="g"), "demo:text next"))
        for person in crowd.people:
            person.choose = iter((GATED.format(gate="g"), *["demo:text next"] * 1000)).__next__
        async with crowd.busy():
            await made.start_bot()
            await at_gate(made, "g")
            await until(lambda: len(made.living()) == 3)
            await made.kill_bot()
            made.tmux("kill-server")
            await made.start_bot(PATH=without_tmux(made.root))
            open_gate(made, "g")
            for person in crowd.people:
                await person.given(3)
        await judged(made, crowd)


def without_tmux(root: Path) -> str:
    """A PATH with every program but tmux."""
    directory = root / "path"
    directory.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).glob("*"):
            if program.name != "tmux" and not (directory / program.name).is_symlink():
                (directory / program.name).symlink_to(program)
    return str(directory)


# --- 5: a reboot --------------------------------------------------------------------------------------------


async def test_after_a_reboot_every_conversation_goes_on_and_no_prompt_runs_twice(tmp_path: Path) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, 5, 3, menu=("demo:text first", GATED.format(gate="g"), "demo:text queued"), most=3)
        for person in crowd.people:
            person.choose = iter(("demo:text first", GATED.format(gate="g"), "demo:text queued")).__next__
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await person.given(3)
            await until(lambda: len(made.living()) == 3)
            await at_gate(made, "g")
            for person in crowd.people:
                await until(lambda person=person: len(person.ended) >= 1)  # type: ignore[misc]  # a bound default
            await made.kill_bot()
            await made.take_down()
            shutil.rmtree(made.run)
            open_gate(made, "g")
            await made.start_bot()
        for person in crowd.people:
            assert list(person.ended.values()) == [TurnStatus.DONE] * 3
        assert host_ends(made) == ["Claude's process and its log are gone."] * 3
        await judged(made, crowd)

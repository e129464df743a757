"""Faults 13 and 15: a bot or a Claude that stands still, a Claude that crashes, and very much of everything."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from api import Clear, GetSession, Park
from sessions.model import Lifecycle, TurnStatus
from tests.chaos.people import Crowd, Person
from tests.chaos.test_hosts import GATED, at_gate, notices, open_gate
from tests.chaos.test_kills import SEED, finish
from tests.chaos.world import World, world

MEGABYTE = 1 << 20


# --- 13: standing still -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped_s", [2, pytest.param(300, marks=pytest.mark.soak)])
async def test_nothing_is_lost_while_the_bot_is_stopped(tmp_path: Path, stopped_s: int) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 3)
        async with crowd.busy():
            await made.start_bot()
            for _ in range(2):
                for person in crowd.people:
                    await person.goes_on()
                os.kill(made.pid, signal.SIGSTOP)
                # How long it stands still is the fault itself.
                await asyncio.sleep(stopped_s / 2)
                os.kill(made.pid, signal.SIGCONT)
        await finish(made, crowd)


async def test_prompts_for_a_claude_that_reads_nothing_wait_visibly_and_are_done_after_it_was_ended(
    tmp_path: Path,
) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 1, most=6, at_once=6)
        (person,) = crowd.people
        long = "demo:digest " + "x" * 200_000
        person.choose = iter(("cli:hang", *[long] * 5)).__next__
        async with crowd.busy():
            await made.start_bot()
            await person.given(6)
            while (  # noqa: ASYNC110
                waiting := await person.perform(GetSession(session_id=person.session_id))
            ).running_turn is None:
                await asyncio.sleep(0.01)  # asks over the socket: there is no event on this side
            assert len(waiting.queued_turns) == 5
            began = time.monotonic()
            await person.perform(Park(session_id=person.session_id))
            assert time.monotonic() - began < 30
        assert list(person.ended.values()) == [TurnStatus.INTERRUPTED, *[TurnStatus.DONE] * 5]
        await finish(made, crowd)


# --- 15: a Claude that crashes ------------------------------------------------------------------------------


async def test_a_claude_that_crashes_at_every_start_is_given_up_and_leaves_others_alone(tmp_path: Path) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 2, most=2)
        crashing, neighbour = crowd.people
        crashing.choose = iter(("demo:slow 200 demo:text a b c d cli:crash",)).__next__
        neighbour.choose = iter((GATED.format(gate="g"), "demo:text next")).__next__
        crashing.most = 1
        async with crowd.busy():
            await made.start_bot()
            async with asyncio.timeout(60):
                await crashing.until_noticed("crash_loop")
            assert len(list((made.keep / crashing.session_id).iterdir())) <= 5
            await at_gate(made, "g")
            open_gate(made, "g")
        assert list(crashing.ended.values()) == [TurnStatus.CUT]
        assert list(neighbour.ended.values()) == [TurnStatus.DONE] * 2
        assert any("5 times in a minute" in each for each in notices(made))


# --- 15: much of everything ---------------------------------------------------------------------------------


def memory_bytes(pid: int) -> int:
    """Return the memory that the process has for itself (private and dirty)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty")) * 1024


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  the names are not needed


async def create_and_clear(world: World, crowd: Crowd) -> None:
    """Give everybody a new session with one turn, and clear it."""
    for person in crowd.people:
        await person.anew()
    async with asyncio.TaskGroup() as tasks:
        for person in crowd.people:
            tasks.create_task(person.one_turn("demo:text hello"))
    for person in crowd.people:
        await person.perform(Clear(session_id=person.session_id))
    await world.cleared_away()


@pytest.mark.parametrize(
    ("rounds", "at_once"), [(2, 3), pytest.param(40, 5, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
async def test_sessions_created_and_cleared_in_a_row_leave_nothing(
    tmp_path: Path, rounds: int, at_once: int
) -> None:
    async with world(tmp_path / "w") as made:
        await made.start_bot()
        with Crowd(made, SEED, at_once).on_call() as crowd:
            await create_and_clear(made, crowd)
            before = (descriptors(made.pid), memory_bytes(made.pid))
            for _ in range(rounds):
                await create_and_clear(made, crowd)
        after = (descriptors(made.pid), memory_bytes(made.pid))
        assert after[0] <= before[0] + 1, "descriptors"
        assert after[1] <= before[1] + 4 * MEGABYTE + rounds * at_once * 20_000, "memory"
        assert made.living() == []
        await made.stop_bot()
        found = await made.violations()
        assert found == [], "\n".join(map(str, found)) + made.sentences()


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_session_of_a_hundred_thousand_events_costs_no_memory(tmp_path: Path) -> None:
    async with world(tmp_path / "w") as made:
        await made.start_bot()
        with Crowd(made, SEED, 1).on_call() as crowd:
            await go_on_for_long(made, crowd.people[0])
            await finish(made, crowd)


async def go_on_for_long(world: World, person: Person) -> None:
    blocks = " demo:block ".join(["demo:text word"] * 500)
    await person.anew()
    await person.one_turn(blocks)
    before = memory_bytes(world.pid)
    for _ in range(200):
        await person.one_turn(blocks)
    assert memory_bytes(world.pid) <= before + 24 * MEGABYTE
    info = await person.perform(GetSession(session_id=person.session_id))
    assert info.last_event >= 100_000
    assert info.lifecycle is Lifecycle.LIVE
    began = time.monotonic()
    await world.kill_bot()
    await world.start_bot()
    assert time.monotonic() - began < 10
    await person.one_turn("demo:text still here")

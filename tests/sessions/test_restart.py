"""SIGKILL of the bridge at every durable step: the next start finds nothing lost and does nothing twice."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from faults import EXIT_CODE, VARIABLE
from sessions import rows
from sessions.manager import SessionManager
from sessions.model import Allow, Lifecycle, ToolOutput
from sessions.prompt_queue import Sender
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.state import Snapshot
from tests.nursery import Program, fork_program
from tests.sessions.agreement import check_events
from tests.sessions.scripted import DEADLINE_S, USER, Place, open_ask, rest, seen, send, turns

KEY = "place"
PROMPTS = ["demo:text one", "demo:bash touch made; echo done", "demo:text three"]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.take_down()


async def bridge_process(place: Place, *prompts: str, crash_at: str = "") -> Program:
    return await fork_program(
        "tests.sessions.bridge_process",
        *(str(place.root), KEY, *prompts),
        environment={**os.environ, VARIABLE: crash_at},
        output=place.root / "bridge.out",
    )


async def found_again(manager: SessionManager) -> Session:
    return await manager.get_or_create_session(NewSession(USER, "c", key=KEY))


async def finish(session: Session) -> Snapshot:
    """Hand everything in again, as an inbox does, answer what is asked, and wait until all is at rest."""
    for prompt in PROMPTS:
        await session.send_message(prompt, sender=Sender(USER, f"{KEY} {prompt}"))
    while True:
        state = await seen(session, lambda s: bool(s.asks) or (s.is_idle and not s.queue))
        if not state.asks:
            return state
        for ask in state.asks:
            await session.answer(ask.id, Allow(), by=USER)


async def check(session: Session, project: Path) -> None:
    """Each prompt has one turn with one answer, in order, and the tool ran."""
    found = await turns(session)
    assert [(prompt, status) for prompt, status, _ in found] == [(prompt, "done") for prompt in PROMPTS]
    assert (found[0][2], found[2][2]) == ("DEMO: one", "DEMO: three")
    stored = [t for t in await rows.load_turns(session.around.db, session.id) if t.prompt == PROMPTS[1]]
    outputs = [b for b in await rows.load_blocks(session.around.db, stored[0].id) if isinstance(b, ToolOutput)]
    assert len([each for each in outputs if not each.is_error]) == 1
    assert (project / "made").exists()
    await check_events(session)


# How often a point is passed depends on how lines are batched: the high counts may not be reached.
SURE = 4
POINTS = [
    *(f"session-before-commit:{n}" for n in (1, 3, 6, 9)),
    *(f"session-after-commit:{n}" for n in (1, 3, 6, 9)),
    *(f"lines-applied:{n}" for n in (1, 3)),
    *(f"prompt-sent:{n}" for n in (1, 3)),
    *(f"input_log.in_append:{n}" for n in (1, 2, 4)),
    "input_log.before_append:2",
    "input_log.after_append:2",
    "launch.after_directory",
    "launch.after_start",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_durable_step_loses_nothing_and_does_nothing_twice(
    place: Place, point: str
) -> None:
    bridge = await bridge_process(place, *PROMPTS, crash_at=point)
    async with asyncio.timeout(DEADLINE_S):
        code = await bridge.ended
    sure = int(point.partition(":")[2] or 1) <= SURE
    assert code == EXIT_CODE or not sure, "the point was not reached"
    async with place.bridge() as manager:
        session = await found_again(manager)
        await finish(session)
        await check(session, place.workspaces / "default")


async def killed_while(place: Place, prompt: str, gate: str) -> str:
    """A bridge that is killed while its session waits at a gate; the session's id."""
    bridge = await bridge_process(place, prompt, "demo:text next")
    await place.at_gate(gate)
    os.kill(bridge.pid, signal.SIGKILL)
    await bridge.ended
    return (place.root / "bridge.out").read_text().splitlines()[0]


GATED = "demo:text before demo:gate g demo:text after"


async def test_a_turn_goes_on_while_no_bridge_is_there(place: Place) -> None:
    session_id = await killed_while(place, GATED, "g")
    place.open_gate("g")
    async with place.bridge() as manager:
        session = await manager.get_session(session_id)
        await rest(session)
        found = await turns(session)
        assert [status for _, status, _ in found] == ["done", "done"]
        assert (found[0][2], found[1][2]) == ("DEMO: before\n\nafter", "DEMO: next")
        assert session.snapshot.host == 1


AFTERWARDS = {
    "its process is killed": (True, False),
    "its process is killed and the run directory wiped": (True, True),
}


@pytest.mark.parametrize("case", AFTERWARDS)
async def test_a_turn_that_was_cut_with_the_bridge_goes_on_once(place: Place, case: str) -> None:
    session_id = await killed_while(place, GATED, "g")
    await place.take_down()
    if AFTERWARDS[case][1]:
        shutil.rmtree(place.root / "run")
    place.open_gate("g")
    async with place.bridge() as manager:
        session = await manager.get_session(session_id)
        await rest(session)
        found = await turns(session)
        assert [status for _, status, _ in found] == ["done", "done"]
        assert found[0][2].endswith("after")
        assert found[1][2] == "DEMO: next"


async def test_an_open_ask_is_answered_after_a_restart(place: Place) -> None:
    async with place.bridge() as manager:
        session = await found_again(manager)
        await send(session, "demo:bash touch made; echo done")
        (before,) = (await open_ask(session)).asks
    async with place.bridge() as manager:
        session = await found_again(manager)
        (after,) = (await open_ask(session)).asks
        assert after == before
        await session.answer(after.id, Allow(), by=USER)
        await rest(session)
    assert (place.workspaces / "default" / "made").exists()


async def test_a_session_that_was_stopping_is_stopped_by_the_next_bridge(place: Place) -> None:
    async with place.bridge() as manager:
        session = await found_again(manager)
        await send(session, "cli:ignore-term cli:hang")
        await seen(session, lambda snapshot: snapshot.running is not None)
        clearing = asyncio.create_task(manager.clear_session(session.id))
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.STOPPING)
    clearing.cancel()
    await asyncio.gather(clearing, return_exceptions=True)
    place.patience = replace(place.patience, stop_s=0.2)  # its Claude ignores requests and SIGTERM
    async with place.bridge() as manager:
        session = await manager.get_session(session.id)
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.ENDED)


async def test_a_session_that_was_cleared_while_it_was_parked_is_ended_by_the_next_bridge(place: Place) -> None:
    async with place.bridge() as manager:
        session = await found_again(manager)
        await send(session, "cli:ignore-term cli:hang")
        await seen(session, lambda snapshot: snapshot.running is not None)
        parking = asyncio.create_task(session.park("now"))
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.STOPPING)
        clearing = asyncio.create_task(manager.clear_session(session.id))
        await seen(session, lambda snapshot: snapshot.leads_to is Lifecycle.ENDED)
        assert session.snapshot.lifecycle is Lifecycle.STOPPING
    for task in (parking, clearing):
        task.cancel()
    await asyncio.gather(parking, clearing, return_exceptions=True)
    place.patience = replace(place.patience, stop_s=0.2)
    async with place.bridge() as manager:
        session = await manager.get_session(session.id)
        await seen(session, lambda snapshot: snapshot.lifecycle is Lifecycle.ENDED)


async def test_prompts_that_no_process_had_seen_are_answered_after_a_restart(place: Place) -> None:
    bridge = await bridge_process(place, *PROMPTS, crash_at="session-after-commit:2")
    async with asyncio.timeout(DEADLINE_S):
        await bridge.ended
    async with place.bridge() as manager:
        session = await found_again(manager)
        await seen(session, lambda snapshot: snapshot.is_idle and not snapshot.queue)
        assert await turns(session) == [("demo:text one", "done", "DEMO: one")]

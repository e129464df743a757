"""Starting and ending processes: one at a time for a session, and none that nobody knows of."""

import asyncio
from pathlib import Path

import pytest

from sessions import rows
from sessions.dependencies import Patience
from sessions.errors import (
    AlreadyDecided,
    IllegalMove,
    SessionError,
)
from sessions.model import Allow, Lifecycle
from sessions.retention import ARCHIVED
from sessions.session import Session
from sessions.slots import Limits
from storage import Database
from tests.sessions.kit import DEADLINE_S, USER, House, house, idle, send, statuses, until


async def test_prompts_that_come_at_once_start_one_process(here: House) -> None:
    session = await here.session()
    await asyncio.gather(send(session, "one"), send(session, "two"), send(session, "three"))
    await idle(session)
    assert await statuses(here, session) == [("one", "done"), ("two", "done"), ("three", "done")]
    assert here.machine.launches == 1


async def test_a_process_that_was_asked_for_twice_is_not_started_again_when_it_is_over(here: House) -> None:
    session = await here.session()
    await asyncio.gather(send(session, "one"), send(session, "two"))
    await idle(session)
    await session.park("the test says so")
    await until(lambda: not here.manager.keeper.is_starting(session.id))
    assert session.snapshot.lifecycle is Lifecycle.PARKED
    assert here.machine.launches == 1


async def starting(here: House, session: Session) -> None:
    """Send a prompt and hold the launch that it causes."""
    here.machine.launching.clear()
    await send(session, "one")
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STARTING)


async def test_a_session_that_is_cleared_while_its_process_starts_leaves_none(here: House) -> None:
    session = await here.session()
    await starting(here, session)
    clearing = asyncio.create_task(here.manager.clear_session(session.id))
    await session.until(lambda snapshot: snapshot.lifecycle is not Lifecycle.STARTING)
    here.machine.launching.set()
    async with asyncio.timeout(DEADLINE_S):
        await clearing
    assert (session.snapshot.lifecycle, session.snapshot.current) == (Lifecycle.ENDED, None)
    assert here.machine.living() == []
    assert await statuses(here, session) == [("one", "withdrawn")]


async def test_a_session_that_is_cleared_while_its_launch_fails_has_ended(here: House) -> None:
    session = await here.session()
    await starting(here, session)
    clearing = asyncio.create_task(here.manager.clear_session(session.id))
    await session.until(lambda snapshot: snapshot.lifecycle is not Lifecycle.STARTING)
    here.machine.refuse = "no terminal"
    here.machine.launching.set()
    async with asyncio.timeout(DEADLINE_S):
        await clearing
    assert session.snapshot.lifecycle is Lifecycle.ENDED


async def test_a_session_that_is_parked_while_its_process_starts_keeps_its_prompt(here: House) -> None:
    session = await here.session()
    await starting(here, session)
    parking = asyncio.create_task(session.park("now"))
    await session.until(lambda snapshot: snapshot.lifecycle is not Lifecycle.STARTING)
    here.machine.launching.set()
    async with asyncio.timeout(DEADLINE_S):
        await parking
        await idle(session)
    assert await statuses(here, session) == [("one", "done")]
    assert len(here.machine.living()) == 1


async def test_a_session_that_is_being_cleared_takes_no_prompt(here: House) -> None:
    session = await here.session()
    await send(session, "gate x", "two")
    await session.until(lambda snapshot: snapshot.running is not None)
    clearing = asyncio.create_task(here.manager.clear_session(session.id))
    await session.until(lambda snapshot: snapshot.lifecycle in (Lifecycle.STOPPING, Lifecycle.ENDED))
    with pytest.raises(IllegalMove):
        await send(session, "three")
    await clearing
    assert await statuses(here, session) == [("gate x", "interrupted"), ("two", "withdrawn")]


async def test_clearing_a_parked_session_with_a_cut_turn_ends_the_turn(here: House) -> None:
    session = await here.session()
    await send(session, "gate x")
    await session.until(lambda snapshot: snapshot.running is not None)
    here.machine.refuse = "no terminal"
    here.machine.reboot()
    await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
    await here.manager.clear_session(session.id)
    assert (session.snapshot.lifecycle, session.snapshot.current) == (Lifecycle.ENDED, None)


@pytest.mark.parametrize("after", ["the launch", "its first line"])
async def test_a_machine_that_goes_down_while_a_process_starts_fails_nothing(here: House, after: str) -> None:
    session = await here.session()
    await starting(here, session)
    here.death.left = 2 if after == "the launch" else 4
    here.machine.launching.set()
    async with asyncio.timeout(DEADLINE_S):
        await here.death.came.wait()
    assert len(here.machine.living()) == 1
    await here.bury()
    here.machine.reboot()
    await here.restart()
    session = await here.again(session)
    await idle(session)
    assert await statuses(here, session) == [("one", "done")]


async def test_a_process_that_outlives_kill_fails_its_session_and_says_so(here: House) -> None:
    here.patience = Patience(start_s=20, request_s=20, stop_s=0.1, idle_s=1e9)
    await here.restart()
    session = await here.session()
    await send(session, "ask x")
    await session.until(lambda snapshot: bool(snapshot.asks))
    (process,) = here.machine.living()
    process.unkillable, process.has_follower = True, False
    with pytest.raises(SessionError):
        async with asyncio.timeout(DEADLINE_S):
            await here.manager.clear_session(session.id)
    assert session.snapshot.lifecycle is Lifecycle.FAILED
    assert "4711" in session.snapshot.reason
    assert session.snapshot.asks == ()


async def test_a_session_may_be_parked_and_woken_as_often_as_it_likes(here: House) -> None:
    """The limit on starts is for processes that end by themselves."""
    session = await here.session()
    for n in range(12):
        await send(session, f"prompt {n}")
        await idle(session)
        await session.park("again")
    assert session.snapshot.lifecycle is Lifecycle.PARKED
    assert {status for _, status in await statuses(here, session)} == {"done"}


async def test_a_process_that_keeps_ending_by_itself_is_given_up(here: House) -> None:
    session = await here.session()
    await send(session, "gate x")
    async with asyncio.timeout(DEADLINE_S):
        while session.snapshot.lifecycle is not Lifecycle.FAILED:
            await session.until(lambda snapshot: snapshot.running is not None or not snapshot.holds_slot)
            here.machine.reboot()
            await asyncio.sleep(0)
    assert here.machine.launches == 5
    assert session.snapshot.current is None
    here.clock.seconds += 61
    here.claude.open_gate("x")
    await send(session, "again")
    await idle(session)
    assert (await statuses(here, session))[-1] == ("again", "done")


async def test_a_prompt_that_wakes_a_session_while_the_old_process_is_being_let_go_starts_one(
    here: House,
) -> None:
    """Found by seed 1082: a session found again after a restart, parked, and prompted at that moment."""
    session = await here.session()
    await send(session, "one")
    await idle(session)
    for n in range(20):
        await here.restart()
        session = await here.again(session)
        await idle(session)
        parking = asyncio.create_task(session.park("now"))
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
        await send(session, f"prompt {n}")
        await parking
        await idle(session)
    assert {status for _, status in await statuses(here, session)} == {"done"}


async def test_ending_all_hosts_at_shutdown_leaves_none_and_the_turn_goes_on_later(here: House) -> None:
    working, waiting = await here.session("a"), await here.session("b")
    await send(working, "gate x", "two")
    await working.until(lambda snapshot: snapshot.running is not None)
    await send(waiting, "one")
    await idle(waiting)
    async with asyncio.timeout(DEADLINE_S):
        await here.manager.shutdown(stop_hosts=True)
    assert here.machine.living() == []
    here.claude.open_gate("x")
    await here.restart()
    working = await here.again(working)
    await idle(working)
    assert await statuses(here, working) == [("gate x", "done"), ("two", "done")]


async def test_a_session_that_has_ended_waits_for_no_place(db: Database, tmp_path: Path) -> None:
    async with house(db, tmp_path, Limits(max_sessions=1)) as here:
        busy, first, second = [await here.session(name) for name in "abc"]
        await send(busy, "gate x")
        await busy.until(lambda snapshot: snapshot.running is not None)
        for session in (first, second):
            await send(session, "patient")
            await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.QUEUED)
        await first.end(ARCHIVED)
        places = [here.manager.place_in_line(each.id) for each in (first, second)]
        assert places == [None, 0]


async def test_an_ask_of_a_process_that_is_to_end_takes_no_answer(here: House) -> None:
    session = await here.session()
    await send(session, "ask may it?")
    (ask,) = (await session.until(lambda snapshot: bool(snapshot.asks))).asks
    clearing = asyncio.create_task(session.end("cleared"))
    stopping = await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STOPPING)
    assert stopping.asks == (ask,)
    with pytest.raises(AlreadyDecided):
        await session.answer(ask.id, Allow(), by=USER)
    await clearing
    stored = await rows.load_ask(here.db, ask.id)
    assert stored is not None
    assert stored.decided_by == ""


async def test_an_ask_of_a_turn_that_is_being_interrupted_takes_no_answer(here: House) -> None:
    session = await here.session()
    await send(session, "ask may it?")
    (ask,) = (await session.until(lambda snapshot: bool(snapshot.asks))).asks
    async with session.change():  # both have to wait, in this order
        interrupting = asyncio.create_task(session.stop())
        await until(lambda: session.run is not None and session.run.control.interrupting)
        answering = asyncio.create_task(session.answer(ask.id, Allow(), by=USER))
    with pytest.raises(AlreadyDecided):
        await answering
    await interrupting
    await idle(session)
    assert await statuses(here, session) == [("ask may it?", "interrupted")]

"""Leaving a process, and what comes between: another wish, a wish that is given up, a log that was cut."""

import asyncio

import pytest

from backends.base import LogCut
from sessions import events as e
from sessions import rows
from sessions.between_turns import Feeding, keep_to_limits
from sessions.leaving import Departure, record_departure
from sessions.model import Activity, Blocker, Lifecycle
from sessions.session import Session
from sessions.slots import Limits
from sessions.topics import Topic
from storage import Statement
from tests.sessions.kit import DEADLINE_S, House, idle, send, statuses, until


async def topics(here: House, session: Session) -> set[str]:
    events = await rows.load_events(here.db, session.id, after=0, limit=1000)
    return {each.event.topic for each in events if isinstance(each.event, e.Noticed)}


async def after_one_turn(here: House) -> Session:
    session = await here.session()
    await send(session, "one")
    await idle(session)
    return session


async def with_a_log_that_was_cut(here: House) -> Session:
    """A session in a turn, whose input log has lost its end."""
    session = await here.session()
    await send(session, "gate x")
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.running is not None)
    (process,) = here.machine.living()
    del process.input[10:]
    return session


async def in_line() -> None:
    """Let what was just begun come as far as the session's lock, which the caller holds."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_session_that_is_cleared_while_its_starting_process_is_parked_is_stored_as_cleared(
    here: House,
) -> None:
    session = await here.session()
    here.machine.launching.clear()
    await send(session, "one")
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STARTING)
        parking = asyncio.create_task(session.park("now"))
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STOPPING)
        clearing = asyncio.create_task(here.manager.clear_session(session.id))
        await session.until(lambda snapshot: snapshot.leads_to is Lifecycle.ENDED)
    assert session.snapshot.lifecycle is Lifecycle.STOPPING
    assert await statuses(here, session) == [("one", "withdrawn")]
    for task in (parking, clearing):
        task.cancel()
    here.machine.launching.set()
    await here.restart()
    again = await here.again(session)
    async with asyncio.timeout(DEADLINE_S):
        await again.until(lambda snapshot: snapshot.lifecycle is Lifecycle.ENDED)
    assert here.machine.living() == []


@pytest.mark.parametrize("cause", ["archived by a rule", "cleared", "geräumt"])
async def test_a_session_that_is_being_ended_when_the_bridge_dies_is_ended_whatever_the_words(
    here: House, cause: str
) -> None:
    session = await here.session()
    here.machine.launching.clear()
    await send(session, "one")
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STARTING)
        ending = asyncio.create_task(session.end(cause))
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.STOPPING)
    ending.cancel()
    here.machine.launching.set()
    await here.restart()
    again = await here.again(session)
    async with asyncio.timeout(DEADLINE_S):
        await again.until(lambda snapshot: snapshot.lifecycle is Lifecycle.ENDED)


async def test_a_turn_that_a_stop_of_the_bridge_keeps_is_kept_though_the_bridge_is_killed_in_it(
    here: House,
) -> None:
    session = await here.session()
    await send(session, "gate x")
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.running is not None)
        async with session.change() as draft:
            record_departure(draft, Departure(Lifecycle.PARKED, "the bridge was stopped", keeps_turn=True))
        await here.restart()
        again = await here.again(session)
        await again.until(lambda snapshot: snapshot.host == 2)
        here.claude.open_gate("x")
    await idle(again)
    assert await statuses(here, session) == [("gate x", "done")]


OLD_MOVES = {
    "cleared": (Lifecycle.ENDED, False),
    "archived: nobody used it for long": (Lifecycle.ENDED, False),
    "nothing happened for a while": (Lifecycle.PARKED, False),
    "handed over to a terminal": (Lifecycle.PARKED, True),
}


@pytest.mark.parametrize("words", OLD_MOVES)
@pytest.mark.parametrize("snapshot_is_damaged", [False, True])
async def test_rows_of_older_versions_say_with_words_where_a_session_goes(
    here: House, words: str, *, snapshot_is_damaged: bool
) -> None:
    session = await after_one_turn(here)
    async with session.change() as draft:
        draft.add(e.LifecycleChanged(Lifecycle.LIVE, Lifecycle.STOPPING, words))
    remove = "json_remove({0}, '$.leads_to', '$.keeps_turn', '$.handed_over')"
    data = "'{}'" if snapshot_is_damaged else remove.format("data")
    await here.db.write(
        [
            Statement(f"UPDATE sessions SET data = {data}"),
            Statement(f"UPDATE events SET body = {remove.format('body')} WHERE kind = 'lifecycle_changed'"),
        ]
    )
    stored = await rows.load_snapshot(here.db, session.id)
    assert stored is not None
    assert (stored.leads_to, stored.handed_over) == OLD_MOVES[words]


async def test_a_park_that_is_given_up_before_it_is_stored_leaves_the_process_in_use(here: House) -> None:
    session = await after_one_turn(here)
    async with session.change():
        parking = asyncio.create_task(session.park("now"))
        await in_line()
        parking.cancel()
        await asyncio.wait([parking])
    await send(session, "two")
    await idle(session)
    assert await statuses(here, session) == [("one", "done"), ("two", "done")]
    assert here.machine.launches == 1


async def test_a_park_that_is_given_up_takes_nothing_from_a_clear_that_comes_after_it(here: House) -> None:
    session = await after_one_turn(here)
    async with session.change():
        parking = asyncio.create_task(session.park("now"))
        await in_line()
        clearing = asyncio.create_task(session.end("for any reason"))
        await in_line()
        parking.cancel()
        await asyncio.wait([parking])
    async with asyncio.timeout(DEADLINE_S):
        await clearing
    assert session.snapshot.lifecycle is Lifecycle.ENDED
    assert "process_ended" not in await topics(here, session)


async def test_a_park_that_is_given_up_once_it_is_stored_is_carried_out(here: House) -> None:
    session = await after_one_turn(here)
    parking = asyncio.create_task(session.park("now"))
    await until(lambda: session.snapshot.lifecycle is Lifecycle.STOPPING or parking.done())
    parking.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
    assert "process_ended" not in await topics(here, session)


async def test_a_session_that_begins_background_work_as_its_place_is_wanted_keeps_it(here: House) -> None:
    here.manager.keeper.slots.limits = Limits(max_sessions=1)
    session, other = await after_one_turn(here), await here.session("other")
    async with session.change() as draft:
        await send(other, "two")
        await in_line()
        draft.add(e.BackgroundTasksChanged(("a build",)))
        assert here.manager.keeper._parking == {session.id}
    await until(lambda: not here.manager.keeper._parking)
    assert session.snapshot.is_idle
    assert other.snapshot.lifecycle is Lifecycle.QUEUED
    async with session.change() as draft:
        draft.add(e.BackgroundTasksChanged(()))
    await idle(other)
    assert session.snapshot.lifecycle is Lifecycle.PARKED


async def notice_with_a_line(session: Session) -> None:
    async with session.change() as draft:
        draft.add(e.Noticed(Topic.OTHER, "A line goes with it."))
        draft.send("token", b"{}\n")


async def test_what_is_stored_is_published_though_the_input_log_was_cut(here: House) -> None:
    session = await with_a_log_that_was_cut(here)
    listening = session.around.bus.subscribe(session.id)
    with pytest.raises(LogCut):
        await notice_with_a_line(session)
    async with asyncio.timeout(DEADLINE_S):
        (published,) = await listening.take()
    session.around.bus.unsubscribe(listening)
    (stored,) = await rows.load_events(here.db, session.id, after=session.snapshot.next_event - 2, limit=9)
    assert published == stored


async def test_a_session_whose_input_log_was_cut_can_be_cleared(here: House) -> None:
    session = await with_a_log_that_was_cut(here)
    async with asyncio.timeout(DEADLINE_S):
        await session.end("for any reason")
    assert session.snapshot.lifecycle is Lifecycle.ENDED
    assert here.machine.living() == []


async def test_a_usage_limit_that_opens_is_overtaken_by_what_happened_meanwhile(here: House) -> None:
    session = await after_one_turn(here)
    assert session.run is not None
    until_ms = here.clock.now_ms() + 3_600_000
    async with session.change() as draft:
        draft.add(e.ActivityChanged(Activity.IDLE, Activity.BLOCKED, "a limit", Blocker.USAGE_LIMIT))
        draft.add(e.Noticed(Topic.USAGE_LIMIT, "A limit.", until_ms))
    async with session.change() as draft:
        here.clock.seconds += 7200
        reopening = asyncio.create_task(keep_to_limits(Feeding(session.run)))
        await in_line()
        draft.add(e.ActivityChanged(Activity.BLOCKED, Activity.WORKING, "background work"))
    await reopening
    assert session.snapshot.activity is Activity.WORKING

"""The manager's answers about many sessions: whose, which, how many."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from api import GroupBy, QuerySessions, ReadStatistics
from api.access import Actor, Role
from service.session_list import list_sessions
from service.statistics import read_statistics
from sessions import rows
from sessions.loaded_sessions import CACHED_SESSIONS
from sessions.model import Lifecycle, SessionId
from sessions.prompt_queue import Sender
from sessions.session import Session
from sessions.slots import Limits
from storage import AnyStatement, Database, DatabaseFull, Outcome, Statement
from tests.sessions.kit import DEADLINE_S, USER, House, house, until


async def test_a_users_sessions_come_newest_activity_first_and_without_ended_ones(here: House) -> None:
    first, second, third = [await here.session(name) for name in ("a", "b", "c")]
    here.clock.seconds += 10
    await first.rename("touched last")
    await here.manager.clear_session(third.id)
    assert [each.id for each in await here.manager.get_user_sessions(USER)] == [first.id, second.id]
    assert await here.manager.get_user_sessions("discord:2") == []


async def test_a_query_gives_pages_that_only_the_owner_sees(here: House) -> None:
    made = [await here.session(str(number)) for number in range(3)]
    owner, stranger = (Actor(name, "test", Role.USER) for name in (USER, "discord:2"))
    page, cursor = await list_sessions(here.manager, owner, QuerySessions(limit=2))
    rest, end = await list_sessions(here.manager, owner, QuerySessions(limit=2, cursor=cursor))
    assert {each.id for each in [*page, *rest]} == {each.id for each in made}
    assert end == ""
    assert await list_sessions(here.manager, stranger, QuerySessions()) == ([], "")


async def damage(here: House, session: Session) -> None:
    """Make what is stored of the session unreadable, for the next bridge."""
    await here.db.write(
        [
            Statement("UPDATE sessions SET data = '{' WHERE id = ?", (session.id,)),
            Statement('UPDATE events SET body = \'{"type":"unheard_of"}\' WHERE session_id = ?', (session.id,)),
        ]
    )


async def test_a_session_that_cannot_be_read_is_missing_in_the_list_and_hides_no_other(here: House) -> None:
    made = [await here.session(str(number)) for number in range(3)]
    await damage(here, made[1])
    await here.restart()
    owner = Actor(USER, "test", Role.USER)
    page, _ = await list_sessions(here.manager, owner, QuerySessions())
    assert {each.id for each in page} == {made[0].id, made[2].id}


async def test_a_session_that_cannot_be_read_keeps_no_others_ended_hosts(here: House) -> None:
    made = [await here.session(str(number)) for number in range(3)]
    for session in made:
        await session.wake()
        await session.park("test")
    await damage(here, made[0])
    await here.restart()
    # As after a copy of the transcript that failed: the hosts have ended, and are still there.
    await here.db.write([Statement("UPDATE hosts SET address = ?", ('["gone", 1]',))])
    await here.manager.retention.apply()
    left = await here.db.read("SELECT session_id FROM hosts WHERE address <> ''")
    assert [row[0] for row in left] == [made[0].id]


async def test_a_session_that_waits_for_a_process_only_stays_in_memory(db: Database, tmp_path: Path) -> None:
    async with house(db, tmp_path, Limits(max_sessions=1)) as here:
        working, waiting = await here.session("a"), await here.session("b")
        await working.send_message("gate x", sender=Sender(USER, "gate"))
        await working.until(lambda snapshot: snapshot.running is not None)
        waking = asyncio.create_task(waiting.wake())
        await until(lambda: waiting.snapshot.lifecycle is Lifecycle.QUEUED and not waiting.busy)
        for number in range(CACHED_SESSIONS + 1):
            here.manager._loaded.new(SessionId(f"00000000-0000-7000-8000-{number:012d}"))
        here.claude.open_gate("x")
        async with asyncio.timeout(DEADLINE_S):
            assert (await waking).host.alive()


async def test_an_emergency_stop_that_cannot_be_stored_tells_what_became_of_each(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.manager._CLEAR_ALL_S", 0.2)

    async def full(statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        raise DatabaseFull("The disk is full; nothing was written.")

    async with house(db, tmp_path, Limits(max_sessions=1)) as here:
        working, waiting = await here.session("a"), await here.session("b")
        for session in (working, waiting):
            await session.send_message("gate x", sender=Sender(USER, session.id))
        await working.until(lambda snapshot: snapshot.running is not None)
        monkeypatch.setattr(here.manager.db, "write", full)
        report = await here.manager.clear_all_sessions()
        assert {each.session_id: each.had_process for each in report} == {working.id: True, waiting.id: False}
        assert all(each.trouble.endswith("The log says why.") for each in report)
        assert here.machine.living() == []


async def test_persisting_writes_the_row_as_the_session_is(here: House) -> None:
    session = await here.session()
    await here.db.write([Statement("UPDATE sessions SET title = 'spoilt' WHERE id = ?", (session.id,))])
    await session.rename("right")
    await here.manager.persist_session(session.id)
    stored = await rows.load_snapshot(here.db, session.id)
    assert stored == session.snapshot


async def test_statistics_count_processes_and_turns(here: House) -> None:
    session = await here.session()
    await session.send_message("one", sender=Sender(USER, "one"))
    await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)
    statistics = await read_statistics(here.manager, ReadStatistics(group_by=GroupBy.USER))
    assert (statistics.live_processes, statistics.waiting, statistics.open_asks) == (1, 0, 0)
    assert statistics.by_lifecycle == {"live": 1}
    assert statistics.totals.turns == 1
    assert [row.group for row in statistics.groups] == [USER]

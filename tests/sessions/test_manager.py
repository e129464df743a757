"""What the manager answers about many sessions: whose, which, how many."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions import rows
from sessions.access import Actor, Role
from sessions.commands import QuerySessions, ReadStatistics
from sessions.prompt_queue import Sender
from storage import Database, Statement
from tests.sessions.kit import USER, House, house


@pytest.fixture
async def here(db: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with house(db, tmp_path) as made:
        yield made


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
    page, cursor = await here.manager.query_sessions(owner, QuerySessions(limit=2))
    rest, end = await here.manager.query_sessions(owner, QuerySessions(limit=2, cursor=cursor))
    assert {each.id for each in [*page, *rest]} == {each.id for each in made}
    assert end == ""
    assert await here.manager.query_sessions(stranger, QuerySessions()) == ([], "")


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
    statistics = await here.manager.statistics(ReadStatistics(group_by="user"))
    assert (statistics.live_processes, statistics.waiting, statistics.open_asks) == (1, 0, 0)
    assert statistics.by_lifecycle == {"live": 1}
    assert statistics.totals.turns == 1
    assert [row.group for row in statistics.groups] == [USER]

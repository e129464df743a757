"""Lists of sessions: who sees what, every filter, and pages that stay right while sessions come and go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from api import QuerySessions
from api.access import Actor, Role
from service.session_list import last_events, queued_turns, read_page
from sessions.model import Lifecycle, SessionId, ShareLevel
from sessions.rows import insert_session, upsert_share
from sessions.state import Snapshot
from storage import Database, Statement

ADMIN = Actor("root", "test", Role.ADMIN)
ANN = Actor("ann", "test", Role.USER, ("team",))


@dataclass(frozen=True, slots=True)
class Row:
    """A stored session by its number."""

    number: int
    facts: dict[str, Any]

    @property
    def snapshot(self) -> Snapshot:
        bare = Snapshot(session_id(self.number), user_id="ann", last_activity_ms=self.number)
        return msgspec.structs.replace(bare, **self.facts)


def session_id(number: int) -> SessionId:
    return SessionId(f"01890000-0000-7000-8000-{number:012d}")


async def store(db: Database, *rows: Row) -> None:
    await db.write([insert_session(row.snapshot) for row in rows])


async def numbers(db: Database, actor: Actor = ADMIN, **query: Any) -> list[int]:
    ids, _ = await read_page(db, actor, QuerySessions(**query))
    return [int(each[-12:]) for each in ids]


FILTERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"user_id": "ann"}, {"user_id": "ben"}, {"user_id": "ann"}),
    ({"channel_id": "c"}, {"channel_id": "d"}, {"channel_id": "c"}),
    ({"model": "m"}, {"model": "n"}, {"model": "m"}),
    ({"project": "p"}, {"project": "q"}, {"project": "p"}),
    ({"lifecycle": Lifecycle.FAILED}, {"lifecycle": Lifecycle.PARKED}, {"lifecycle": Lifecycle.FAILED}),
    ({"lifecycle": Lifecycle.ENDED}, {"lifecycle": Lifecycle.PARKED}, {"lifecycle": Lifecycle.ENDED}),
    ({"last_activity_ms": 50}, {"last_activity_ms": 49}, {"since_ms": 50}),
    ({"last_activity_ms": 50}, {"last_activity_ms": 51}, {"until_ms": 50}),
    ({"title": "A 100% plan"}, {"title": "A 1000 plan"}, {"text": "100%"}),
    ({"title": "snake_case"}, {"title": "snakeXcase"}, {"text": "E_C"}),
    ({"title": "back\\slash"}, {"title": "backslash"}, {"text": "k\\s"}),
    ({"title": "'; DROP TABLE"}, {"title": "x"}, {"text": "'; DROP"}),
]


@pytest.mark.parametrize(("wanted", "other", "query"), FILTERS)
async def test_each_filter_finds_what_it_says_and_nothing_else(
    wanted: dict[str, Any], other: dict[str, Any], query: dict[str, Any], db: Database
) -> None:
    await store(db, Row(1, wanted), Row(2, other))
    assert await numbers(db, **query) == [1]


async def test_text_is_found_in_prompts_too(db: Database) -> None:
    await store(db, Row(1, {}), Row(2, {}))
    insert = Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt, queued_ms)"
        " VALUES ('t', ?, 1, 'prompt', 'done', 'ann', 'fix the Pump', 0)",
        (session_id(1),),
    )
    await db.write([insert])
    assert await numbers(db, text="the pump") == [1]


async def test_ended_sessions_are_listed_only_when_asked_for(db: Database) -> None:
    await store(db, Row(1, {"lifecycle": Lifecycle.ENDED}), Row(2, {}))
    assert await numbers(db) == [2]
    assert await numbers(db, include_ended=True) == [2, 1]


async def test_only_ones_own_and_what_is_shared_is_seen(db: Database) -> None:
    await store(
        db, *(Row(number, {"user_id": owner}) for number, owner in enumerate(["ann", "ben", "ben", "ben"], 1))
    )
    await db.write(
        [
            upsert_share(session_id(2), "ann", ShareLevel.VIEW, "ben", 0),
            upsert_share(session_id(3), "team", ShareLevel.PROMPT, "ben", 0),
            upsert_share(session_id(4), "others", ShareLevel.APPROVE, "ben", 0),
        ]
    )
    queued = (
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt, queued_ms)"
        " SELECT id, id, 1, 'prompt', 'queued', 'ben', '', 0 FROM sessions"
    )
    await db.write([Statement(queued)])
    everybody = {actor: await numbers(db, actor) for actor in (ANN, ADMIN, Actor("eve", "test", Role.USER))}
    for actor, found in everybody.items():
        asked = [*map(session_id, range(1, 6)), "no such session"]
        assert await last_events(db, actor, asked) == {session_id(number): 0 for number in found}
        assert {turn.session_id for turn in await queued_turns(db, actor)} == set(map(session_id, found))
    assert await numbers(db, ANN) == [3, 2, 1]
    assert await numbers(db, ANN, user_id="ben") == [3, 2]
    assert await numbers(db, Actor("eve", "test", Role.USER)) == []
    assert await numbers(db, ADMIN) == [4, 3, 2, 1]


async def pages(db: Database, limit: int, *, between: Sequence[Row] = (), **query: Any) -> list[list[int]]:
    """All pages; `between` comes in after the first."""
    found: list[list[int]] = []
    cursor = ""
    while True:
        ids, cursor = await read_page(db, ADMIN, QuerySessions(limit=limit, cursor=cursor, **query))
        found.append([int(each[-12:]) for each in ids])
        if len(found) == 1:
            await store(db, *between)
        if not cursor:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_hold_each_session_once_also_where_times_are_equal(
    limit: int, oldest_first: bool, db: Database
) -> None:
    await store(db, *(Row(number, {"last_activity_ms": number // 3}) for number in range(1, 8)))
    found = [number for page in await pages(db, limit, oldest_first=oldest_first) for number in page]
    expected = sorted(range(1, 8), key=lambda number: (number // 3, number), reverse=not oldest_first)
    assert found == expected


async def test_a_session_that_comes_in_between_moves_no_page(db: Database) -> None:
    await store(db, *(Row(number, {}) for number in range(1, 7)))
    found = await pages(db, 2, between=[Row(50, {}), Row(51, {})])
    assert [number for page in found for number in page] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pinned_sessions_come_first_over_all_pages(limit: int, oldest_first: bool, db: Database) -> None:
    await store(db, *(Row(number, {"pinned": number in (2, 4)}) for number in range(1, 7)))
    found = [number for page in await pages(db, limit, oldest_first=oldest_first) for number in page]
    assert found == ([2, 4, 1, 3, 5, 6] if oldest_first else [4, 2, 6, 5, 3, 1])
    unpinned = await pages(db, limit, oldest_first=oldest_first, pinned_first=False)
    in_order = [number for page in unpinned for number in page]
    assert in_order == sorted(in_order, reverse=not oldest_first)
    assert len(in_order) == 6


@pytest.mark.parametrize(
    "cursor", ["", "x", "x y", "12", "-1 y", "' OR 1", f"1 {'9' * 30} x", "1 2", "2 2 x", "٣ 1 x"]
)
async def test_a_cursor_that_is_none_starts_anew_or_ends(cursor: str, db: Database) -> None:
    await store(db, Row(1, {}), Row(2, {}))
    assert set(await numbers(db, cursor=cursor)) <= {1, 2}


@pytest.mark.parametrize(("limit", "count"), [(-5, 1), (0, 1), (1000, 100)])
async def test_a_page_has_a_bound(limit: int, count: int, db: Database) -> None:
    await store(db, *(Row(number, {}) for number in range(1, 151)))
    assert len(await numbers(db, limit=limit)) == count

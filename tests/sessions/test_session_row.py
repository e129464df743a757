"""The row of a session: each change brings all its columns up to date, and names no other."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from bridge.schema import schema
from sessions.model import Lifecycle, SessionId, TurnId, TurnKind
from sessions.rows import insert_session, update_session
from sessions.snapshot import RunningTurn, Snapshot

AT_MS = 1_700_000_000_000  # the beginning of a step
BEFORE = Snapshot(SessionId("one"), user_id="ann", project="old", work_directory="/old", last_activity_ms=AT_MS)
RUNNING = replace(BEFORE, running=RunningTurn(TurnId("turn"), "uuid", TurnKind.PROMPT))


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in schema():
            connection.executescript(step.sql)
        yield connection


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"channel_id": "c", "key": "place"}, {"channel_id": "c", "key": "place"}),
        ({"lifecycle": Lifecycle.LIVE}, {"status": "live"}),
        ({"model": "opus"}, {"model": "opus"}),
        ({"title": "A title"}, {"title": "A title"}),
        ({"project": "new", "work_directory": "/new"}, {"project": "new", "work_directory": "/new"}),
        ({"conversation_id": "talk"}, {"conversation_id": "talk"}),
        ({"pinned": True}, {"pinned": 1}),
        ({"last_activity_ms": AT_MS + 1}, {"last_activity_ms": AT_MS + 1, "updated_at": AT_MS + 1}),
        ({"message_count": 7}, {}),
    ],
)
def test_a_change_of_the_session_is_in_its_columns(
    change: dict[str, Any], columns: dict[str, Any], file: sqlite3.Connection
) -> None:
    file.row_factory = sqlite3.Row
    after = replace(BEFORE, **change)
    first, second = insert_session(BEFORE), update_session(after, BEFORE)
    file.execute(first.sql, first.params)
    expected = {**file.execute("SELECT * FROM sessions").fetchone()}
    file.execute(second.sql, second.params)
    expected |= {**columns, "data": msgspec.json.encode(after).decode()}
    assert dict(file.execute("SELECT * FROM sessions").fetchone()) == expected


def test_every_column_is_filled_from_the_snapshot(file: sqlite3.Connection) -> None:
    columns = {name for (name,) in file.execute("SELECT name FROM pragma_table_xinfo('sessions')")}
    named = insert_session(BEFORE).sql.partition("(")[2].partition(")")[0]
    assert columns == set(named.split(", "))


def test_a_block_of_a_running_turn_changes_no_column_that_an_index_has(file: sqlite3.Connection) -> None:
    columns = "SELECT c.name FROM pragma_index_list('sessions') AS i, pragma_index_info(i.name) AS c"
    indexed = {name for (name,) in file.execute(columns)}
    assert {"last_activity_ms", "status", "pinned"} <= indexed
    after = replace(RUNNING, last_activity_ms=AT_MS + 9_999, next_event=2)
    changed = update_session(after, RUNNING).sql.partition(" WHERE ")[0]
    assert not [name for name in indexed if f"{name} =" in changed]


def test_the_time_that_lists_go_by_is_exact_at_rest_and_never_goes_back(file: sqlite3.Connection) -> None:
    begun = replace(BEFORE, last_activity_ms=AT_MS + 7_000)
    runs = replace(RUNNING, last_activity_ms=AT_MS + 8_000)
    goes_on = replace(RUNNING, last_activity_ms=AT_MS + 12_345)
    over = replace(BEFORE, last_activity_ms=AT_MS + 12_346)
    first = insert_session(BEFORE)
    file.execute(first.sql, first.params)
    times = []
    stored = BEFORE
    for each in (begun, runs, goes_on, over, replace(over, last_activity_ms=AT_MS)):
        change = update_session(each, stored)
        file.execute(change.sql, change.params)
        stored = each
        times += file.execute("SELECT last_activity_ms FROM sessions").fetchone()
    assert [time - AT_MS for time in times] == [7_000, 7_000, 10_000, 12_346, 12_346]

"""Fault 14: an upgrade from the schema before, with live sessions, killed in the middle of the migration."""

import asyncio
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.schema import schema
from faults import EXIT_CODE
from tests.chaos.people import Crowd
from tests.chaos.test_hosts import GATED, at_gate, open_gate, until
from tests.chaos.test_kills import MIGRATION_POINTS, SEED, finish
from tests.chaos.world import World, world


def version(world: World) -> int:
    """The schema that the file has; a sound file or none."""
    with closing(sqlite3.connect(world.data / "sessions.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


async def upgrade(root: Path, kills: int) -> None:
    """Work under way on the schema before; be killed while migrating; go on on the new one."""
    new = len(schema())
    old = new - 1
    rng = random.Random(SEED)
    async with world(root) as made:
        crowd = Crowd(made, SEED, 2, most=3)
        for person in crowd.people:
            person.choose = iter(("demo:text first", GATED.format(gate=person.name), "demo:text next")).__next__
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await at_gate(made, person.name)
            await until(lambda: len(made.living()) == 2)
            await made.kill_bot()
            _back_to(made, old)
            assert version(made) == old
            for _ in range(kills):
                await made.start_bot(wait=False)
                # The moment of death is the point here.
                await asyncio.sleep(rng.uniform(0, 0.3))
                await made.kill_bot()
                assert version(made) in (old, new)
                _back_to(made, old)
            for point in sorted(MIGRATION_POINTS):
                _back_to(made, old)
                await made.start_bot(crash_at=point, wait=False)
                assert await made.death() == EXIT_CODE, made.sentences()
                assert version(made) == (new if point.startswith("after") else old)
            await made.start_bot()
            assert version(made) == new
            for person in crowd.people:
                open_gate(made, person.name)
        await finish(made, crowd)
        assert len(os.listdir(made.data / "backups")) >= 1  # noqa: PTH208  the names are not needed


def _back_to(made: World, old: int) -> None:
    """Take the last migration back, so that the next bot meets what the version before would have left."""
    with closing(sqlite3.connect(made.data / "sessions.db", isolation_level=None)) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] == old:
            return
        with closing(sqlite3.connect(":memory:")) as before:
            for step in schema()[:-1]:
                before.executescript(step.sql)
            for statement in _undo(connection, before):
                connection.execute(statement)
            assert _objects(connection) == _objects(before)
        connection.execute(f"PRAGMA user_version = {old}")


def _undo(connection: sqlite3.Connection, before: sqlite3.Connection) -> Iterator[str]:
    """The statements that take the last migration back if it only added, or replaced triggers and indexes.

    Another has to bring its own. `before` has the schema before it.
    """
    # A virtual table takes its own tables along, which nobody else may drop.
    query = (
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
        " AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')"
    )
    now, then = list(connection.execute(query)), list(before.execute(query))
    tables = [name for kind, name, _ in then if kind == "table"]
    yield from (f"DROP {each[0]} {each[1]}" for each in now if each[0] != "table" and each not in then)
    yield from (f"DROP table {name}" for kind, name, _ in now if kind == "table" and name not in tables)
    for table in tables:
        has, had = (
            {column for _, column, *_ in each.execute(f"PRAGMA table_info({table})")}
            for each in (connection, before)
        )
        yield from (f"ALTER TABLE {table} DROP COLUMN {column}" for column in has - had)
    yield from (each[2] for each in then if each[0] != "table" and each not in now)


def _objects(connection: sqlite3.Connection) -> set[str]:
    """Return the schema's objects by name, and the columns of its tables with their types."""
    query = (
        "SELECT schema.name || coalesce('.' || columns.name || ' ' || columns.type, '')"
        " FROM sqlite_schema AS schema LEFT JOIN pragma_table_info(schema.name) AS columns"
        " WHERE schema.name NOT LIKE 'sqlite_%'"
    )
    return {str(row[0]) for row in connection.execute(query)}


async def test_an_upgrade_that_is_killed_leaves_the_old_or_the_new_schema_and_loses_no_session(
    tmp_path: Path,
) -> None:
    await upgrade(tmp_path / "w", kills=6)


@pytest.mark.soak
async def test_an_upgrade_that_is_killed_fifty_times_loses_no_session(tmp_path: Path) -> None:
    await upgrade(tmp_path / "w", kills=50)

"""Migrations: old or new, never half; a copy before each; no way back."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

import faults
from storage import Database, DatabaseTooNew, Migration, MigrationFailed, Statement, inspect, load_migrations
from storage.backups import backups
from tests.storage.conftest import SCHEMA

TWO = (*SCHEMA, Migration(2, "stars", "ALTER TABLE notes ADD COLUMN stars INTEGER NOT NULL DEFAULT 0;"))
NOTE = Statement("INSERT INTO notes (author, text) VALUES ('ann', 'kept')")


async def make(path: Path, schema: tuple[Migration, ...] = SCHEMA) -> None:
    async with Database.open(path, schema) as database:
        await database.write([NOTE])


def look(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_new_file_gets_all_migrations_and_no_copy(path: Path) -> None:
    async with Database.open(path, TWO) as database:
        assert [step.number for step in database.applied] == [1, 2]
    assert look(path, "PRAGMA user_version") == [(2,)]
    assert backups(path) == []


async def test_an_old_file_gets_what_is_missing_after_a_copy_of_it(path: Path) -> None:
    await make(path)
    async with Database.open(path, TWO) as database:
        assert [step.name for step in database.applied] == ["stars"]
        assert await database.read("SELECT text, stars FROM notes") == [("kept", 0)]
    [copy] = backups(path)
    assert look(copy, "PRAGMA user_version") == [(1,)]
    assert look(copy, "SELECT text FROM notes") == [("kept",)]
    async with Database.open(path, TWO) as database:
        assert list(database.applied) == []
    assert list(backups(path)) == [copy]


async def test_a_newer_file_is_refused_and_left_alone(path: Path) -> None:
    await make(path, TWO)
    before = path.read_bytes()
    with pytest.raises(DatabaseTooNew) as caught:
        async with Database.open(path, SCHEMA):
            pass
    assert (caught.value.found, caught.value.known) == (2, 1)
    assert "newer version" in str(caught.value)
    assert path.read_bytes() == before
    with pytest.raises(DatabaseTooNew):
        inspect(path, SCHEMA)


async def test_a_new_file_gets_all_migrations_at_once_or_none_and_the_wrong_one_is_named(path: Path) -> None:
    wrong = Migration(2, "half", "CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(MigrationFailed, match="no such table: nowhere") as caught:
        async with Database.open(path, (*SCHEMA, wrong, Migration(3, "rest", "CREATE TABLE rest (a)"))):
            pass
    assert (caught.value.number, caught.value.name) == (2, "half")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE half (a); INSERT INTO nowhere VALUES (1);", "no such table: nowhere"),
        ("CREATE TABLE half (a); INSERT INTO notes VALUES (1, 'ann', 'again');", "UNIQUE"),
        ("CREATE TABLE half (a); COMMIT;", "ends its transaction"),
        ("CREATE TABLE half (a REFERENCES notes (id)); INSERT INTO half VALUES (99);", "without their parents"),
    ],
)
async def test_a_migration_that_fails_is_undone_and_named(path: Path, sql: str, reason: str) -> None:
    await make(path)
    with pytest.raises(MigrationFailed, match=reason) as caught:
        async with Database.open(path, (*SCHEMA, Migration(2, "half", sql))):
            pass
    assert (caught.value.number, caught.value.name) == (2, "half")
    if "COMMIT" not in sql:
        assert look(path, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    assert look(path, "PRAGMA user_version") == [(1,)]
    async with Database.open(path, SCHEMA) as database:
        assert await database.read("SELECT text FROM notes") == [("kept",)]


async def test_a_table_may_be_rebuilt_without_losing_its_children(path: Path) -> None:
    family = Migration(
        1,
        "family",
        "CREATE TABLE parents (id INTEGER PRIMARY KEY);"
        "CREATE TABLE children (parent INTEGER REFERENCES parents (id) ON DELETE CASCADE);"
        "INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1);",
    )
    rebuild = Migration(
        2,
        "rebuild",
        "CREATE TABLE anew (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO anew SELECT id, '' FROM parents;"
        "DROP TABLE parents; ALTER TABLE anew RENAME TO parents",
    )
    async with Database.open(path, (family,)):
        pass
    async with Database.open(path, (family, rebuild)) as database:
        assert await database.read("SELECT parent FROM children") == [(1,)]
        await database.write([Statement("DELETE FROM parents")])
        assert await database.read("SELECT parent FROM children") == []


# Long enough to be met by a signal: 400,000 rows, about half a second.
LONG = Migration(
    2,
    "long",
    "CREATE TABLE many (number INTEGER PRIMARY KEY, text TEXT);"
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 400000)"
    " INSERT INTO many SELECT i, printf('row number %d of many', i) FROM n;",
)
OPEN_LONG = """
import asyncio, sys
from pathlib import Path
from storage import Database
from tests.storage.conftest import SCHEMA
from tests.storage.test_migrations import LONG
async def main():
    async with Database.open(Path(sys.argv[1]), (*SCHEMA, LONG)):
        print("done", flush=True)
asyncio.run(main())
"""


async def test_killed_in_mid_migration_the_file_is_old_or_new(path: Path) -> None:
    await make(path)
    wal = path.with_name("sessions.db-wal")
    for grown in (1, 1_000_000, 4_000_000):
        with subprocess.Popen([sys.executable, "-c", OPEN_LONG, str(path)], stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
            deadline = time.monotonic() + 60
            while not (wal.exists() and wal.stat().st_size >= grown) and process.poll() is None:
                assert time.monotonic() < deadline
                os.sched_yield()
            process.send_signal(signal.SIGKILL)
        version = look(path, "PRAGMA user_version")
        assert version in ([(1,)], [(2,)])
        assert len(look(path, "SELECT 1 FROM sqlite_schema WHERE name = 'many'")) == (version == [(2,)])
        assert look(path, "PRAGMA integrity_check") == [("ok",)]
    assert look(path, "PRAGMA user_version") == [(1,)], "no kill met the migration"
    async with Database.open(path, (*SCHEMA, LONG)) as database:
        assert await database.read("SELECT count(*) FROM many") == [(400_000,)]
        assert await database.read("SELECT text FROM notes") == [("kept",)]


@pytest.mark.parametrize(("point", "version"), [("before-migration-commit", 1), ("after-migration-commit", 2)])
async def test_a_migration_counts_from_its_commit(path: Path, point: str, version: int) -> None:
    await make(path)
    ran = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", OPEN_LONG, str(path)], env=os.environ | {faults.VARIABLE: point}, check=False
    )
    assert ran.returncode == faults.EXIT_CODE
    assert look(path, "PRAGMA user_version") == [(version,)]
    assert len(look(path, "SELECT 1 FROM sqlite_schema WHERE name = 'many'")) == version - 1


async def test_only_the_newest_copies_are_kept(path: Path) -> None:
    steps = tuple(Migration(number, "step", f"CREATE TABLE t{number} (a)") for number in range(1, 15))
    for count in range(1, len(steps) + 1):
        async with Database.open(path, steps[:count]):
            pass
    versions = [int(copy.name.rpartition("v")[2]) for copy in backups(path)]
    assert versions == list(range(13, 3, -1))


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ([], []),
        (["0001_first.sql", "0002_second_step.sql", "notes.md"], [1, 2]),
        (["0002_second.sql"], None),
        (["0001_a.sql", "0001_b.sql"], None),
        (["0001_a.sql", "0003_c.sql"], None),
        (["1_a.sql"], None),
    ],
)
def test_migration_files_are_numbered_without_gaps(
    tmp_path: Path, names: list[str], numbers: list[int] | None
) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    if numbers is None:
        with pytest.raises(ValueError, match="numbers start at 0001"):
            load_migrations(tmp_path)
    else:
        assert [step.number for step in load_migrations(tmp_path)] == numbers


async def test_looking_changes_nothing(path: Path) -> None:
    found = inspect(path, TWO)
    assert (found.exists, found.version, len(found.pending)) == (False, 0, 2)
    assert not path.parent.exists()
    await make(path)
    before = sorted(file.name for file in path.parent.iterdir())
    found = inspect(path, TWO)
    assert (found.exists, found.version, [step.name for step in found.pending], found.damage) == (
        True,
        1,
        ["stars"],
        None,
    )
    assert sorted(file.name for file in path.parent.iterdir()) == before

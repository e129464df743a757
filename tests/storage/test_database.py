"""Writing: whole or not at all, one commit for all who wait, nobody hurt by a neighbour."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import faults
import storage.database
import storage.writer
from storage import (
    BulkStatement,
    ConstraintViolated,
    Database,
    DatabaseBusy,
    DatabaseClosed,
    DatabaseFull,
    Outcome,
    Statement,
    StatementRefused,
    StorageError,
)
from tests.storage.conftest import SCHEMA
from tests.storage.notes import INSERT, note


async def texts(database: Database) -> list[str]:
    return [text for (text,) in await database.read("SELECT text FROM notes ORDER BY id")]


async def trace(database: Database) -> list[str]:
    """A list that the writing connection appends every statement to."""
    seen: list[str] = []
    await database._connection.run(lambda connection: connection.set_trace_callback(seen.append))
    return seen


@contextmanager
def foreign_lock(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in a write transaction; a line on its stdin ends the transaction."""
    program = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "connection.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.readline();"
        "connection.execute('ROLLBACK'); connection.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.communicate()


def release(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def test_a_set_of_statements_is_written_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(ConstraintViolated):
        await database.write([note("one"), note("two"), note("")])
    assert await texts(database) == []
    await database.write([note("one"), note("two")])
    assert await texts(database) == ["one", "two"]


async def test_sets_that_wait_together_share_one_commit(database: Database) -> None:
    seen = await trace(database)
    await asyncio.gather(*(database.write([note(f"note {number}")]) for number in range(200)))
    assert seen.count("COMMIT") <= 2  # the first may go before the others have come
    assert await texts(database) == [f"note {number}" for number in range(200)]


async def test_one_bad_caller_hurts_no_neighbour(database: Database) -> None:
    results = await asyncio.gather(
        database.write([note("before")]),
        database.write([note("gone with it"), note("")]),
        database.write([Statement("INSERT INTO nowhere VALUES (1)")]),
        database.write([note("after")]),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [list, ConstraintViolated, StatementRefused, list]
    assert await texts(database) == ["before", "after"]


@pytest.mark.parametrize(
    ("statement", "outcome"),
    [
        (note("x"), Outcome(1, ())),
        (Statement(f"{INSERT} RETURNING id, text", ("ann", "x"), fetch=True), Outcome(1, ((3, "x"),))),
        (Statement("UPDATE notes SET text = 'y'"), Outcome(2, ())),
        (Statement("UPDATE notes SET text = 'y' WHERE author = 'nobody'"), Outcome(0, ())),
        (Statement("SELECT text FROM notes ORDER BY id", fetch=True), Outcome(-1, (("a",), ("b",)))),
        (BulkStatement(INSERT, [("ann", "x"), ("ben", "y")]), Outcome(2, ())),
    ],
)
async def test_an_outcome_tells_rows_and_number_of_rows(
    database: Database, statement: Statement | BulkStatement, outcome: Outcome
) -> None:
    await database.write([note("a"), note("b")])
    assert list(await database.write([statement])) == [outcome]


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (Statement("INSERT INTO notes (id, author, text) VALUES (1, 'x', 'y')"), ConstraintViolated),
        (Statement("INSERT INTO notes (text) VALUES ('x')"), ConstraintViolated),
        (Statement("SELEC 1"), StatementRefused),
        (Statement(INSERT, ("only one",)), StatementRefused),
        (note("lone surrogate \ud800"), StatementRefused),
        (Statement(INSERT, ("ann", 2**63)), StatementRefused),
        (Statement("SELECT 1; SELECT 2"), StatementRefused),
    ],
)
async def test_what_sqlite_refuses_is_an_error_of_its_caller(
    database: Database, statement: Statement, kind: type[StorageError]
) -> None:
    await database.write([Statement("INSERT INTO notes VALUES (1, 'ann', 'first')")])
    with pytest.raises(kind):
        await database.write([statement])
    await database.write([note("goes on")])
    assert await texts(database) == ["first", "goes on"]


async def test_a_full_disk_is_said_and_what_follows_works_once_there_is_room(database: Database) -> None:
    await database._connection.run(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(DatabaseFull):
        await database.write([note("x" * 100_000)])
    await database._connection.run(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
    await database.write([note("small")])
    assert await texts(database) == ["small"]


async def test_writes_are_done_in_the_order_of_their_calls(database: Database) -> None:
    calls = [asyncio.create_task(database.write([note(str(number))])) for number in range(50)]
    await asyncio.gather(*calls)
    assert await texts(database) == [str(number) for number in range(50)]


async def test_cancelling_a_write_leaves_its_set_whole(database: Database) -> None:
    for number in range(50):
        call = asyncio.create_task(database.write([note(f"{number} a"), note(f"{number} b")]))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    await database.write([note("end")])
    found = await texts(database)
    numbers = {text.split()[0] for text in found} - {"end"}
    assert all(f"{number} a" in found and f"{number} b" in found for number in numbers)
    assert found[-1] == "end"


async def test_a_write_that_waits_for_a_place_in_the_queue_is_out_when_cancelled(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.writer, "MAX_WAITING", 1)
    async with Database.open(path, SCHEMA) as database:
        first = asyncio.create_task(database.write([note("first")]))
        second = asyncio.create_task(database.write([note("second")]))
        await asyncio.sleep(0)  # both have begun; the second has no place
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await database.write([note("third")])
        assert await texts(database) == ["first", "third"]


async def test_more_callers_than_places_are_all_served(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.writer, "MAX_WAITING", 3)
    async with Database.open(path, SCHEMA) as database:
        await asyncio.gather(*(database.write([note(str(number))]) for number in range(50)))
        assert await texts(database) == [str(number) for number in range(50)]


async def test_callers_that_wait_for_a_place_when_it_closes_are_written_or_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.writer, "MAX_WAITING", 1)
    async with Database.open(path, SCHEMA) as database:
        calls = [asyncio.create_task(database.write([note(str(number))])) for number in range(20)]
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        results = await asyncio.gather(*calls, return_exceptions=True)
    written = [str(number) for number, result in enumerate(results) if not isinstance(result, DatabaseClosed)]
    assert 0 < len(written) < 20
    async with Database.open(path, SCHEMA) as database:
        assert await texts(database) == written


async def test_a_foreign_lock_delays_writes_and_no_reads(database: Database, path: Path) -> None:
    await database.write([note("before")])
    with foreign_lock(path) as process:
        call = asyncio.create_task(database.write([note("after")]))
        for _ in range(20):
            assert await texts(database) == ["before"]
        assert not call.done()
        release(process)
        await call
    assert await texts(database) == ["before", "after"]


async def test_a_foreign_lock_that_stays_is_an_error_after_the_deadline(path: Path) -> None:
    async with Database.open(path, SCHEMA, busy_deadline_s=0.2) as database:
        with foreign_lock(path):
            results = await asyncio.gather(
                database.write([note("a")]), database.write([note("b")]), return_exceptions=True
            )
        assert [type(result) for result in results] == [DatabaseBusy, DatabaseBusy]
        await database.write([note("c")])
        assert await texts(database) == ["c"]


async def test_closing_writes_what_waits_and_refuses_what_comes_later(path: Path) -> None:
    async with Database.open(path, SCHEMA) as database:
        assert await texts(database) == []  # a reader has the file open
        calls = [asyncio.create_task(database.write([note(str(number))])) for number in range(20)]
        await asyncio.sleep(0)
    assert not path.with_name("sessions.db-wal").exists()
    assert len(await asyncio.gather(*calls)) == 20
    with pytest.raises(DatabaseClosed):
        await database.write([note("late")])
    with pytest.raises(DatabaseClosed):
        await database.read("SELECT 1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (20,)


async def test_an_owner_that_is_cancelled_writes_what_waits_however_often(path: Path) -> None:
    opened = asyncio.Event()

    async def own() -> None:
        async with Database.open(path, SCHEMA) as database:
            calls.append(asyncio.create_task(database.write([note("kept")])))
            opened.set()
            await asyncio.Event().wait()

    calls: list[asyncio.Task[object]] = []
    async with Database.open(path, SCHEMA):
        pass
    with foreign_lock(path) as process:
        owner = asyncio.create_task(own())
        await opened.wait()
        for _ in range(3):
            owner.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
        assert not owner.done()
        release(process)
        with pytest.raises(asyncio.CancelledError):
            await owner
    assert calls[0].done()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT text FROM notes").fetchall() == [("kept",)]


async def test_files_are_for_their_owner_only(database: Database, path: Path) -> None:
    await database.write([note("x")])
    await database.back_up()
    for file in [path.parent, *path.parent.rglob("*")]:
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file


async def test_a_backup_is_the_whole_database_as_it_was(database: Database, path: Path) -> None:
    await database.write([note("kept")])
    copy = await database.back_up()
    await database.write([note("later")])
    async with Database.open(copy, SCHEMA) as restored:
        assert await texts(restored) == ["kept"]


async def test_a_backup_that_cannot_be_made_says_what_the_disk_says(database: Database, path: Path) -> None:
    (path.parent / "backups").touch()
    with pytest.raises(StorageError, match=r"^The copy could not be made: File exists\.$"):
        await database.back_up()
    assert await texts(database) == []


WRITE_PAIRS = """
import asyncio, sys
from pathlib import Path
from storage import Database, Statement
from tests.storage.conftest import SCHEMA
async def pairs(database, author):
    number = 0
    while True:
        number += 1
        insert = "INSERT INTO notes (author, text) VALUES (?, ?)"
        await database.write([Statement(insert, (author, f"{number} {half}")) for half in "ab"])
        print(author, number, flush=True)
async def main():
    async with Database.open(Path(sys.argv[1]), SCHEMA) as database:
        await asyncio.gather(*(pairs(database, str(author)) for author in range(5)))
asyncio.run(main())
"""


@pytest.mark.parametrize(("point", "kept"), [("before-commit:3", 2), ("after-commit:3", 3)])
def test_a_commit_is_the_moment_from_which_a_set_is_kept(path: Path, point: str, kept: int) -> None:
    program = WRITE_PAIRS.replace("range(5)", "range(1)")
    environment = os.environ | {faults.VARIABLE: point}
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, stdout=subprocess.PIPE, check=False
    )
    assert ran.returncode == faults.EXIT_CODE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (2 * kept,)


@pytest.mark.parametrize("lines", [1, 7, 100, 500])
def test_a_killed_writer_leaves_whole_sets_and_all_that_it_told_of(path: Path, lines: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_PAIRS, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().split() for _ in range(lines)]
        process.kill()
        told += [words for words in map(str.split, process.stdout) if len(words) == 2]
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT author, text FROM notes")
        found = set(rows)
    for author, number in told:
        assert {(author, f"{number} a"), (author, f"{number} b")} <= found
    assert {(author, text[:-1] + "b") for author, text in found} == {
        (a, t) for a, t in found if t.endswith("b")
    }

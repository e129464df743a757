"""Reading: of what was committed before, never writing, and cancelled at once."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

import storage.database
import storage.writer
from storage import (
    Database,
    SqlValue,
    StorageError,
)
from tests.storage.conftest import SCHEMA
from tests.storage.notes import INSERT, note

# A query that runs until it is interrupted.
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_read_sees_what_was_committed_before_it(database: Database) -> None:
    for number in range(100):
        await database.write([note(str(number))])
        assert await database.read_one("SELECT max(id) FROM notes") == (number + 1,)
    assert await database.read_one("SELECT id FROM notes WHERE id = ?", (-1,)) is None


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(INSERT, ("ann", "x"))


async def test_cancelling_a_read_interrupts_it(database: Database) -> None:
    for _ in range(2 * storage.database._READERS):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await database.read(ENDLESS)
    async with asyncio.timeout(60):
        assert await database.read("SELECT 1") == [(1,)]


async def test_a_read_that_is_cancelled_before_it_begins_never_begins(database: Database) -> None:
    loop, begun, free = asyncio.get_running_loop(), asyncio.Semaphore(0), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.release)
        free.wait(20)

    held = [asyncio.create_task(database._readers.run(hold)) for _ in range(storage.database._READERS)]
    for _ in held:
        await begun.acquire()
    for task in held:
        task.cancel()  # the threads stay busy, and take what comes next later
    await asyncio.wait(held)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await database.read(ENDLESS)
    free.set()
    async with asyncio.timeout(60):
        for _ in range(storage.database._READERS):
            assert await database.read("SELECT 1") == [(1,)]


async def test_readers_that_overlap_do_not_let_the_wal_file_grow(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 512 * 1024
    monkeypatch.setattr(storage.database, "_WAL_LIMIT_BYTES", limit)
    # On a busy machine, reads of ten megabytes take longer than the pause that the product makes for them.
    monkeypatch.setattr(storage.database, "_CHECKPOINT_PAUSE_S", 60.0)
    async with Database.open(path, SCHEMA) as database:
        done = asyncio.Event()

        async def page() -> None:
            while not done.is_set():
                await database.read("SELECT * FROM notes ORDER BY id DESC LIMIT 200")

        largest = 0
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2 * storage.database._READERS):
                tasks.create_task(page())
            for _ in range(150):
                await database.write([note("x" * 50_000)])
                largest = max(largest, path.with_name("sessions.db-wal").stat().st_size)
            done.set()
        assert largest < 6 * limit


async def test_values_come_back_as_they_were(database: Database) -> None:
    values: tuple[SqlValue, ...] = (1, 1.5, "ü\u2028\0x", b"\xff\0", None)
    assert await database.read_one("SELECT ?, ?, ?, ?, ?", values) == values

"""The one writer: rows a second beside readers, and commits a second, against SQLite alone in the same run."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from storage import Database, Statement
from tests.bench.figures import Figure
from tests.storage.test_writer_bench import EVENTS, INSERT, plain_rows_per_s, writer_rows_per_s

WRITERS, COMMITS = 50, 5_000
_BODY = "x" * 200


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """The best of some rounds of each, in turns: both are met by whatever else the machine does."""
    plain, ours = 0.0, 0.0
    commits, bare = 0.0, 0.0
    for number in range(2 if short else 8):
        plain = max(plain, plain_rows_per_s(directory / f"plain-{number}.db"))
        rows_per_s, _ = await writer_rows_per_s(directory / f"ours-{number}.db")
        ours = max(ours, rows_per_s)
        bare = max(bare, bare_commits_per_s(directory / f"bare-{number}.db"))
        commits = max(commits, await writes_per_s(directory / f"writes-{number}.db"))
    return [
        Figure("writer beside readers", ours, "rows/s", plain, "plain executemany", at_least=0.5),
        Figure(
            f"durable changes from {WRITERS} tasks", commits, "/s", bare, "sqlite3 alone, a commit each",
            at_least=0.15,
        ),
    ]  # fmt: skip


def bare_commits_per_s(path: Path) -> float:
    """A row and a commit each, on a connection in the calling thread that nobody else uses."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(EVENTS.sql)
        begun = time.perf_counter()
        for number in range(COMMITS):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(INSERT, ("s", number, _BODY))
            connection.execute("COMMIT")
        return COMMITS / (time.perf_counter() - begun)


async def writes_per_s(path: Path) -> float:
    """The same rows from tasks beside each other, each waiting until its own is durable."""

    async def write(database: Database, writer: int) -> None:
        for number in range(COMMITS // WRITERS):
            await database.write([Statement(INSERT, (f"s{writer}", number, _BODY))])

    async with Database.open(path, (EVENTS,)) as database:
        begun = time.perf_counter()
        await asyncio.gather(*(write(database, writer) for writer in range(WRITERS)))
        return COMMITS / (time.perf_counter() - begun)

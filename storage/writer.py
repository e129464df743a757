"""The writer task: every change of the database goes through it, in one transaction for all waiting callers.

Tasks that share a connection also share its transaction, so only this task uses the writing one. Callers hand
in whole sets of statements; the task runs all waiting sets in one transaction, and tells each caller. If that
fails, each set gets a transaction of its own, so that a bad set fails alone.
"""

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import assert_never

import msgspec

from faults import crash_point
from storage.connection import Connection, Row, SqlValue
from storage.errors import DatabaseBusy, DatabaseClosed, StorageError, translate

# The number of calls of `write` in the queue. When it is full, further callers wait for a place.
MAX_WAITING = 1024
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
# The longest time that a query waits for a running transaction.
_PATIENCE_S = 0.02
_CLOSED = "The database is closed; nothing was written."


class Statement(msgspec.Struct, frozen=True):
    """One SQL statement. `fetch`: return its rows (RETURNING, SELECT)."""

    sql: str
    params: tuple[SqlValue, ...] = ()
    fetch: bool = False


class BulkStatement(msgspec.Struct, frozen=True):
    """One SQL statement, run once for each row of parameters: a third of the time for many rows."""

    sql: str
    rows: Sequence[tuple[SqlValue, ...]]


AnyStatement = Statement | BulkStatement


class Outcome(msgspec.Struct, frozen=True):
    """The result of a statement: the number of changed rows (-1 for a SELECT), and the returned rows."""

    rowcount: int
    rows: tuple[Row, ...]


class _Entry(msgspec.Struct, frozen=True):
    statements: tuple[AnyStatement, ...]
    done: asyncio.Future[Sequence[Outcome]]


class Writer:
    """Owns the writing connection and the queue in front of it. `run` is its one task."""

    def __init__(
        self,
        connection: Connection,
        *,
        busy_deadline_s: float,
        after_commit: Callable[[], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._busy_deadline_s = busy_deadline_s
        self._after_commit = after_commit
        self._waiting: deque[_Entry] = deque()
        self._places = asyncio.Semaphore(MAX_WAITING)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def write(self, statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        """Run `statements` in one transaction, all or nothing; return one outcome each once it is committed.

        If cancelled before it has a place in the queue, nothing is written; later, the set is still written.
        """
        if not statements:
            return ()
        self._refuse_if_closed()
        await self._places.acquire()
        # The writer may have been closed while this call waited for a place.
        try:
            self._refuse_if_closed()
        except DatabaseClosed:
            self._places.release()
            raise
        entry = _Entry(tuple(statements), asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._work.set()
        return await entry.done

    async def run(self) -> None:
        """Write until `close` was called and the queue is empty. Raises only when cancelled."""
        try:
            while self._waiting or not self._closed:
                await self._work.wait()
                # Cleared before the queue is read: a set that comes in between sets the event again.
                self._work.clear()
                while self._waiting:
                    await self._settle(self._take_all())
                    await self._after_commit()
        finally:
            self._closed = True
            # Only if cancelled some are left. Without an answer their callers would wait for ever.
            _fail(self._take_all(), DatabaseClosed(_CLOSED))

    async def between_groups(self) -> None:
        """Return when no transaction runs, or after 20 ms.

        Queries wait here first. SQLite releases the GIL at every row, so a transaction takes four times as long
        while queries run beside it (measured).
        """
        if self._idle.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._idle.wait()

    def close(self) -> None:
        """Accept no further calls. Waiting ones are still written."""
        self._closed = True
        self._work.set()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise DatabaseClosed(_CLOSED)

    def _take_all(self) -> Sequence[_Entry]:
        group = tuple(self._waiting)
        self._waiting.clear()
        for _ in group:
            self._places.release()
        return group

    async def _settle(self, group: Sequence[_Entry]) -> None:
        """Run `group` in one transaction, or each set alone if that fails, and tell every caller."""
        statements = [statement for entry in group for statement in entry.statements]
        try:
            outcomes = await self._transact(statements)
        except DatabaseBusy as error:
            # No second try for each set alone: all of them would wait for the same lock.
            _fail(group, error)
        except StorageError as error:
            if len(group) == 1:
                _fail(group, error)
            else:
                for entry in group:
                    await self._settle([entry])
        else:
            start = 0
            for entry in group:
                end = start + len(entry.statements)
                # The future of a cancelled caller is done already.
                if not entry.done.done():
                    entry.done.set_result(outcomes[start:end])
                start = end

    async def _transact(self, statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        """Commit `statements`; while another process holds the lock, try again until the deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._busy_deadline_s
        pause_s = _FIRST_PAUSE_S
        while True:
            self._idle.clear()
            try:
                return await self._connection.run(lambda connection: transact(connection, statements))
            except Exception as error:
                failure = translate(error)
                if not isinstance(failure, DatabaseBusy) or loop.time() >= deadline:
                    raise failure from error
            finally:
                # Queries run during the pause, too: the lock of another process does not concern them.
                self._idle.set()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def transact(connection: sqlite3.Connection, statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
    """Run `statements` in one transaction on an idle connection. After an error none of them has an effect."""
    if connection.in_transaction:  # the last rollback failed because of a disk error
        connection.execute("ROLLBACK")
    # IMMEDIATE takes the write lock now: a later upgrade from a read lock can fail without waiting.
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_execute(connection, statement) for statement in statements]
        crash_point("before-commit")
        connection.execute("COMMIT")
        crash_point("after-commit")
    except BaseException:
        # Some errors (full disk, I/O) have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _execute(connection: sqlite3.Connection, statement: AnyStatement) -> Outcome:
    match statement:
        case Statement():
            cursor = connection.execute(statement.sql, statement.params)
            try:
                rows = tuple(cursor.fetchall()) if statement.fetch else ()
                return Outcome(cursor.rowcount, rows)
            finally:
                cursor.close()
        case BulkStatement():
            return Outcome(connection.executemany(statement.sql, statement.rows).rowcount, ())
        case _:
            assert_never(statement)


def _fail(group: Sequence[_Entry], error: StorageError) -> None:
    for entry in group:
        if not entry.done.done():
            entry.done.set_exception(error)

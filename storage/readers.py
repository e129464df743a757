"""A pool of a few read-only connections, each lent for one query at a time.

All rows are fetched and the cursor is closed before the connection goes back. Otherwise a reader would hold on
to an old state and keep the writer from emptying the WAL file.
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from storage.connection import Connection, Row, SqlValue
from storage.errors import DatabaseClosed, translate

_STEPS = 100_000
"""Steps of SQLite's virtual machine, about a millisecond, between two looks whether a query is still wanted."""

T = TypeVar("T")
Query = tuple[str, Sequence[SqlValue]]
"""A query and its values."""


class Readers:
    """A pool of `size` read-only connections, each made by `connect` when first needed."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[Connection] = []
        self._lent = asyncio.Semaphore(size)
        self._closed = False

    async def read(self, sql: str, params: Sequence[SqlValue]) -> Sequence[Row]:
        """Return all rows of one query. Cancelling interrupts the query."""
        return await self.run(lambda connection: _fetch_all(connection, sql, params))

    async def read_together(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """Return all rows of each query, in one transaction. Cancelling interrupts the running query."""
        return await self.run(lambda connection: _fetch_together(connection, queries))

    async def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` on one of the connections and return its result. It must leave no cursor open.

        SQLite's errors become storage errors. An `OSError` is passed on: the action handles its own files.
        """
        async with self._lent:
            # `close` takes all places: a call that waited for one meanwhile is refused here.
            if self._closed:
                raise DatabaseClosed("The database is closed.")
            connection = await self._take()
            given_up = threading.Event()
            try:
                return await connection.run(partial(_unless, given_up, action))
            except asyncio.CancelledError:
                given_up.set()
                raise
            except OSError:
                raise
            except Exception as error:
                raise translate(error) from error
            finally:
                # A cancelled action may still run in the connection's thread; later ones queue behind it.
                self._idle.append(connection)

    @asynccontextmanager
    async def paused(self, deadline_s: float) -> AsyncIterator[bool]:
        """Hold back new queries and wait for running ones; yield False if some still run after `deadline_s`."""
        held = 0
        try:
            try:
                async with asyncio.timeout(deadline_s):
                    while held < self._size:
                        await self._lent.acquire()
                        held += 1
            except TimeoutError:
                pass
            yield held == self._size
        finally:
            for _ in range(held):
                self._lent.release()

    async def close(self) -> None:
        """Refuse new queries, wait for running ones, close all connections."""
        self._closed = True
        # All places taken: no query runs any more.
        for _ in range(self._size):
            await self._lent.acquire()
        for connection in self._idle:
            await connection.close()
        self._idle.clear()
        # Callers that still wait for a place get `DatabaseClosed`. Otherwise they would wait for ever.
        for _ in range(self._size):
            self._lent.release()

    async def _take(self) -> Connection:
        if self._idle:
            return self._idle.pop()
        try:
            return await self._connect()
        except Exception as error:
            raise translate(error) from error


def _fetch_together(connection: sqlite3.Connection, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
    # SQLite fixes the state that a deferred transaction sees at its first query.
    connection.execute("BEGIN").close()
    try:
        return [_fetch_all(connection, sql, params) for sql, params in queries]
    finally:
        # An open transaction would show this old state to the next user of the connection.
        connection.execute("ROLLBACK").close()


def _unless(
    given_up: threading.Event, action: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection
) -> T:
    """Run `action` in the connection's thread. It ends with an error soon after `given_up` is set.

    sqlite3_interrupt() would do nothing before a statement begins, and a busy machine begins it late.
    """
    connection.set_progress_handler(given_up.is_set, _STEPS)
    try:
        if given_up.is_set():
            raise sqlite3.OperationalError("interrupted")
        return action(connection)
    finally:
        connection.set_progress_handler(None, 0)


def _fetch_all(connection: sqlite3.Connection, sql: str, params: Sequence[SqlValue]) -> Sequence[Row]:
    cursor = connection.execute(sql, params)
    try:
        return cursor.fetchall()
    finally:
        cursor.close()

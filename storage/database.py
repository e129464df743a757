"""The database: one file, one connection that writes, a few that read. Knows no table.

Answers for opening (with repair and migrations), writing, reading, keeping the WAL file small, and closing in
order. The packages above know what the rows mean; each has its own SQL.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from storage.backups import make_backup
from storage.connection import Connections, Row, SqlValue, Synchronous, reading, writing
from storage.errors import DatabaseCorrupt, StorageError, translate
from storage.migrations import Migration
from storage.readers import Query, Readers
from storage.recovery import Prepared, Recovery, mark_suspect, prepare
from storage.uncancelled_wait import outlast
from storage.writer import AnyStatement, Outcome, Writer

_READERS = 3
_BUSY_DEADLINE_S = 60.0
# SQLite copies the WAL file back by itself every 4 MB, but restarts it only while no query runs.
_WAL_LIMIT_BYTES = 32 * 1024 * 1024
_CHECKPOINT_PAUSE_S = 1.0
_NOTHING_TO_DO = Prepared(None, ())


class Database:
    """The open database; make it with `open`. Any task of one event loop may call its methods."""

    def __init__(self, connections: Connections, prepared: Prepared, busy_deadline_s: float) -> None:
        path, connection = connections.path, connections.writer
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._wal_limit = _WAL_LIMIT_BYTES
        self._connection = connection
        self._readers = Readers(connections.connect_reader, _READERS)
        self._writer = Writer(connection, busy_deadline_s=busy_deadline_s, after_commit=self._shorten_wal)
        self._prepared = prepared

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        migrations: Sequence[Migration],
        *,
        synchronous: Synchronous = "NORMAL",
        busy_deadline_s: float = _BUSY_DEADLINE_S,
    ) -> AsyncIterator["Database"]:
        """Open, repair and migrate the database at `path`; on leaving, write the waiting statements and close.

        The caller holds the data directory's lock. `NORMAL` survives the death of any process; `FULL` also
        keeps the last commits through a loss of power. A write waits up to `busy_deadline_s` for a foreign
        lock. Raises the storage errors of `recovery.prepare`; a damaged file is no error, see `recovery`.
        """
        prepared = await asyncio.to_thread(prepare, path, migrations)
        connection = writing(path, synchronous)
        try:
            await connection
        except Exception as error:
            raise translate(error) from error
        connections = Connections(path, connection, partial(reading, path))
        async with cls.over(connections, prepared, busy_deadline_s=busy_deadline_s) as database:
            yield database

    @classmethod
    @asynccontextmanager
    async def over(
        cls,
        connections: Connections,
        prepared: Prepared = _NOTHING_TO_DO,
        *,
        busy_deadline_s: float = _BUSY_DEADLINE_S,
    ) -> AsyncIterator["Database"]:
        """Serve a prepared database; on leaving, write the waiting statements and close `connections`."""
        database = cls(connections, prepared, busy_deadline_s)
        # Not in a `TaskGroup` of the caller: a cancel there would end the writer before the waiting
        # statements are written.
        task = asyncio.create_task(database._writer.run(), name="storage writer")
        try:
            yield database
        finally:
            await _to_the_end(asyncio.create_task(database._close(task), name="storage close"))

    @property
    def path(self) -> Path:
        """The database file."""
        return self._path

    @property
    def recovery(self) -> Recovery | None:
        """The repair of a damaged file at the opening; None if the file was sound."""
        return self._prepared.recovery

    @property
    def applied(self) -> Sequence[Migration]:
        """The migrations that the opening applied."""
        return self._prepared.applied

    async def write(self, statements: Sequence[AnyStatement]) -> Sequence[Outcome]:
        """Run `statements` in one transaction, all or nothing; return one outcome each once it is committed.

        Sets of several callers share one commit; if it fails, each is tried alone. Runs in the order of the
        calls. While 1,024 calls wait, further ones wait for a place. Cancelling never splits a set: before it
        has a place nothing is written, afterwards all of it. Raises `DatabaseBusy`, `DatabaseFull`,
        `DatabaseCorrupt`, `DatabaseReadOnly`, `DatabaseUnavailable`, `ConstraintViolated`,
        `StatementRefused`, `DatabaseClosed`.
        """
        try:
            return await self._writer.write(statements)
        except DatabaseCorrupt:
            # No repair now: other connections have the file open. The next opening finds the mark.
            mark_suspect(self._path)
            raise

    async def read(self, sql: str, params: Sequence[SqlValue] = ()) -> Sequence[Row]:
        """Return all rows of a query. It sees every write that was committed before the call.

        Meant for a page of rows: all are fetched at once. Cancelling interrupts the query. Raises as `write`.
        """
        try:
            await self._writer.between_groups()
            return await self._readers.read(sql, params)
        except DatabaseCorrupt:
            mark_suspect(self._path)
            raise

    async def read_together(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """Return the rows of several queries as of one moment: no write comes between. Otherwise as `read`."""
        try:
            await self._writer.between_groups()
            return await self._readers.read_together(queries)
        except DatabaseCorrupt:
            mark_suspect(self._path)
            raise

    async def read_one(self, sql: str, params: Sequence[SqlValue] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        rows = await self.read(sql, params)
        return rows[0] if rows else None

    async def back_up(self) -> Path:
        """Copy the whole file while it is in use; return the copy's path. Raises `StorageError`."""
        try:
            # On a reading connection: in WAL mode the copy then keeps no writer waiting.
            return await self._readers.run(lambda connection: make_backup(connection, self._path))
        except OSError as error:
            raise StorageError(f"The copy could not be made: {error.strerror}.") from error

    async def empty_wal(self) -> bool:
        """Empty the WAL file, which still holds what was deleted. False if a long query is in the way."""
        # A running query keeps SQLite from emptying the file, so all queries are held back first.
        async with self._readers.paused(_CHECKPOINT_PAUSE_S) as quiet:
            if quiet:
                try:
                    # The thread of the connection runs one action at a time, so no transaction is open here.
                    await self._connection.run(_checkpoint)
                except sqlite3.Error as error:
                    raise translate(error) from error
        return quiet

    async def _shorten_wal(self) -> None:
        """Restart a large WAL file. SQLite cannot do so by itself while readers overlap."""
        try:
            size = self._wal.stat().st_size
        except OSError:  # no WAL file, or a disk error, which the next write reports
            return
        if size < self._wal_limit:
            return
        async with self._readers.paused(_CHECKPOINT_PAUSE_S) as quiet:
            if quiet:
                # The next write reports an error of this kind, too: it has a caller to tell.
                with suppress(sqlite3.Error):
                    await self._connection.run(_checkpoint)
        # Do not interrupt a long query: try again after as many bytes more.
        self._wal_limit = _WAL_LIMIT_BYTES if quiet else size + _WAL_LIMIT_BYTES

    async def _close(self, writer: asyncio.Task[None]) -> None:
        self._writer.close()
        try:
            await writer
        finally:
            # The writing connection closes last: only it can empty the WAL file.
            await self._readers.close()
            await self._connection.close()


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


async def _to_the_end(task: asyncio.Task[None]) -> None:
    """Wait for `task` even if cancelled, so that callers learn of their commits; then pass the cancel on."""
    cancelled = await outlast(task)
    task.result()
    if cancelled is not None:
        raise cancelled

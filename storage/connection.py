"""SQLite connections: the protocol, and the implementation with a thread for each connection.

Answers for pragmas, URIs and file modes. `writer` and `readers` decide which statements a connection runs.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote

import aiosqlite
import msgspec

Synchronous = Literal["NORMAL", "FULL"]
SqlValue = str | int | float | bytes | None
# The author of a query knows the types of its columns; the type checker cannot.
Row = tuple[Any, ...]
T = TypeVar("T")

# For one attempt; `writer` decides how often to try. Short, because queries wait meanwhile.
BUSY_TIMEOUT_S = 0.02
# In WAL mode a reader meets a lock only while another connection recovers the WAL file or closes as the last.
READ_BUSY_TIMEOUT_S = 5.0
# The WAL file is cut back to this size when it is reset.
WAL_KEEP_BYTES = 16 * 1024 * 1024


class Connection(Protocol):
    """A connection as the writer and the readers need it. It runs one action after the other."""

    async def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` and return its result. Cancelling does not stop it, and later calls wait for it."""
        ...

    async def close(self) -> None: ...


class Connections(msgspec.Struct, frozen=True):
    """The connections of one database: the open one that writes, and a function that opens reading ones."""

    path: Path
    writer: Connection
    connect_reader: Callable[[], Awaitable[Connection]]


class ThreadedConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs a whole function in its thread: one hop for many statements."""

    async def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Run `action` and return its result. Cancelling does not stop it, and later calls wait for it."""
        result: T = await self._execute(action, self._conn)  # type: ignore[no-untyped-call]  # aiosqlite
        return result


def writing(path: Path, synchronous: Synchronous) -> ThreadedConnection:
    """Return the one connection that writes and checkpoints. Await it to open it."""

    def connect() -> sqlite3.Connection:
        # Autocommit: Python would begin transactions by itself otherwise, and not IMMEDIATE ones.
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        try:
            # SQLite keeps this setting per connection, not in the file.
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            # Overwrite deleted rows. Debian's SQLite does so by itself, others leave the texts in the file.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEEP_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    return ThreadedConnection(connect, iter_chunk_size=64)


async def reading(path: Path) -> Connection:
    """Open a connection that cannot write. The file must exist."""
    return await ThreadedConnection(lambda: connect_read_only(path), iter_chunk_size=64)  # type: ignore[return-value]  # aiosqlite: awaiting gives the connection itself


def connect_read_only(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Open a plain connection that cannot write. Raises `sqlite3.OperationalError` if the file is missing.

    `immutable`: the file has no WAL file and nobody changes it. Then SQLite makes no WAL file either.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=READ_BUSY_TIMEOUT_S)

"""Reads a database beside the process that owns it: for checks, never for the bridge's own work."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from storage.connection import Row, connect_read_only
from storage.errors import StorageError


def read_beside(path: Path, sql: str) -> Sequence[Row]:
    """Return the rows of a query, also while another process uses the file. Creates nothing, blocks.

    Raises `StorageError` if the file is missing or cannot be read, or has no such table.
    """
    if not path.exists():
        raise StorageError("There is no database yet.")
    # Without a WAL file no process has the database open; reading it must not create one.
    immutable = not path.with_name(f"{path.name}-wal").exists()
    try:
        with closing(connect_read_only(path, immutable=immutable)) as connection:
            return connection.execute(sql).fetchall()
    except sqlite3.Error as error:
        raise StorageError(f"The database cannot be read: {error}.") from error

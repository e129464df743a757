"""The errors of storage: one class per decision that a caller can take, and SQLite's codes mapped onto them.

Messages are sentences for the person who runs the bridge; they name the database file, never its directory.
"""

import sqlite3
from pathlib import Path


class StorageError(Exception):
    """Root of all storage errors."""


class DatabaseBusy(StorageError):
    """Another process kept the database locked for longer than we wait. A later try may succeed."""


class DatabaseFull(StorageError):
    """No room is left on the disk. Nothing of the write was kept."""


class DatabaseCorrupt(StorageError):
    """The file is damaged. The next `Database.open` checks it and sets it aside."""


class DatabaseReadOnly(StorageError):
    """The file or its directory may not be written."""


class DatabaseUnavailable(StorageError):
    """The file cannot be opened or the disk does not answer."""


class DatabaseClosed(StorageError):
    """The database was closed before this call was taken; nothing of it was written."""


class ConstraintViolated(StorageError):
    """A constraint of a table refused the row. `constraint` is SQLite's name: `SQLITE_CONSTRAINT_UNIQUE` …"""

    def __init__(self, sentence: str, *, constraint: str) -> None:
        super().__init__(sentence)
        self.constraint = constraint


class StatementRefused(StorageError):
    """SQLite refuses the statement or a value in it: a bug of the caller."""


class MigrationFailed(StorageError):
    """A migration failed. The database is as it was before it."""

    def __init__(self, number: int, name: str, reason: str) -> None:
        super().__init__(
            f"Migration {number:04d} ({name}) failed and was undone: {reason}. "
            "The database is as it was; start the version that ran before, or report this."
        )
        self.number = number
        self.name = name


class DatabaseTooNew(StorageError):
    """A newer version of the program made the file. Going back to an older version is refused."""

    def __init__(self, path: Path, *, found: int, known: int) -> None:
        super().__init__(
            f"{path.name} has schema version {found}, but this program knows only {known}: a newer version "
            "made it. Install that version again, or put back the copy that was made before the upgrade."
        )
        self.found = found
        self.known = known


_BY_PRIMARY_CODE: dict[int, tuple[type[StorageError], str]] = {
    sqlite3.SQLITE_BUSY: (DatabaseBusy, "Another process keeps the database locked. Close it, or try again."),
    sqlite3.SQLITE_LOCKED: (DatabaseBusy, "Another process keeps the database locked. Close it, or try again."),
    sqlite3.SQLITE_FULL: (DatabaseFull, "The disk is full; nothing was written. Free some space."),
    sqlite3.SQLITE_CORRUPT: (
        DatabaseCorrupt,
        "The database file is damaged. Start again to restore the last copy.",
    ),
    sqlite3.SQLITE_NOTADB: (
        DatabaseCorrupt,
        "The database file is damaged. Start again to restore the last copy.",
    ),
    sqlite3.SQLITE_READONLY: (
        DatabaseReadOnly,
        "The database cannot be written. Give this user write permission on the file and its directory.",
    ),
    sqlite3.SQLITE_PERM: (
        DatabaseReadOnly,
        "The database may not be opened. Check the permissions of the file.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        DatabaseUnavailable,
        "The database cannot be opened. Check that its directory exists and may be written.",
    ),
    sqlite3.SQLITE_IOERR: (
        DatabaseUnavailable,
        "The disk does not answer; nothing was written. Check the disk.",
    ),
}


def translate(error: Exception) -> StorageError:
    """Return the storage error for `error`. Callers raise it `from` the original."""
    if isinstance(error, StorageError):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if isinstance(code, int):
        # An extended code, such as `SQLITE_IOERR_FSYNC`, has its primary code in the lowest byte.
        primary = code & 0xFF
        if primary == sqlite3.SQLITE_CONSTRAINT:
            return ConstraintViolated(f"The database refuses this: {error}.", constraint=name)
        if primary in _BY_PRIMARY_CODE:
            kind, sentence = _BY_PRIMARY_CODE[primary]
            return kind(f"{sentence} ({name})")
    return StatementRefused(f"SQLite does not take the statement: {error} ({name}).")

"""Prepare a database file for opening: check permissions and damage, restore a copy, migrate the schema.

A damaged file is never deleted. It is renamed, the newest good copy takes its place, and a `Recovery` tells the
caller what happened. All of this blocks; `Database.open` runs it in a thread.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from storage.backups import backup_time, damage, newest_good_backup, restore_backup
from storage.connection import connect_read_only
from storage.errors import DatabaseCorrupt, DatabaseReadOnly, DatabaseUnavailable, translate
from storage.files import make_directory, make_file
from storage.migrations import Migration, migrate, pending, schema_version

# A larger file is checked only after an error, so that starting does not slow down as the file grows.
CHECKED_AT_OPEN_BYTES = 16 * 1024 * 1024
_LOCK_TIMEOUT_S = 30.0


class Recovery(msgspec.Struct, frozen=True):
    """The repair of a damaged file: its new place, and the copy that replaced it, if any."""

    damage: str
    set_aside: Path
    restored_from: Path | None

    @property
    def sentence(self) -> str:
        """The repair in words for a person."""
        kept = f"The database was damaged; the damaged file is kept as {self.set_aside.name}."
        if self.restored_from is None:
            return f"{kept} There was no good copy to restore, so a new, empty one was made."
        return (
            f"{kept} The copy of {backup_time(self.restored_from):%Y-%m-%d %H:%M} UTC was restored; "
            "what was stored later is only in the damaged file."
        )


class Prepared(msgspec.Struct, frozen=True):
    """The work that `prepare` did: a repair, if any, and migrations."""

    recovery: Recovery | None
    applied: Sequence[Migration]


class Inspection(msgspec.Struct, frozen=True):
    """The work that opening the database would do. `damage` is in SQLite's words, or None."""

    exists: bool
    version: int
    pending: Sequence[Migration]
    damage: str | None


def prepare(path: Path, migrations: Sequence[Migration]) -> Prepared:
    """Make the database at `path`, or repair and migrate it. Afterwards it is in WAL mode and up to date.

    Raises `DatabaseReadOnly`, `DatabaseUnavailable`, `DatabaseBusy`, `DatabaseFull`, `DatabaseTooNew`,
    `MigrationFailed`. Nobody else may use the file meanwhile.
    """
    recovery: Recovery | None = None
    # The second round meets the restored copy, the third an empty file.
    for may_restore in (True, False, False):
        _make_usable(path)
        try:
            return Prepared(recovery, _check_and_migrate(path, migrations))
        except (sqlite3.Error, OSError, DatabaseCorrupt) as error:
            failure = translate(error) if not isinstance(error, OSError) else _unavailable(path, error)
            if not isinstance(failure, DatabaseCorrupt):
                raise failure from error
            recovery = _set_aside(path, str(error), len(migrations), may_restore=may_restore)
    raise DatabaseCorrupt(f"{path.name} is damaged again right after it was made. Check the disk.")


def inspect(path: Path, migrations: Sequence[Migration]) -> Inspection:
    """Look at the database at `path` and change nothing. Raises `DatabaseTooNew` or `DatabaseUnavailable`."""
    if not path.exists() or path.stat().st_size == 0:
        return Inspection(exists=path.exists(), version=0, pending=tuple(migrations), damage=None)
    version = 0
    try:
        with closing(
            connect_read_only(path, immutable=not path.with_name(f"{path.name}-wal").exists())
        ) as connection:
            version = schema_version(connection)
            found = damage(connection, thorough=True)
    except sqlite3.Error as error:
        failure = translate(error)
        if not isinstance(failure, DatabaseCorrupt):
            raise failure from error
        found = str(error)
    return Inspection(
        exists=True, version=version, pending=tuple(pending(path, version, migrations)), damage=found
    )


def mark_suspect(path: Path) -> None:
    """Make the next `prepare` check the whole file, even a large one."""
    with suppress(OSError):
        make_file(_suspect_mark(path))


def _suspect_mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.suspect")


def _make_usable(path: Path) -> None:
    try:
        make_directory(path.parent)
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise DatabaseReadOnly(
                f"{path.name} may not be read and written by this user. Correct its owner or mode (0600)."
            )
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise DatabaseReadOnly(
                f"The directory of {path.name} may not be written by this user, and SQLite keeps files beside "
                "the database. Correct its owner or mode (0700)."
            )
        make_file(path)
    except OSError as error:
        raise _unavailable(path, error) from error


def _unavailable(path: Path, error: OSError) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{path.name} cannot be opened: {error.strerror}. Check DATABASE_PATH and the disk."
    )


def _check_and_migrate(path: Path, migrations: Sequence[Migration]) -> Sequence[Migration]:
    mark = _suspect_mark(path)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=_LOCK_TIMEOUT_S)) as connection:
        suspected = mark.exists()
        if suspected or path.stat().st_size <= CHECKED_AT_OPEN_BYTES:
            found = damage(connection, thorough=suspected)
            if found is not None:
                raise DatabaseCorrupt(found)
        # The file keeps this mode: later connections need not set it.
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        applied = migrate(connection, path, migrations)
    # Only after the check: a kill before this line leaves the mark, and the next start checks again.
    mark.unlink(missing_ok=True)
    return applied


def _set_aside(path: Path, reason: str, known_version: int, *, may_restore: bool) -> Recovery:
    try:
        aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
        # The database file last: after a crash in between, no new database may meet the old WAL file.
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        copy = newest_good_backup(path, known_version) if may_restore else None
        if copy is not None:
            restore_backup(copy, path)
        _suspect_mark(path).unlink(missing_ok=True)
    except OSError as error:
        raise _unavailable(path, error) from error
    return Recovery(reason, aside, copy)

"""Copies of the database file: make and check them, find them, remove old ones.

A copy is `backups/<file name>.<UTC time>.v<schema version>` beside the database, mode 0600. Callers decide when
to make one; `migrations` does so before an upgrade.
"""

import os
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from storage.connection import connect_read_only
from storage.files import make_directory, make_file

KEEP_BACKUPS = 10
_TIME = "%Y%m%dT%H%M%S%fZ"


def backup_directory(path: Path) -> Path:
    """Return the directory of the copies of the database at `path`."""
    return path.parent / "backups"


def backups(path: Path) -> Sequence[Path]:
    """Return all copies of the database at `path`, newest first."""
    # Match the whole name: an unfinished copy ends in .tmp, and SQLite keeps a journal beside it.
    name = re.compile(re.escape(path.name) + r"\.\d{8}T\d{12}Z\.v\d+")
    found = backup_directory(path).glob(f"{path.name}.*.v*")
    return sorted((copy for copy in found if name.fullmatch(copy.name)), reverse=True)


def backup_time(copy: Path) -> datetime:
    """Return the time (UTC) at which the copy was made, taken from its name."""
    return datetime.strptime(copy.name.split(".")[-2], _TIME).replace(tzinfo=UTC)


def make_backup(connection: sqlite3.Connection, path: Path, *, keep: int = KEEP_BACKUPS) -> Path:
    """Copy the database behind `connection`, even while it is in use. Keep only the `keep` newest copies.

    The copy gets its final name once it is complete and on the disk. Raises `sqlite3.Error` or `OSError`.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    now = datetime.now(UTC).strftime(_TIME)
    copy = backup_directory(path) / f"{path.name}.{now}.v{version}"
    partial = copy.with_name(f"{copy.name}.tmp")
    make_directory(copy.parent)
    for stale in copy.parent.glob(f"{path.name}.*.tmp*"):
        stale.unlink(missing_ok=True)
    make_file(partial)
    with closing(sqlite3.connect(partial)) as target:
        # All pages in one step: SQLite begins a copy in parts anew whenever another connection writes.
        connection.backup(target)
    # Before the rename: after a loss of power, a file of the final name could be empty otherwise.
    _sync(partial)
    partial.rename(copy)
    # The new name lasts only once the directory is on the disk, too.
    _sync(copy.parent)
    for old in backups(path)[keep:]:
        old.unlink()
    return copy


def damage(connection: sqlite3.Connection, *, thorough: bool) -> str | None:
    """Return a description of the file's damage, or None. `thorough` compares indexes with tables too."""
    check = "integrity_check" if thorough else "quick_check"
    found = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
    return None if found == "ok" else str(found)


def newest_good_backup(path: Path, known_version: int) -> Path | None:
    """Return the newest copy that passes a thorough check and whose schema is at most `known_version`."""
    return next((copy for copy in backups(path) if _is_good(copy, known_version)), None)


def restore_backup(copy: Path, path: Path) -> None:
    """Copy `copy` to `path`. No database and no WAL file may exist there."""
    partial = path.with_name(f"{path.name}.restoring")
    partial.unlink(missing_ok=True)
    # Mode 0600 from the first byte on: `copyfile` keeps the mode of a file that exists.
    make_file(partial)
    shutil.copyfile(copy, partial)
    _sync(partial)
    partial.rename(path)
    _sync(path.parent)


def _is_good(copy: Path, known_version: int) -> bool:
    try:
        with closing(connect_read_only(copy, immutable=True)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            # SQLite takes an empty file for a new database without damage.
            known = copy.stat().st_size > 0 and version <= known_version
            return known and damage(connection, thorough=True) is None
    except (sqlite3.Error, OSError):
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Copies of the database, with each daily backup and by hand; each hashed and restored for a test.

`storage.backups` makes, finds and rotates copies; this module adds the hashes (`SHA256SUMS` beside the copies,
as `sha256sum -c` reads it), the test, and putting a copy back. A daily backup has the copy as its own file.
"""

import asyncio
import hashlib
import logging
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge.env_file import write_whole
from bridge.schema import schema
from storage import Database, StorageError, inspect
from storage.backups import backup_directory, backup_time, backups, make_backup, restore_backup
from storage.connection import connect_read_only

log = logging.getLogger(__name__)

_SUMS = "SHA256SUMS"
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_CHUNK_BYTES = 1 << 20


class BackupRefused(Exception):
    """A copy cannot be made or used; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The file of a copy. `sha256` is None if the hash was not recorded (copies made at an upgrade)."""

    path: Path
    made: datetime
    size_bytes: int
    sha256: str | None


# --- making -----------------------------------------------------------------------------------------------


def back_up_file(database: Path) -> Copy:
    """Copy the file at `database` as it is now, also while a bridge uses it; test and hash the copy. Blocks.

    Reads only, so it may run beside the owner. Raises `BackupRefused`, `StorageError`, `OSError`.
    """
    if not database.exists():
        raise BackupRefused("There is no database yet, so there is nothing to copy.")
    _demand_room(database)
    # Without a WAL file no process has the database open; reading it must not create one.
    immutable = not database.with_name(f"{database.name}-wal").exists()
    with closing(connect_read_only(database, immutable=immutable)) as connection:
        path = make_backup(connection, database)
    return tested(path, database)


async def back_up(database: Database) -> Copy:
    """Copy, test and hash the database that this process owns."""
    await asyncio.to_thread(_demand_room, database.path)
    path = await database.back_up()
    return await asyncio.to_thread(tested, path, database.path)


def tested(path: Path, database: Path) -> Copy:
    """Restore the copy at `path` into a scratch file, check that file, and record the hash. Blocks.

    A copy that fails is removed. Raises `BackupRefused`, and `DatabaseTooNew` for a copy of a newer version.
    """
    digest = sha256(path)
    with tempfile.TemporaryDirectory(prefix=".restore-test-", dir=path.parent) as scratch:
        # In a file of its own: opening the copy itself could change it, and its hash with it.
        restored = Path(scratch) / database.name
        restore_backup(path, restored)
        try:
            found = inspect(restored, schema())
        except StorageError:
            path.unlink(missing_ok=True)
            raise
        trouble = found.damage or ("it differs from its copy" if sha256(restored) != digest else None)
    if trouble is not None:
        path.unlink(missing_ok=True)
        raise BackupRefused(f"The copy did not pass its test ({trouble}), so it was removed.")
    # After the test: a file without a hash here was never tested, or is a copy of an upgrade.
    _write_sums(database, {**_sums(database), path.name: digest})
    return Copy(path, backup_time(path), path.stat().st_size, digest)


# --- looking and restoring --------------------------------------------------------------------------------


def copies(database: Path) -> Sequence[Copy]:
    """Return all copies, newest first."""
    sums = _sums(database)
    return [
        Copy(path, backup_time(path), path.stat().st_size, sums.get(path.name)) for path in backups(database)
    ]


def check(copy: Copy) -> None:
    """Read the whole copy. Raises `BackupRefused` if its hash differs or it is damaged. Blocks."""
    if copy.sha256 is not None and sha256(copy.path) != copy.sha256:
        raise BackupRefused(f"{copy.path.name} has changed since it was made: its hash differs. Take another.")
    if (damage := inspect(copy.path, schema()).damage) is not None:
        raise BackupRefused(f"{copy.path.name} is damaged ({damage}). Take another.")


def restore(copy: Copy, database: Path) -> Path | None:
    """Replace the database by `copy`; return where the present file is kept, or None if there was none.

    The caller owns the data directory. Raises `BackupRefused`, `StorageError`, `OSError`; blocks.
    """
    check(copy)
    _demand_room(copy.path)
    kept: Path | None = None
    if database.exists():
        kept = database.with_name(f"{database.name}.before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
        # The WAL file goes along: alone, the kept file would lack the latest changes. Left here, SQLite would
        # apply it to the restored one.
        for suffix in ("-wal", "-shm", ""):
            part = database.with_name(database.name + suffix)
            if part.exists():
                part.rename(kept.with_name(kept.name + suffix))
    restore_backup(copy.path, database)
    return kept


def sha256(path: Path) -> str:
    """Return the file's hash as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sums(database: Path) -> Mapping[str, str]:
    try:
        text = (backup_directory(database) / _SUMS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {match[2]: match[1] for line in text.splitlines() if (match := _SUM_LINE.fullmatch(line))}


def _write_sums(database: Path, sums: Mapping[str, str]) -> None:
    """Write the hashes of the copies that still exist."""
    present = {path.name for path in backups(database)}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(sums.items()) if name in present]
    write_whole(backup_directory(database) / _SUMS, "".join(lines))


def _demand_room(source: Path) -> None:
    """Raise `BackupRefused` unless the disk has room for a copy and its test: twice the size of the file."""
    needed = 2 * source.stat().st_size
    free = shutil.disk_usage(source.parent).free
    if free < needed:
        raise BackupRefused(
            f"The disk has {free / 2**20:,.0f} MB left; a copy with its test needs {needed / 2**20:,.0f} MB."
        )

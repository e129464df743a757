"""Migrations: numbered SQL files, each applied in one transaction, after a copy of the database file.

`PRAGMA user_version` is the number of the last migration applied. Going back is refused. After a kill the file
is as before or after a migration, never between: SQLite rolls the transaction back.
"""

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from faults import crash_point
from storage.backups import make_backup
from storage.errors import ConstraintViolated, DatabaseTooNew, MigrationFailed, StatementRefused, translate

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema. `sql` is a script without BEGIN, COMMIT or PRAGMA user_version of its own."""

    number: int
    name: str
    sql: str


def load_migrations(directory: Path) -> tuple[Migration, ...]:
    """Return the migrations in `directory`: 0001_x.sql, 0002_y.sql … Raises `ValueError` if one is missing."""
    files = sorted(
        (file for file in directory.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    found: list[Migration] = []
    for number, file in enumerate(files, start=1):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise ValueError(
                f"{file.name} is not migration number {number:04d}: numbers start at 0001 without gaps"
            )
        found.append(Migration(number, match[2], file.read_text(encoding="utf-8")))
    return tuple(found)


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the number of the last migration applied; 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def pending(path: Path, version: int, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Return the migrations that a file of schema `version` still needs. Raises `DatabaseTooNew`."""
    if version > len(migrations):
        raise DatabaseTooNew(path, found=version, known=len(migrations))
    return migrations[version:]


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Apply the missing migrations and return them. `connection` is in autocommit mode, for this call alone.

    Raises `DatabaseTooNew`, `MigrationFailed`, or the storage error for a full or busy disk.
    """
    found = schema_version(connection)
    steps = pending(path, found, migrations)
    if steps and found > 0:
        # One copy for the whole upgrade: only a few are kept, and one per step would push older ones out.
        make_backup(connection, path)
    # Each commit waits for the disk. A new file has nothing to lose between two steps, so it gets all in one.
    for together in [steps] if steps and found == 0 else [[step] for step in steps]:
        _apply(connection, together)
    return steps


def _apply(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Apply `steps` in one transaction. The version in the file says how far an attempt came."""
    # Migrations rebuild tables by dropping and renaming. With enforcement on, a drop deletes child rows.
    connection.execute("PRAGMA foreign_keys = OFF")
    script = "".join(f"PRAGMA user_version = {step.number - 1};\n{step.sql}\n;\n" for step in steps)
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}")
        _check(connection)
        connection.execute(f"PRAGMA user_version = {steps[-1].number}")
        crash_point("before-migration-commit")
        connection.execute("COMMIT")
        crash_point("after-migration-commit")
    except (sqlite3.Error, ValueError) as error:
        failure = translate(error)
        if isinstance(failure, StatementRefused | ConstraintViolated):
            # The transaction is still open, so the version is the one that the failed step set at its
            # beginning.
            failed = steps[schema_version(connection) + 1 - steps[0].number]
            raise MigrationFailed(failed.number, failed.name, str(error)) from error
        raise failure from error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check(connection: sqlite3.Connection) -> None:
    if not connection.in_transaction:
        raise ValueError("it ends its transaction itself")
    # The check that enforcement would have made: it is off while tables are rebuilt.
    orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    if orphans:
        tables = sorted({table for table, *_ in orphans})
        raise ValueError(f"rows without their parents would stay in {', '.join(tables)}")

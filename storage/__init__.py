"""The one SQLite database: its writer task, read-only connections, migrations, copies and repair."""

from storage.connection import Row, SqlValue, Synchronous
from storage.database import Database
from storage.errors import (
    ConstraintViolated,
    DatabaseBusy,
    DatabaseClosed,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseTooNew,
    DatabaseUnavailable,
    MigrationFailed,
    StatementRefused,
    StorageError,
)
from storage.ids import UuidMaker
from storage.migrations import Migration, load_migrations
from storage.recovery import Inspection, Recovery, inspect
from storage.uncancelled_wait import outlast, run_to_end
from storage.writer import AnyStatement, BulkStatement, Outcome, Statement

__all__ = [
    "AnyStatement",
    "BulkStatement",
    "ConstraintViolated",
    "Database",
    "DatabaseBusy",
    "DatabaseClosed",
    "DatabaseCorrupt",
    "DatabaseFull",
    "DatabaseReadOnly",
    "DatabaseTooNew",
    "DatabaseUnavailable",
    "Inspection",
    "Migration",
    "MigrationFailed",
    "Outcome",
    "Recovery",
    "Row",
    "SqlValue",
    "Statement",
    "StatementRefused",
    "StorageError",
    "Synchronous",
    "UuidMaker",
    "inspect",
    "load_migrations",
    "outlast",
    "run_to_end",
]

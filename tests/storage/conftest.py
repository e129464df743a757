"""A small schema of its own: storage knows no table of the sessions."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import Database, Migration

SCHEMA = (
    Migration(
        1,
        "notes",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, author TEXT NOT NULL, text TEXT CHECK (text <> ''))",
    ),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with Database.open(path, SCHEMA) as opened:
        yield opened

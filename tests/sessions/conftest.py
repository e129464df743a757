"""A database of its own for each test, with the project's real schema."""

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import pytest

from storage import Database, load_migrations


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(
        tmp_path / "sessions.db", load_migrations(files("bridge") / "migrations")
    ) as opened:
        yield opened

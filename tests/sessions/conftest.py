"""A database of its own for each test, with the project's real schema, and a house on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.schema import schema
from storage import Database
from tests.fresh_database import lay_out
from tests.sessions.kit import House, house


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    lay_out(tmp_path / "sessions.db")
    async with Database.open(tmp_path / "sessions.db", schema()) as opened:
        yield opened


@pytest.fixture
async def here(db: Database, tmp_path: Path) -> AsyncIterator[House]:
    """A house with a running bridge, on fakes."""
    async with house(db, tmp_path) as made:
        yield made

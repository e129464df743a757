"""A manager of sessions on the scripted CLI."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions.manager import SessionManager
from tests.sessions.scripted import Place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path)
    yield place
    await place.take_down()


@pytest.fixture
async def manager(place: Place) -> AsyncIterator[SessionManager]:
    async with place.bridge() as manager:
        yield manager

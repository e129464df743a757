"""A web face for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.web_world import WebWorld, web_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WebWorld]:
    async with web_world(tmp_path / "core") as made:
        yield made

"""Fixtures of the tests of hosts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.backends.kit import Kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    await kit.take_down()

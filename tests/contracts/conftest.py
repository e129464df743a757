"""The real adapters that every contract is run against."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.local import LocalBackend
from tests.backends.kit import Kit


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    await kit.take_down()


@pytest.fixture(params=["tmux", "pty"])
def backend(request: pytest.FixtureRequest, kit: Kit) -> LocalBackend:
    return kit.make(request.param)

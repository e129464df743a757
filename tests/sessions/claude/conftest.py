"""Recorded lines, a demo model, and a home for the real CLI that asks it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.demo.model import DemoModel
from tests.fakes.cli_home import CliHome, make_cli_home


@pytest.fixture
async def demo() -> AsyncIterator[DemoModel]:
    async with DemoModel() as model:
        yield model


@pytest.fixture
def cli_home(demo: DemoModel, tmp_path: Path) -> CliHome:
    return make_cli_home(tmp_path, demo.base_url)

"""Fixtures of the end-to-end tests: one demo model for all, a house for each."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.demo.process import ensure_demo
from tests.e2e.house import House
from tests.e2e.terminal import Terminal


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A demo model that runs for the whole session; it ends when its directory is removed."""
    directory = tmp_path_factory.mktemp("demo-model")
    yield asyncio.run(ensure_demo(directory)).base_url
    shutil.rmtree(directory)


@pytest.fixture
def house(tmp_path: Path, demo_url: str) -> Iterator[House]:
    house = House(tmp_path / "house", demo_url)
    yield house
    house.take_down()


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def open_terminal(house: House) -> Iterator[OpenTerminal]:
    """Run the program with these arguments in a terminal."""
    opened: list[Terminal] = []

    def open_one(*arguments: str, **variables: str) -> Terminal:
        environment = {**house.environment, **variables}
        opened.append(Terminal(house.command(*arguments), environment, house.root))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.__exit__()

"""The real adapters that every contract is run against, and the machines that they are run on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends.local import LocalBackend
from tests.backends.kit import Kit
from tests.machine import darwin

MACOS = "tmux, as on macOS"


@pytest.fixture(params=["tmux", "pty", MACOS])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Which backend, on which machine."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == MACOS:
            place = tmp_path_factory.mktemp("mac")
            tools = darwin.make_tools(place / "tools")
            darwin.become_mac(tools, patch)
            patch.setenv("PATH", darwin.make_path(place / "path", tools))
            with darwin.without_proc():
                yield request.param
        else:
            yield request.param


@pytest.fixture
async def kit(way: str, tmp_path: Path) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    await kit.take_down()


@pytest.fixture
def backend(way: str, kit: Kit) -> LocalBackend:
    return kit.make(way.split(",", maxsplit=1)[0])

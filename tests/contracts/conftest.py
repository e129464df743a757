"""The real adapters that every contract is run against, and the machines that they are run on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backends.local import LocalBackend
from tests.backends.kit import Kit
from tests.machine import darwin

MACOS = "tmux, as on macOS"


@pytest.hookimpl(tryfirst=True)  # before the gate leaves out what is marked `soak`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As on macOS, the gate runs the first row of each table: a host takes a second of CPU there."""
    tables = set()
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or callspec.params.get("way") != MACOS or len(callspec.params) == 1:
            continue
        table = item.nodeid.partition("[")[0]
        if table in tables:
            item.add_marker(pytest.mark.soak)
        tables.add(table)


@pytest.fixture(scope="session")
def mac(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The commands of macOS, and a PATH that has only them."""
    place = tmp_path_factory.mktemp("mac")
    tools = darwin.make_tools(place / "tools")
    return tools, darwin.make_path(place / "path", tools)


@pytest.fixture(params=["tmux", "pty", MACOS])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which backend, on which machine."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == MACOS:
            tools, path = request.getfixturevalue("mac")
            darwin.become_mac(tools, patch)
            patch.setenv("PATH", path)
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

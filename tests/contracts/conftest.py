"""The real adapters that every contract is run against, and the machines that they are run on."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends import tmux_server
from backends.local import LocalBackend
from backends.sandbox.bwrap import in_bwrap
from backends.sandbox.landlock import in_landlock, landlock_abi
from backends.sandbox.model import Access, Mechanism, Policy
from backends.sandbox.probe import find_bwrap
from backends.sandbox.system import this_system
from tests.backends.kit import REPOSITORY, TMUX_PATIENCE_S, Kit
from tests.machine import darwin

MACOS = "tmux, as on macOS"
BWRAP, LANDLOCK = "pty, in bubblewrap", "pty, under Landlock"
IN_BWRAP = {
    "test_what_is_sent_is_read_back_through_the_program",
    "test_a_frozen_program_runs_on_at_the_next_line",
    "test_what_a_killed_program_leaves_running_is_told_and_ends_with_the_tree",
    "test_a_host_costs_less_than_5_mb_and_usage_sees_its_children",
}
"""These the gate runs in sandboxes, too; the soak runs all."""


@pytest.hookimpl(tryfirst=True)  # before the gate leaves out what is marked `soak`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """As on macOS, the gate runs the first row of each table: a host takes a second of CPU there.

    In sandboxes it runs the tests of `IN_BWRAP`.
    """
    tables = set()
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and callspec.params.get("way") in (BWRAP, LANDLOCK):
            if item.name.partition("[")[0] not in IN_BWRAP:
                item.add_marker(pytest.mark.soak)
            continue
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


@pytest.fixture(params=["tmux", "pty", MACOS, BWRAP, LANDLOCK])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which backend, on which machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tmux_server, "_ANSWER_S", TMUX_PATIENCE_S)
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
    made = kit.make(way.split(",", maxsplit=1)[0])
    if way in (BWRAP, LANDLOCK):
        policy = policy_of(kit)
        wrap = in_bwrap(policy) if way == BWRAP else in_landlock(policy, landlock_abi())
        plain = made.launch
        made.launch = lambda spec: plain(wrap(spec))  # type: ignore[method-assign]
    return made


def policy_of(kit: Kit) -> Policy:
    """A sandbox that shows the system, this project, and the directory of the hosts' programs."""
    access = Access(read=(REPOSITORY, Path(sys.base_prefix)), write=(kit.cwd,))
    found = Policy(mechanism=Mechanism.BWRAP, program=find_bwrap(), system=this_system(), access=access)
    return replace(found, seccomp_filter=None)

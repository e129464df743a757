"""Long runs are for `make soak` only. There, every fault also meets hosts in each sandbox."""

import os
import shutil

import pytest

OFF = "off"
SANDBOXES = (OFF, "bwrap", "landlock")
IN_GATE = {
    "test_a_turn_goes_on_when_a_part_of_its_host_is_killed[bwrap-claude]",
    "test_an_open_ask_is_answered_after_a_part_of_its_host_was_killed[bwrap-shell-False]",
}
"""These faults meet sandboxes in the gate, too."""
NOT_IN = {"test_what_a_full_disk_swallows_in_the_middle_of_a_turn_is_read_back[landlock]"}
WITHOUT_HOSTS = frozenset({"test_check", "test_upgrade"})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each fault in each sandbox, unless SANDBOX in the environment names one."""
    named = os.environ.get("SANDBOX", OFF)
    if metafunc.module.__name__.rpartition(".")[2] not in WITHOUT_HOSTS:
        metafunc.parametrize("sandbox", SANDBOXES if named == OFF else (named,), indirect=True)


@pytest.fixture(autouse=True)
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sandbox of the hosts of this test."""
    name = getattr(request, "param", OFF)
    if name == "bwrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    monkeypatch.setenv("SANDBOX", name)
    return name


@pytest.hookimpl(tryfirst=True)  # before the gate leaves out what is marked `soak`
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take soak tests out unless they were asked for by their mark."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        used = callspec.params.get("sandbox", OFF) if callspec is not None else OFF
        if item.name in NOT_IN:
            item.add_marker(pytest.mark.skip(reason="Claude's own TMPDIR lies on the full disk there"))
        if used != OFF and item.name not in IN_GATE and os.environ.get("SANDBOX", OFF) == OFF:
            item.add_marker(pytest.mark.soak)
    if "soak" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]

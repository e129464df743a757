"""Facts that `/proc` shows, and those that it does not show for a moment."""

import subprocess
import time

import pytest

from machine import linux
from machine.linux import LinuxMachine

READS = ["/bin/sh", "-c", "read -r line"]


@pytest.mark.parametrize("exec_ends", ["between two looks", "within a look"])
def test_a_process_is_found_by_its_variable_while_it_is_being_executed(
    monkeypatch: pytest.MonkeyPatch, exec_ends: str
) -> None:
    """For a moment it has no variables to see: met with 2 of 1,000 processes on a busy machine."""
    read, has_arguments, looks = linux._read_environment, linux._has_arguments, 0

    def empty_at_first(pid: int) -> bytes:
        nonlocal looks
        looks += pid == child.pid
        hidden = 3 if exec_ends == "between two looks" else 1
        return b"" if pid == child.pid and looks <= hidden else read(pid)

    def none_at_first(pid: int) -> bool:
        hidden = pid == child.pid and exec_ends == "between two looks"
        return not hidden and has_arguments(pid)

    with subprocess.Popen(READS, env={"KEY": "a/1"}, stdin=subprocess.PIPE) as child:
        monkeypatch.setattr(linux, "_read_environment", empty_at_first)
        monkeypatch.setattr(linux, "_has_arguments", none_at_first)
        assert {each.pid for each in LinuxMachine().carrying("KEY", "a/1")} == {child.pid}
        looks = 0
        assert LinuxMachine().values_of("KEY") == {"a/1"}
        child.kill()


def test_what_has_no_variables_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s")

    with subprocess.Popen(READS, env={}, stdin=subprocess.PIPE) as bare:
        while not linux._has_arguments(bare.pid):
            pass
        monkeypatch.setattr(time, "sleep", never)
        assert linux._environment(bare.pid) == b""
        bare.kill()


def test_no_process_is_overlooked_right_after_it_was_started() -> None:
    for _ in range(300):
        with subprocess.Popen(READS, env={"KEY": "b/1"}, stdin=subprocess.PIPE) as child:
            assert b"KEY=b/1" in linux._environment(child.pid).split(b"\0")
            child.kill()

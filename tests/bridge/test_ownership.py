"""One owner of a data directory, named to the second, and gone with its process."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bridge.ownership import AlreadyOwned, DataDirectoryRefused, OwnerKind, current_owner, lock_path, owning

OWN = """
import sys
from pathlib import Path
from bridge.ownership import OwnerKind, owning
with owning(Path(sys.argv[1]), OwnerKind.BOT):
    print("owns", flush=True)
    sys.stdin.readline()
"""

OWN_AND_FORK = """
import os, sys, time
from pathlib import Path
from bridge.ownership import OwnerKind, owning
with owning(Path(sys.argv[1]), OwnerKind.BOT):
    if child := os.fork():
        print(child, flush=True)
        os._exit(137)
    os.close(1)
    time.sleep(60)
"""


@contextmanager
def another_owner(data: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", OWN, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "owns\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_owner_is_refused_within_a_second_and_told_who_the_first_is(tmp_path: Path) -> None:
    with another_owner(tmp_path) as first:
        start = time.monotonic()
        with pytest.raises(AlreadyOwned) as caught, owning(tmp_path, OwnerKind.CHAT):
            pass
        assert time.monotonic() - start < 1
        owner = caught.value.owner
        assert owner is not None
        assert (owner.pid, owner.kind) == (first.pid, "bot")
        for words in (str(first.pid), "bot", f"{owner.since:%Y-%m-%d %H:%M:%S} UTC", "DATA_DIR"):
            assert words in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_a_killed_owner_owns_nothing_and_is_not_named(tmp_path: Path) -> None:
    with another_owner(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert current_owner(tmp_path) is None
        with owning(tmp_path, OwnerKind.CHAT) as owner:
            assert json.loads(lock_path(tmp_path).read_text())["pid"] == owner.pid == os.getpid()


def test_a_child_that_a_dead_owner_was_starting_keeps_nobody_out(tmp_path: Path) -> None:
    """A child has the lock between `fork` and `exec`, and on a busy machine that takes a while."""
    with subprocess.Popen(
        [sys.executable, "-c", OWN_AND_FORK, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        child = int(started.stdout.readline())
    try:
        # Another process ends it: it is nobody's child here.
        threading.Timer(0.5, os.kill, (child, signal.SIGKILL)).start()
        with owning(tmp_path, OwnerKind.CHAT) as owner:
            assert owner.pid == os.getpid()
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_two_who_look_after_a_killed_owner_do_not_take_each_other_for_it(tmp_path: Path) -> None:
    with another_owner(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.extend(current_owner(tmp_path) for _ in range(2000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {None}


def test_an_owner_that_leaves_gives_the_directory_back(tmp_path: Path) -> None:
    for kind in OwnerKind:
        with owning(tmp_path, kind):
            found = current_owner(tmp_path)
            assert found is not None
            assert (found.pid, found.kind) == (os.getpid(), kind.value)
        assert current_owner(tmp_path) is None


def test_a_child_of_the_owner_does_not_hold_the_lock_after_it(tmp_path: Path) -> None:
    spawn = (
        "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid, flush=True)"
    )
    program = OWN.replace('print("owns", flush=True)', spawn)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()
        owner.wait()
        try:
            os.kill(child, 0)  # it lives
            with owning(tmp_path, OwnerKind.BOT):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


def test_whoever_only_looks_keeps_nobody_from_owning(tmp_path: Path) -> None:
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            current_owner(tmp_path)

    with owning(tmp_path, OwnerKind.BOT):
        pass
    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            with owning(tmp_path, OwnerKind.BOT):
                pass
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("note", ["", "nonsense", '{"pid": 1}', '{"pid": "x", "kind": "bot", "since": "y"}'])
def test_a_lock_without_a_readable_note_is_a_lock_all_the_same(tmp_path: Path, note: str) -> None:
    with another_owner(tmp_path):
        lock_path(tmp_path).write_text(note)
        with pytest.raises(AlreadyOwned, match="Another process uses"), owning(tmp_path, OwnerKind.BOT):
            pass
        found = current_owner(tmp_path)
        assert (found.pid if found else None) == (0 if note else None)


def test_looking_at_a_directory_that_nobody_owned_makes_nothing(tmp_path: Path) -> None:
    assert current_owner(tmp_path / "data") is None
    assert not (tmp_path / "data").exists()


def test_the_data_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    with owning(data, OwnerKind.BOT):
        assert [stat.S_IMODE(path.stat().st_mode) for path in (data, data / "run", lock_path(data))] == [
            0o700,
            0o700,
            0o600,
        ]


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryRefused, match="DATA_DIR"), owning(tmp_path / "file", OwnerKind.BOT):
        pass

"""A snapshot while files change under its hands, or while no room is left for it."""

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workdirs.desk import Desk, paths
from workdirs import file_reading
from workdirs.errors import CheckpointFailed, GitFailed, WhyNoCheckpoint
from workdirs.fast_import import FastImport
from workdirs.model import Caps, EntryMode


def _truncated(place: Path) -> None:
    os.truncate(place, 3)


def _emptied(place: Path) -> None:
    os.truncate(place, 0)


def _over_the_cap(place: Path) -> None:
    os.truncate(place, 200_000)  # sparse


def _renamed_over(place: Path) -> None:
    (place.parent / "draft").write_bytes(b"another")
    (place.parent / "draft").replace(place)


def _deleted(place: Path) -> None:
    place.unlink(missing_ok=True)


def _a_directory(place: Path) -> None:
    place.unlink()
    place.mkdir()
    (place / "in").write_text("in")


def _a_link(place: Path) -> None:
    place.unlink()
    place.symlink_to("/etc/passwd")


def _a_fifo(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def _parent_renamed(place: Path) -> None:
    place.parent.rename(place.parent.with_name("moved"))


def _mode(place: Path) -> None:
    place.chmod(0o600)


@pytest.mark.parametrize(
    "change",
    [
        *(_truncated, _emptied, _over_the_cap, _renamed_over, _deleted),
        *(_a_directory, _a_link, _a_fifo, _parent_renamed, _mode),
    ],
)
def test_a_file_that_changes_while_it_is_looked_at_spoils_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    desk.caps = Caps(max_file_bytes=100_000)
    place = desk.write("d/moving", "line\n" * 1000)
    for number in range(5):
        desk.write(f"f{number}", f"text {number}")
    found, read = place.stat(), file_reading._read_up_to
    changes = [change]

    def read_meanwhile(descriptor: int, size: int) -> bytes:
        if changes and os.path.samestat(os.fstat(descriptor), found):
            changes.pop()(place)
        return read(descriptor, size)

    monkeypatch.setattr(file_reading, "_read_up_to", read_meanwhile)
    first = desk.take()
    assert changes == []
    others = {path: entry for path, entry in desk.store.tree(first.commit).items() if path[:1] == b"f"}
    assert len(others) == 5
    for (path, data), entry in zip(
        desk.store.blobs([(p, e.blob) for p, e in others.items()]), others.values(), strict=True
    ):
        assert ((desk.root / os.fsdecode(path)).read_bytes(), entry.mode) == (data, EntryMode.FILE)
    # The next one has what is there now.
    second = desk.take()
    shown = {path for path, (kind, *_) in desk.show().items() if kind != "special"}
    named = {each.path for each in second.coverage.uncovered}
    assert paths(second, desk) | named >= shown
    assert (second.coverage.moving, second.coverage.is_partial) == ([], False)
    desk.sound()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        GitFailed("fast-import", 128, "fatal: write error: No space left on device"),
        GitFailed("fast-import", 128, "fatal: cannot write: Disk quota exceeded"),
    ],
)
def test_a_full_disk_and_a_quota_are_told_as_such(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    desk.write("a")

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(FastImport, "commit", refuse)
    with pytest.raises(CheckpointFailed, match="no room is left") as refused:
        desk.take()
    assert refused.value.why is WhyNoCheckpoint.DISK_FULL
    monkeypatch.undo()
    assert paths(desk.take(), desk) == {b"a"}


def test_a_disk_that_is_really_full_leaves_the_next_checkpoint_whole(desk: Desk) -> None:
    desk.store.directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(desk.store.directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount")
    try:
        desk.write("a", os.urandom(900_000))
        with pytest.raises(CheckpointFailed, match="no room is left"):
            desk.take()
        desk.write("a", "small")
        assert paths(desk.take(), desk) == {b"a"}
        desk.sound()
    finally:
        subprocess.run(["umount", str(desk.store.directory)], check=True)

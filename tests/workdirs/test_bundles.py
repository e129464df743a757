"""Checkpoints as a file: what passes the look at it, and what its files are like once they are written."""

from pathlib import Path

import pytest

from tests.workdirs.desk import Desk
from workdirs.bundles import Bundled, check_git_bundle, check_written_files, write_git_bundle
from workdirs.errors import WorkdirError
from workdirs.model import ObjectId


def test_the_files_of_a_bundle_are_written_and_read_back(desk: Desk, tmp_path: Path) -> None:
    desk.write("a", "text")
    desk.write(b"\xff\n", b"\0\r\n")
    desk.write("private", "p", 0o600)
    (desk.root / "link").symlink_to("nowhere")
    point = desk.take()
    store = f"--git-dir={desk.store.git_dir}"
    blob = desk.git(store, "rev-parse", f"{point.commit}:a").strip()
    # Linux has no name of 300 bytes, but a tree may: git takes it in, and nobody can write it.
    desk.git(store, "update-index", "--add", "--cacheinfo", f"100644,{blob},{'x' * 300}")
    tree = desk.git(store, "write-tree").strip()
    message = desk.git(store, "log", "-1", "--format=%B", point.commit)
    unwritable = desk.git(store, "commit-tree", "-m", message, tree).strip()
    desk.git(store, "update-ref", "refs/checkpoints/unwritable", unwritable)
    file = tmp_path / "bundle"
    good, bad = Bundled(point.ref, point.commit), Bundled("refs/checkpoints/unwritable", ObjectId(unwritable))
    assert write_git_bundle(desk.store, [good, bad], file) == [good, bad]
    check_git_bundle(file, [good, bad], tmp_path / "looked-at")
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    check_written_files(file, good, tmp_path / "good")
    assert desk.show(tmp_path / "good" / "files") == desk.show()
    with pytest.raises(WorkdirError):
        check_written_files(file, bad, tmp_path / "bad")

"""Files and directories that only their owner may read."""

import os
import stat
from pathlib import Path

import pytest

from storage.files import make_directory, make_file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_is_made_is_its_owners_alone_parents_too(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make_directory(tmp_path / "a" / "b" / "c")
        make_file(tmp_path / "a" / "file")
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", *tmp_path.glob("a/**/*"))
    }
    assert modes == {"a": 0o700, "b": 0o700, "c": 0o700, "file": 0o600}


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    make_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755

"""Which directories are projects, whatever lies in the workspace."""

import os
from pathlib import Path

import pytest

from sessions.errors import WorkDirectoryRefused
from sessions.work_directory import list_projects, open_project

BAD_NAME = os.fsdecode(b"caf\xe9")


def test_a_badly_named_directory_is_left_out_of_the_list_and_breaks_nothing(tmp_path: Path) -> None:
    for name in ("b", "caf\u00e9", BAD_NAME, ".hidden", "a\nb"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert list_projects(tmp_path) == ["a\nb", "b", "caf\u00e9"]


@pytest.mark.parametrize("project", [BAD_NAME, "link", "inner/link"])
def test_a_session_runs_in_no_directory_whose_name_is_no_text(tmp_path: Path, project: str) -> None:
    (tmp_path / BAD_NAME).mkdir()
    (tmp_path / "inner").mkdir()
    for link in (tmp_path / "link", tmp_path / "inner" / "link"):
        link.symlink_to(tmp_path / BAD_NAME)
    with pytest.raises(WorkDirectoryRefused, match="its name is not UTF-8 text") as refused:
        open_project(project, tmp_path)
    assert str(refused.value).encode()

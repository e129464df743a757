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


@pytest.mark.parametrize(
    ("project", "reason"),
    [
        (".", "it is the workspace itself"),
        ("./", "it is the workspace itself"),
        ("a/..", "it is the workspace itself"),
        ("to_root", "it is the workspace itself"),
        ("..", "it lies outside the workspace"),
        ("holds", "it holds files of the bridge"),
        ("holds/data", "it holds files of the bridge"),
        ("to_holder", "it holds files of the bridge"),
        ("holds/data/run", "it lies among files of the bridge"),
        ("to_run", "it lies among files of the bridge"),
        (".branches", "it holds the directories of branches"),
        (".branches/a", "it holds the directories of branches"),
    ],
)
def test_a_session_runs_in_no_directory_that_holds_more_than_a_project(
    tmp_path: Path, project: str, reason: str
) -> None:
    root, private = tmp_path / "w", tmp_path / "w" / "holds" / "data"
    (private / "run").mkdir(parents=True)
    (root / "a").mkdir()
    (root / ".branches" / "a" / "try").mkdir(parents=True)
    (root / "to_root").symlink_to(root)
    (root / "to_holder").symlink_to(root / "holds")
    (root / "to_run").symlink_to(private / "run")
    with pytest.raises(WorkDirectoryRefused, match=reason):
        open_project(project, root, (private,))
    assert open_project("a", root, (private,)) == root / "a"
    assert open_project(".branches/a/try", root, (private,)) == root / ".branches" / "a" / "try"


def test_a_workspace_may_be_the_home_or_lie_in_a_private_place_but_keys_are_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a", ".ssh/a"):
        (tmp_path / name).mkdir(parents=True)
    for root in (tmp_path, tmp_path.parent):
        prefix = "" if root == tmp_path else f"{tmp_path.name}/"
        assert open_project(f"{prefix}a", root, (tmp_path, tmp_path / ".ssh")) == tmp_path / "a"
        with pytest.raises(WorkDirectoryRefused, match="it lies among files"):
            open_project(f"{prefix}.ssh/a", root, (tmp_path, tmp_path / ".ssh"))

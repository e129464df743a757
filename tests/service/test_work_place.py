"""Branch and last commit of a work directory never come from the repository of another project."""

from pathlib import Path

import pytest

from api import WorkPlace
from service.work_place import read_work_place
from tests.workdirs.desk import Desk


@pytest.mark.parametrize("way", ["a link", "a pointer", "alternates", "a linked ref"])
async def test_a_repository_that_leads_elsewhere_tells_nothing(tmp_path: Path, way: str) -> None:
    desk = Desk(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    desk.git("init", "-q", cwd=other)
    desk.git("commit", "-q", "--allow-empty", "-m", "a secret", cwd=other)
    assert (await read_work_place(other)).commit.endswith(" a secret")
    git = desk.root / ".git"
    if way in ("alternates", "a linked ref"):
        desk.git("init", "-q")
        commit = (other / ".git" / "refs" / "heads" / "main").read_text()
        (git / "objects" / "info" / "alternates").write_text(f"{other}/.git/objects\n")
        (git / "refs" / "heads" / "main").write_text(commit)
    match way:
        case "a link":
            git.symlink_to(other / ".git")
        case "a pointer":
            git.write_text(f"gitdir: {other}/.git\n")
        case "a linked ref":
            (git / "objects" / "info" / "alternates").unlink()
            (git / "refs" / "heads" / "main").unlink()
            (git / "objects" / "pack").rmdir()
            (git / "objects" / "pack").symlink_to(other / ".git" / "objects" / "pack")
            (git / "refs" / "heads" / "main").symlink_to(other / ".git" / "refs" / "heads" / "main")
        case _:
            pass
    assert await read_work_place(desk.root) == WorkPlace()

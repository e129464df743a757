"""Which repository counts as that of a work tree: programs in the tree can write all of its `.git`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workdirs.desk import Desk
from workdirs.repository import open_repository, read_state


def _points_to_a_made_up_directory(mine: Path, other: Path) -> None:
    made = mine.parent / "made"
    made.mkdir()
    (made / "gitdir").write_text(f"{mine}\n")
    (made / "commondir").write_text(f"{other}\n")
    (made / "HEAD").write_bytes((other / "HEAD").read_bytes())
    shutil.rmtree(mine)
    mine.write_text("gitdir: made\n")


def _linked(*names: str) -> Callable[[Path, Path], None]:
    def link(mine: Path, other: Path) -> None:
        for name in names:
            place = mine / name
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(other / name)

    return link


def _written(name: str, text: str) -> Callable[[Path, Path], None]:
    def write(mine: Path, other: Path) -> None:
        (mine / name).write_text(text.format(other=other))

    return write


BORROWED: dict[str, Callable[[Path, Path], None]] = {
    "its common directory": _written("commondir", "{other}\n"),
    "a made-up directory of a work tree": _points_to_a_made_up_directory,
    "its objects by a list": _written("objects/info/alternates", "{other}/objects\n"),
    "its objects and refs by links": _linked("objects", "refs"),
    "one branch by a link": _linked("refs/heads/deep/main"),
    "packed refs by a link": _linked("packed-refs"),
    "packs by a link": _linked("objects/pack"),
    # Git would append to this file, or make directories there.
    "the log of HEAD by a link": _linked("logs/HEAD"),
    "the list of work trees by a link": _linked("worktrees"),
}


@pytest.mark.parametrize("borrow", BORROWED.values(), ids=BORROWED.keys())
def test_a_repository_that_borrows_from_another_project_does_not_count(
    tmp_path: Path, borrow: Callable[[Path, Path], None]
) -> None:
    desk = Desk(tmp_path)
    desk.git("init", "-q")
    mine = desk.root / ".git"
    other = tmp_path / "other"
    shutil.copytree(mine, other)
    own = open_repository(desk.root)
    assert own is not None
    assert read_state(own).branch == "main"
    borrow(mine, other)
    assert open_repository(desk.root) is None

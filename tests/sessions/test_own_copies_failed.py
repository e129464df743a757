"""A making of an own copy that fails leaves nothing, or a row by which the next start clears it."""

from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sessions import own_copies
from sessions.errors import BranchRefused
from sessions.model import SessionId, Trust
from sessions.work_directory import BRANCHES
from workdirs.checkpoint_model import Place
from workdirs.directories import MadeDirectory
from workdirs.errors import WorkdirError


@pytest.mark.parametrize("drops", [True, False], ids=["dropped", "git refuses that, too"])
async def test_a_copy_whose_target_cannot_be_read_is_not_forgotten(
    drops: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(_: Path, place: Path, __: str) -> MadeDirectory:
        place.mkdir(parents=True)
        return MadeDirectory(place, "bridge/b", None)

    def drop(_: Path, begun: MadeDirectory) -> None:
        if drops:
            begun.place.rmdir()

    def target(_: Path) -> str:
        raise WorkdirError("git did not answer")

    monkeypatch.setattr(own_copies, "begin_branch_directory", begin)
    monkeypatch.setattr(own_copies, "finish_branch_directory", lambda begun, *_: begun)
    monkeypatch.setattr(own_copies, "drop_branch_directory", drop)
    monkeypatch.setattr(own_copies, "_target", target)
    statements: list[Any] = []

    async def write(batch: list[Any]) -> None:
        statements.extend(batch)

    around = SimpleNamespace(
        db=SimpleNamespace(write=write),
        clock=SimpleNamespace(now_ms=lambda: 1),
        workspace_root=tmp_path,
        checkpoints=Checkpoints(tmp_path / "project"),
    )
    (tmp_path / "project").mkdir()
    snapshot = SimpleNamespace(last_turn=None, trust=Trust.CLOSED, keeps_out_of=())
    parent = SimpleNamespace(id="parent", snapshot=snapshot, around=around)
    with pytest.raises(BranchRefused):
        await own_copies.make_own_copy(cast("Any", parent), SessionId("new"), "b")
    left = [each for each in (tmp_path / BRANCHES).rglob("*") if each.name == "b"]
    assert bool(left) is not drops
    is_forgotten = any(each.sql.startswith("DELETE") for each in statements)
    assert is_forgotten is drops


class Checkpoints:
    """Checkpoints that are always taken, of no files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.engine = self

    def place(self, _: object) -> Place:
        return Place(self._directory, self._directory)

    @asynccontextmanager
    async def locked(self, _: Path) -> Any:
        with nullcontext():
            yield

    async def take_locked(self, *_: object, copy_to: Path) -> Any:
        return SimpleNamespace(id="c", commit="0" * 40, copied_to=copy_to)

    async def pin(self, _: object) -> None:
        pass

    async def store_of(self, _: object) -> Any:
        return SimpleNamespace(coverage=lambda _: None)

"""Directories without a session: removed, but not those of a session in the making."""

import os
import time
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

import sessions.ended_hosts
from sessions.ended_hosts import sweep


async def test_the_files_of_a_session_in_the_making_are_not_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_exist(_: object, __: AbstractSet[str]) -> set[str]:
        return set()

    async def write(_: object) -> None:
        pass

    monkeypatch.setattr(sessions.ended_hosts, "sessions_that_exist", none_exist)
    now_s = time.time()
    around = SimpleNamespace(
        db=SimpleNamespace(write=write),
        clock=SimpleNamespace(now_ms=lambda: int(now_s * 1000)),
        run_directory=tmp_path,
        commands=None,
    )
    left, making = tmp_path / str(uuid4()), tmp_path / str(uuid4())
    for directory in (left, making):
        (directory / "uploads").mkdir(parents=True)
    os.utime(left, (now_s - 3601, now_s - 3601))
    assert await sweep(cast("Any", around)) == 1
    assert (making / "uploads").is_dir()
    assert not left.exists()


def test_a_directory_that_goes_while_it_is_looked_at_stops_no_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, left = [tmp_path / str(uuid4()) for _ in range(2)]
    for directory in (going, left):
        directory.mkdir()
    is_dir = Path.is_dir

    def is_dir_then_gone(path: Path) -> bool:
        found = is_dir(path)
        if path == going and found:
            path.rmdir()
        return found

    monkeypatch.setattr(Path, "is_dir", is_dir_then_gone)
    soon_ms = int((time.time() + 60) * 1000)
    assert sessions.ended_hosts._session_directories(tmp_path, soon_ms) == {left.name}
    assert sessions.ended_hosts._session_directories(going, soon_ms) == set()

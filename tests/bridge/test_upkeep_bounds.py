"""A failure in the upkeep ends nothing else."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge import upkeep

_TASKS = ("daily_backups", "copy_backups", "keep_index", "keep_folders", "keep_caches", "keep_clean")


@pytest.mark.parametrize("name", _TASKS)
async def test_a_task_that_breaks_is_tried_again_and_leaves_the_others_and_the_bridge_running(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0
    again = asyncio.Event()

    async def rests(_: object) -> None:
        await asyncio.Event().wait()

    async def breaks(_: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            again.set()
        raise ZeroDivisionError

    for each in _TASKS:
        monkeypatch.setattr(upkeep, each, breaks if each == name else rests)
    monkeypatch.setattr(upkeep, "_BACKUP_RETRY_S", 0.001)
    monkeypatch.setattr(upkeep, "RETRY_S", 0.001)
    settings = SimpleNamespace(
        enable_persistence=True, metrics_file=None, metrics_port=None, backup_command=("x",)
    )
    core = cast("Any", SimpleNamespace(settings=settings, database=None, service=None))
    keeping = asyncio.create_task(upkeep.keep_up(core))
    async with asyncio.timeout(60):
        await again.wait()
    assert not keeping.done()
    assert "task failed" in caplog.text
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping

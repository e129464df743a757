"""A failure in the upkeep ends nothing else."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge import upkeep


async def test_a_task_that_breaks_leaves_the_others_and_the_bridge_running(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broke = asyncio.Event()

    async def breaks(_: object) -> None:
        broke.set()
        raise ZeroDivisionError

    monkeypatch.setattr(upkeep, "daily_backups", breaks)
    settings = SimpleNamespace(enable_persistence=True, metrics_file=None, metrics_port=None, backup_command=())
    core = cast("Any", SimpleNamespace(settings=settings, database=None, service=None))
    keeping = asyncio.create_task(upkeep.keep_up(core))
    async with asyncio.timeout(60):
        await broke.wait()
        for _ in range(10):
            await asyncio.sleep(0)
    assert not keeping.done()
    assert "task ended" in caplog.text
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping

"""Work beside a block: it ends with the block, and keeps nobody from being cancelled."""

import asyncio
from contextlib import suppress

import pytest

from bridge.background_task import running, tried_again


async def test_a_cancellation_while_the_work_ends_is_not_swallowed() -> None:
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def ends_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    async def block() -> None:
        async with running(ends_slowly(), "slow"):
            pass
        await asyncio.Event().wait()  # would wait for ever

    async with asyncio.timeout(60):
        task = asyncio.create_task(block())
        await ending.wait()
        task.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        assert task.cancelled()


async def test_work_that_fails_is_logged_and_done_again_after_a_pause_until_it_is_cancelled(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    third = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def fails_twice() -> None:
        if len(pauses) < 2:
            raise ZeroDivisionError
        third.set()
        await asyncio.Event().wait()  # for ever

    monkeypatch.setattr("bridge.background_task.asyncio.sleep", pause)
    task = asyncio.create_task(tried_again(fails_twice, "work", 7))
    async with asyncio.timeout(60):
        await third.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert pauses == [7, 7]
    logged = [record for record in caplog.records if record.message == "task failed"]
    incidents = {record.__dict__["incident"] for record in logged}
    assert [record.exc_info is not None for record in logged] == [True, True]
    assert len(incidents) == 2

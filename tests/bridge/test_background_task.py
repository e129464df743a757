"""Work beside a block: it ends with the block, and keeps nobody from being cancelled."""

import asyncio
from contextlib import suppress

import pytest

from bridge.background_task import running


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

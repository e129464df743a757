"""A standstill of this process uses up no deadline; silence does."""

import asyncio
import time

import pytest

from machine.awake_timeout import awake_timeout


def stand_still(seconds: float) -> None:
    """Stop the event loop, as SIGSTOP and a sleeping machine do; the standstill itself is the fault."""
    time.sleep(seconds)


async def test_silence_ends_at_the_limit() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with awake_timeout(0.2):
            await asyncio.get_running_loop().create_future()
    assert asyncio.get_running_loop().time() - began >= 0.2


@pytest.mark.parametrize("limit_s", [0.1, 1.5])
async def test_an_answer_that_came_during_a_standstill_is_read(limit_s: float) -> None:
    process = await asyncio.create_subprocess_exec("echo", "here", stdout=asyncio.subprocess.PIPE)
    async with awake_timeout(limit_s):
        stand_still(2.2)
        assert (await process.communicate())[0] == b"here\n"


async def test_a_standstill_does_not_make_silence_endless() -> None:
    async def stand_still_and_wait() -> None:
        async with awake_timeout(0.1):
            stand_still(1.0)
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stand_still_and_wait(), 20)


async def test_nothing_ticks_on_after_the_block() -> None:
    async with awake_timeout(0.05):
        pass
    await asyncio.sleep(0.1)  # the time in which a timer that was left would have ended this task


async def test_cancelling_from_outside_stays_a_cancellation() -> None:
    async def wait() -> None:
        async with awake_timeout(10):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

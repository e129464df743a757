"""Steps that are carried out whatever comes: cancelled once, and once more."""

import asyncio

import pytest

from sessions.retry_until_stored import to_the_end


@pytest.mark.parametrize("times", [0, 1, 2, 5])
async def test_who_is_cancelled_however_often_hears_of_it_when_the_work_is_done(times: int) -> None:
    goes_on, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await goes_on.wait()
        done.set()

    caller = asyncio.create_task(to_the_end(work()))
    for _ in range(times):
        await asyncio.sleep(0)
        caller.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not caller.done()
    goes_on.set()
    await asyncio.wait([caller])
    assert done.is_set()
    assert caller.cancelled() is (times > 0)


@pytest.mark.parametrize("times", [0, 1])
async def test_work_that_fails_is_told_to_who_still_waits(times: int) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise OSError

    caller = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    if times:
        caller.cancel()
    with pytest.raises(asyncio.CancelledError if times else OSError):
        await caller

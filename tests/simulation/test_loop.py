"""The loop itself: time jumps, order is kept, nothing waits for ever unnoticed."""

import asyncio
import time

import pytest

from tests.simulation.loop import START_S, Deadlock, VirtualLoop


@pytest.fixture
def loop() -> VirtualLoop:
    return VirtualLoop(lambda: 0.5)


def test_an_hour_passes_at_once(loop: VirtualLoop) -> None:
    began = time.monotonic()
    loop.run_until_complete(asyncio.sleep(3600))
    loop.close()
    assert loop.time() == START_S + 3600
    assert time.monotonic() - began < 5


def test_timers_go_off_in_order_and_a_cancelled_one_costs_no_time(loop: VirtualLoop) -> None:
    seen: list[str] = []
    loop.call_later(3, seen.append, "third")
    loop.call_later(2, seen.append, "never").cancel()
    loop.call_later(1, seen.append, "first")
    loop.call_later(1, seen.append, "second")
    loop.call_later(100, seen.append, "too late").cancel()
    loop.run_until_complete(asyncio.sleep(3))
    loop.close()
    assert seen == ["first", "second", "third"]
    assert loop.time() == START_S + 3


def test_a_timeout_is_counted_in_virtual_time(loop: VirtualLoop) -> None:
    async def wait_in_vain() -> None:
        async with asyncio.timeout(60):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        loop.run_until_complete(wait_in_vain())
    loop.close()
    assert loop.time() == START_S + 60


def test_waiting_for_what_never_comes_is_a_deadlock(loop: VirtualLoop) -> None:
    task = loop.create_task(asyncio.Event().wait())
    with pytest.raises(Deadlock):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


def test_work_of_a_thread_is_done_in_the_loop_after_a_while(loop: VirtualLoop) -> None:
    assert loop.run_until_complete(asyncio.to_thread(loop.time)) == START_S + 0.5
    loop.close()


def test_the_work_of_somebody_dead_is_not_done(loop: VirtualLoop) -> None:
    done: list[str] = []
    loop.cut_off = lambda: lambda: True
    task = loop.create_task(asyncio.to_thread(done.append, "done"))
    with pytest.raises(Deadlock):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert done == []

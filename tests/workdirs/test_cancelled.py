"""A cancelled act holds its work directory until its thread has written for the last time."""

import asyncio
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from tests.workdirs.desk import Desk
from tests.workdirs.ledger import open_ledger
from workdirs import restores, taking


class Held:
    """A step that tells when it has begun, and goes on when it is let go."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._go = threading.Event()
        self.begun = asyncio.Event()
        self.has_ended = False

    def __call__(self, *arguments: Any) -> Any:
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self._go.wait(20)
        try:
            return self._step(*arguments)
        finally:
            self.has_ended = True

    def let_go(self) -> None:
        self._go.set()


@pytest.mark.parametrize(
    ("module", "name"), [(taking, "take_snapshot"), (restores, "apply_restore"), (restores, "sweep_restore")]
)
async def test_a_cancelled_act_holds_the_directory_until_its_thread_has_ended(
    desk: Desk, module: ModuleType, name: str
) -> None:
    held = Held(getattr(module, name))
    desk.write("a", "old")
    async with open_ledger(desk.home) as ledger:
        target = await ledger.take()
        desk.write("a", "new")
        if name == "sweep_restore":
            cut = patch.object(restores, "apply_restore", side_effect=asyncio.CancelledError)
            with cut, pytest.raises(asyncio.CancelledError):
                await ledger.restore(target.id)
        with patch.object(module, name, held):
            match name:
                case "take_snapshot":
                    act: asyncio.Task[Any] = asyncio.create_task(ledger.take())
                case "apply_restore":
                    act = asyncio.create_task(ledger.restore(target.id))
                case _:
                    act = asyncio.create_task(ledger.restores.finish_cut())
            await held.begun.wait()
            act.cancel()

            async def follow() -> bool:
                async with ledger.checkpoints.locked(ledger.place.directory):
                    return held.has_ended

            follower = asyncio.create_task(follow())
            for _ in range(10):
                await asyncio.sleep(0)
            act.cancel()  # a second time, as a loop does that ends
            held.let_go()
            assert await follower, "the lock was free while the thread still wrote"
            with pytest.raises(asyncio.CancelledError):
                await act

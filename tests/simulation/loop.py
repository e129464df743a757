"""An event loop in virtual time: when nothing is ready, the next timer is due at once.

No threads, sockets or child processes: what the code hands to an executor runs in the loop after a while, and
asking for a child process fails as on a machine that cannot start one. Tasks and futures hash by their number,
so that sets of them have one order in every process. A loop with nothing to do raises `Deadlock`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, NoReturn

START_S = 1_000_000.0


class Deadlock(AssertionError):
    """Tasks wait, and nothing will ever wake them."""


class _NumberedTask(asyncio.Task[Any]):
    number = 0

    def __hash__(self) -> int:
        return self.number


class _NumberedFuture(asyncio.Future[Any]):
    number = 0

    def __hash__(self) -> int:
        return self.number


class _Jump:
    """In the place of a selector: has no events, and lets time pass instead of waiting for them."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        if timeout > 0:
            self._loop.jump()
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """`owner` is told of every task that is made; `thread_s` says how long work of an executor takes."""

    def __init__(self, thread_s: Callable[[], float]) -> None:
        super().__init__()
        self._now = START_S
        self._selector = _Jump(self)
        self._numbers = count(1)
        self._thread_s = thread_s
        self.owner: Callable[[asyncio.Task[Any]], None] | None = None
        self.cut_off: Callable[[], Callable[[], bool]] = lambda: lambda: False
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]  # typeshed: a protocol with a type variable

    def time(self) -> float:
        return self._now

    def jump(self) -> None:
        """Let time pass until the next timer."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # of BaseEventLoop
        self._now = max(self._now, timers[0].when())

    def _process_events(self, event_list: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        task = _NumberedTask(work, loop=loop, **more)
        task.number = next(self._numbers)
        if self.owner is not None:
            self.owner(task)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        future = _NumberedFuture(loop=self)
        future.number = next(self._numbers)
        return future

    def run_in_executor(  # type: ignore[override]  # the loop's own declaration is of a coroutine
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call `func` in a while, unless whoever asked is dead by then."""
        future = self.create_future()
        is_cut_off = self.cut_off()

        def run() -> None:
            if is_cut_off():
                return
            try:
                result = func(*args)
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        self.call_later(self._thread_s(), run)
        return future

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OSError("no child processes here")

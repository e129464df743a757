"""An event loop in virtual time: when nothing is ready, the next timer is due at once.

No threads, sockets or child processes: what the code hands to an executor runs in the loop after a while, and
asking for a child process fails as on a machine that cannot start one. Tasks hash by their number, so that sets
of them have one order in every process. A loop in which nothing can ever happen again raises `Deadlock`.
"""

import asyncio
import contextvars
import heapq
from asyncio import Handle, TimerHandle
from collections import deque
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


class VirtualLoop(asyncio.BaseEventLoop):
    """`thread_s` says how long work of an executor takes.

    `owner` is told of every task that is made. `cut_off` is asked when work is handed to an executor; what it
    gives says, when the work is due, whether whoever wanted it is dead.
    """

    _ready: deque[Handle]  # of BaseEventLoop

    def __init__(self, thread_s: Callable[[], float]) -> None:
        super().__init__()
        self._now = START_S
        # BaseEventLoop's own heap compares handles in Python, which costs a tenth of a run.
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._numbers = count(1)
        self._thread_s = thread_s
        self.owner: Callable[[asyncio.Task[Any]], None] | None = None
        self.cut_off: Callable[[], Callable[[], bool]] = lambda: lambda: False
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]  # typeshed: a protocol with a type variable

    def time(self) -> float:
        return self._now

    # --- callbacks ------------------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]  # typeshed ties arguments to the callback
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # typeshed ties arguments to the callback
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> TimerHandle:
        handle = TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_later(  # type: ignore[override]  # typeshed ties arguments to the callback
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Run what is ready; if nothing is, let time pass until the next timer."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise Deadlock("nothing is ready and no timer is set")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _write_to_self(self) -> None:
        return

    # --- tasks and threads ----------------------------------------------------------------------------------

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        task = _NumberedTask(work, loop=loop, **more)
        task.number = next(self._numbers)
        if self.owner is not None:
            self.owner(task)
        return task

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

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`, in half the time."""
        future = self.create_future()
        self.call_at(self._now + seconds, wake, future)
        await future

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OSError("no child processes here")


def wake(future: asyncio.Future[None]) -> None:
    """Let whoever waits for `future` go on, unless it is cancelled."""
    if not future.done():
        future.set_result(None)

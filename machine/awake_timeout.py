"""Deadlines that count only the time in which this process could run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_SLICE_S = 1.0
_LATE_S = 0.5


@asynccontextmanager
async def awake_timeout(limit_s: float) -> AsyncIterator[None]:
    """`asyncio.timeout` that does not count a standstill of this process (SIGSTOP, a sleeping machine).

    After a standstill every ordinary deadline has passed, although the answer may have arrived unread. So the
    limit is counted in slices of at most a second, even if they end late. If the last one ends late, another
    slice follows, in which a waiting answer is read. Raises `TimeoutError`.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:
        slices = _Slices(loop, limit_s, expire=lambda: timeout.reschedule(loop.time()))
        slices.begin()
        try:
            yield
        finally:
            slices.cancel()


class _Slices:
    """Calls `expire` after `left_s`, counted slice by slice."""

    def __init__(self, loop: asyncio.AbstractEventLoop, left_s: float, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._left_s = left_s
        self._expire = expire
        self._may_repeat = True
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        length_s = min(_SLICE_S, self._left_s)
        self._timer = self._loop.call_later(length_s, self._end, length_s, self._loop.time() + length_s)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, length_s: float, due: float) -> None:
        self._left_s -= length_s
        if self._left_s <= 0 and self._may_repeat and self._loop.time() - due > _LATE_S:
            self._left_s, self._may_repeat = length_s, False
        if self._left_s > 0:
            self.begin()
        else:
            self._expire()

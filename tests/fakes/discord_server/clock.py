"""The fake Discord's time: real time that a test may push forward. Answers for timers only."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable


class Timer:
    """One callback waiting for a moment of the fake's time."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Never call the callback; harmless when it has already run."""
        self.cancelled = True


class Clock:
    """Unix seconds that run with the real clock; `advance` jumps ahead and fires what falls due."""

    def __init__(self) -> None:
        self._origin_s = time.time() - time.monotonic()
        self._jumped_s = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._wake: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Unix time in seconds as the fake sees it."""
        return self._origin_s + time.monotonic() + self._jumped_s

    def advance(self, seconds: float) -> None:
        """Jump ahead; timers that fall due run before this returns, earliest first."""
        self._jumped_s += seconds
        self._run_due()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` once the clock shows `when`. Needs a running event loop."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        self._arm()
        return timer

    def stop(self) -> None:
        """Forget all timers; none fires afterwards."""
        self._timers.clear()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _run_due(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()
        self._arm()

    def _arm(self) -> None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if self._timers:
            delay = max(0.0, self._timers[0][0] - self.now())
            self._wake = asyncio.get_running_loop().call_later(delay, self._run_due)

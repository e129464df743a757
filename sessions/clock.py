"""The two clocks: wall time for people, monotonic time for deadlines. Tests pass a clock of their own."""

import time
from typing import Protocol


class Clock(Protocol):
    """The source of time for the session core."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

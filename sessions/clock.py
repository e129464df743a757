"""The two clocks: wall time for what people read, a steady one for deadlines. Tests put their own here."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the core asks for the time."""

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

"""Bounds how often the same thing is logged, so that a storm of it fills no disk and hides nothing else."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

A_MINUTE = 120
"""The most records of one kind that are logged in a minute."""

_WINDOW_S = 60.0
_KINDS = 1_000


@dataclass(slots=True)
class _Count:
    """One kind's records in the window that began at `since`."""

    since: float
    logged: int = 0
    left_out: int = 0


class RateBound(logging.Filter):
    """Drops records of a kind (logger and event) above `a_minute`; the next logged one says how many.

    Errors are bounded too: the first ones tell what is wrong.
    """

    def __init__(self, a_minute: int = A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._a_minute = a_minute
        self._clock = clock
        self._counts: dict[tuple[str, str], _Count] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        # The arguments are left out: they differ between records of one kind.
        kind = (record.name, str(record.msg))
        count = self._counts.get(kind)
        left_out = 0
        if count is None or now - count.since >= _WINDOW_S:
            left_out = count.left_out if count else 0
            if count is None and len(self._counts) >= _KINDS:
                self._forget_old(now)
            count = self._counts[kind] = _Count(now)
        if count.logged >= self._a_minute:
            count.left_out += 1
            return False
        count.logged += 1
        if left_out:
            record.left_out = left_out
        return True

    def _forget_old(self, now: float) -> None:
        """Forget kinds whose window is over; if a thousand kinds are in the current window, forget them all."""
        kept = {kind: count for kind, count in self._counts.items() if now - count.since < _WINDOW_S}
        # Bounded memory: a kind that is forgotten may be logged a few times too often.
        self._counts = kept if len(kept) < _KINDS else {}

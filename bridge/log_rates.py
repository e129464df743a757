"""How often the same thing may be logged: a storm of it must fill no disk and hide nothing else."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

A_MINUTE = 120
"""Records of one kind that are logged in a minute."""

_WINDOW_S = 60.0
_KINDS = 1_000


@dataclass(slots=True)
class _Count:
    """One kind's records in the window that began at `since`."""

    since: float
    logged: int = 0
    left_out: int = 0


class RateBound(logging.Filter):
    """Leaves out records of a kind (logger and event) beyond `a_minute`; the next that is logged says how many.

    Errors count like all others: the first ones say what is wrong.
    """

    def __init__(self, a_minute: int = A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._a_minute = a_minute
        self._clock = clock
        self._counts: dict[tuple[str, str], _Count] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        # Without its arguments: they change from one record of a kind to the next.
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
        """Keep what the current windows say; of a thousand kinds in one window, nothing."""
        kept = {kind: count for kind, count in self._counts.items() if now - count.since < _WINDOW_S}
        self._counts = kept if len(kept) < _KINDS else {}

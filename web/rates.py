"""Limits of requests: at most so many in a sliding time, for each key."""

import time
from collections import deque

_MOST_KEYS = 10_000


class Rates:
    """Allows `most` acts in `within_s` seconds for each key."""

    def __init__(self, most: int, within_s: float) -> None:
        self._most = most
        self._within_s = within_s
        self._acts: dict[str, deque[float]] = {}

    def wait_s(self, key: str) -> float:
        """Count an act of `key` and return 0, or, if it is one too many, return the seconds to wait."""
        now = time.monotonic()
        self._forget(now)
        if key not in self._acts and len(self._acts) >= _MOST_KEYS:
            # The oldest key counts from zero again: many addresses must not fill the memory.
            del self._acts[next(iter(self._acts))]
        acts = self._acts.setdefault(key, deque())
        if len(acts) >= self._most:
            # A refused act is not counted: otherwise a client that retries too early would never get through.
            return max(acts[0] + self._within_s - now, 0.001)
        acts.append(now)
        return 0.0

    def forget_all(self) -> None:
        """Count from zero again, for every key."""
        self._acts.clear()

    def _forget(self, now: float) -> None:
        # All keys: a stranger who changes the key with each request must not fill the memory.
        for key in [key for key, acts in self._acts.items() if now - acts[-1] > self._within_s]:
            del self._acts[key]
        for acts in self._acts.values():
            while acts and now - acts[0] > self._within_s:
                acts.popleft()

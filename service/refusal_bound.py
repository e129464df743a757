"""The bound on audited refusals: one an hour for each person, a hundred an hour for all."""

_EVERY_MS = 3_600_000
_MOST = 100


class RefusalBound:
    """Remembers whose refusals were audited within the last hour."""

    def __init__(self) -> None:
        self._noted: dict[str, int] = {}

    def takes(self, user_id: str, now_ms: int) -> bool:
        """Return whether to audit a refusal of this person now; if so, count it."""
        # A time in the future, after the clock was set back, does not count.
        self._noted = {each: at_ms for each, at_ms in self._noted.items() if 0 <= now_ms - at_ms < _EVERY_MS}
        if user_id in self._noted or len(self._noted) >= _MOST:
            return False
        self._noted[user_id] = now_ms
        return True

"""Ids that sort by the time they were made: UUID version 7 of RFC 9562."""

import os
import threading
import time


class UuidMaker:
    """Makes lower-case UUIDv7 strings, each greater than the one before, even if the clock steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def make(self, after: str = "") -> str:
        """Return a new id: 48 bits of Unix milliseconds, then 74 random bits.

        It is also greater than `after`, an id of an earlier process: the clock may be behind it now.
        """
        random_bits = int.from_bytes(os.urandom(10), "big")
        known = _number(after) if after else 0
        with self._lock:
            # Time and random bits are one number here, without version and variant, so that +1 keeps the order.
            number = max((time.time_ns() // 1_000_000) << 74 | random_bits >> 6, self._last + 1, known + 1)
            self._last = number
        value = (
            (number >> 74) << 80 | 7 << 76 | (number >> 62 & 0xFFF) << 64 | 0b10 << 62 | number & (1 << 62) - 1
        )
        digits = f"{value:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _number(made: str) -> int:
    """Return the time and the random bits of an id as one number."""
    value = int(made.replace("-", ""), 16)
    return (value >> 80) << 74 | (value >> 64 & 0xFFF) << 62 | value & (1 << 62) - 1

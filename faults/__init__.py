"""Named places at which a test can end the process at once, as SIGKILL or a power cut would.

Every package may call `crash_point` before and after its durable steps. Normally it does nothing. If the
environment variable CLAUDE_BRIDGE_CRASH_AT said `name` or `name:nth` when the process first passed any point,
the process ends, without any clean-up, at the nth pass (default 1) of the named point.
"""

import os
from functools import cache

VARIABLE = "CLAUDE_BRIDGE_CRASH_AT"
EXIT_CODE = 137  # what a shell shows for SIGKILL


class _Armed:
    """The one point at which this process is to end, and the number of passes until then."""

    def __init__(self, wish: str) -> None:
        name, _, nth = wish.partition(":")
        self.name = name
        self.left = int(nth or 1)

    def due(self, name: str) -> bool:
        if name != self.name:
            return False
        self.left -= 1
        return self.left == 0


@cache
def _armed() -> _Armed:
    return _Armed(os.environ.get(VARIABLE, ""))


def crash_point(name: str) -> None:
    """End the process here, without clean-up, if it was started with this point armed."""
    if _armed().due(name):
        os._exit(EXIT_CODE)


def crash_in_write(name: str, descriptor: int, data: bytes) -> None:
    """Write the first half of `data` to `descriptor` and end the process, if this point is armed."""
    if _armed().due(name):
        os.write(descriptor, data[: len(data) // 2])
        os._exit(EXIT_CODE)

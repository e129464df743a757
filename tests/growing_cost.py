"""How long functions take, as ratios, so that the machine's speed does not count."""

import time
from collections.abc import Callable

LINEAR = 2.8
"""More than a linear function takes for twice the input, less than one that grows by the square."""
_TRIES = 3
_MOST_TRIES = 8


def cost_of_twice(call: Callable[[int], object], size: int) -> float:
    """Return how many times as long `call` takes for twice `size`; of each, the fastest of some tries."""
    once = twice = float("inf")
    for tried in range(1, _MOST_TRIES + 1):
        once, twice = min(once, _seconds(lambda: call(size))), min(twice, _seconds(lambda: call(2 * size)))
        # A busy machine has slow moments; what grows by the square is slow in all of them.
        if tried >= _TRIES and twice < LINEAR * once:
            break
    return twice / once


def times_as_long(call: Callable[[], object], plain: Callable[[], object]) -> float:
    """Return how many times as long as `plain` the other call takes; of each, the fastest of three."""
    return min(_seconds(call) for _ in range(3)) / min(_seconds(plain) for _ in range(3))


def _seconds(call: Callable[[], object]) -> float:
    begun = time.thread_time()
    call()
    return time.thread_time() - begun

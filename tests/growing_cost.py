"""How long functions take, as ratios, so that the machine's speed does not count."""

import time
from collections.abc import Callable

LINEAR = 2.8
"""More than a linear function takes for twice the input, less than one that grows by the square."""
_TRIES = 5


def cost_of_twice(call: Callable[[int], object], size: int) -> float:
    """Return how many times as long `call` takes for twice `size`: the least of some tries."""
    least = float("inf")
    for _ in range(_TRIES):
        least = min(least, _seconds(lambda: call(2 * size)) / _seconds(lambda: call(size)))
        if least < LINEAR:
            break
    return least


def times_as_long(call: Callable[[], object], plain: Callable[[], object]) -> float:
    """Return how many times as long as `plain` the other call takes; of each, the fastest of three."""
    return min(_seconds(call) for _ in range(3)) / min(_seconds(plain) for _ in range(3))


def _seconds(call: Callable[[], object]) -> float:
    begun = time.thread_time()
    call()
    return time.thread_time() - begun

"""The machine under the simulation: its randomness, clocks and disk space come from the seed."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from sessions.machine_reserve import MachineReserve

EPOCH_MS = 1_800_000_000_000


def wall_ms(now_s: float) -> int:
    """The wall clock at a time of the loop."""
    return EPOCH_MS + int(now_s * 1000)


@contextmanager
def determined(seed: int, now_s: Callable[[], float]) -> Iterator[None]:
    """Inside, everything random follows from `seed`, and the wall clock is the loop's."""
    chance = random.Random(f"machine {seed}")
    state = random.getstate()
    random.seed(f"pauses {seed}")
    with ExitStack() as stack:
        stack.callback(random.setstate, state)
        stack.enter_context(patch.object(os, "urandom", chance.randbytes))
        stack.enter_context(patch.object(random, "_urandom", chance.randbytes))
        stack.enter_context(patch.object(time, "time_ns", lambda: wall_ms(now_s()) * 1_000_000))
        yield


class SimulatedClock:
    """Both clocks of the core, on the loop's time."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s

    def now_ms(self) -> int:
        return wall_ms(self._now_s())

    def monotonic(self) -> float:
        return self._now_s()


class SimulatedResources(MachineReserve):
    """A machine with room, but while `is_short` says that it has none."""

    def __init__(self, is_short: Callable[[], bool]) -> None:
        object.__setattr__(self, "_is_short", is_short)
        object.__setattr__(self, "look_again_s", 5.0)

    def memory_shortage(self) -> str:
        return ""

    def needs_memory(self) -> bool:
        return False

    def disk_shortage(self) -> str:
        return "The disk is full in the simulation." if self._is_short() else ""  # type: ignore[attr-defined]  # set above

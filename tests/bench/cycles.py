"""Whether anything stays behind: sessions made, prompted and cleared again and again in one process."""

import asyncio
import gc
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from unittest.mock import patch

from sessions import loaded_sessions
from sessions.session import Session
from storage import Statement
from tests.bench.figures import Figure
from tests.bench.processes import resident_mb
from tests.sessions.running_core import RunningCore, running_core

_AT_ONCE = 3
# What Python, SQLite and the standard library keep by themselves is there by then.
_WARM_UP = 3
_QUIET_LOOKS = 5
_COUNTED = {"aiosqlite", "asyncio", "_asyncio", "backends", "machine", "sessions", "storage"}


@dataclass(frozen=True, slots=True)
class Held:
    """The objects, tasks and descriptors that this process holds."""

    kinds: Counter[str]
    tasks: int
    descriptors: int

    @property
    def objects(self) -> int:
        return self.kinds.total()


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Objects, tasks and descriptors after cycles, against before. Takes some 40 s, short some 15 s."""
    cycles = 3 if short else 30
    with patch.multiple(loaded_sessions, CACHED_SESSIONS=0, _LOOK_EVERY=0):
        return await measure_cycles(directory, cycles)


async def measure_cycles(directory: Path, cycles: int) -> list[Figure]:
    async with running_core(directory) as core:
        stays = await core.session()
        for _ in range(_WARM_UP):
            await cycle(core)
        before, resident, begun = await held(core, stays), resident_mb(), time.monotonic()
        for _ in range(cycles):
            await cycle(core)
        after, grown_mb = await held(core, stays), resident_mb() - resident
        minutes = (time.monotonic() - begun) / 60
    name = f"after {cycles * _AT_ONCE} sessions"
    more = ", ".join(f"{count} {kind}" for kind, count in (after.kinds - before.kinds).most_common(5))
    objects = after.objects - before.objects
    return [
        Figure(f"objects left {name}", objects, "", at_most=0, note=more if objects > 0 else ""),
        Figure(f"tasks left {name}", after.tasks - before.tasks, "", at_most=0),
        Figure(f"descriptors left {name}", after.descriptors - before.descriptors, "", at_most=0),
        Figure(f"memory grown {name}, in {minutes:.1f} min", grown_mb, "MB"),
    ]


async def soak(directory: Path, minutes: float) -> list[Figure]:
    """How fast memory grows while sessions are made, prompted and cleared without a pause.

    The first half does not count: Python's and SQLite's caches fill in it.
    """
    seconds, resident = [], []
    async with running_core(directory) as core:
        begun = time.monotonic()
        while (passed_s := time.monotonic() - begun) < minutes * 60:
            await cycle(core)
            if passed_s > minutes * 30:
                gc.collect()
                seconds.append(passed_s)
                resident.append(resident_mb())
    slope, _ = linear_regression(seconds, resident)
    return [
        Figure(f"memory slope, last half of {minutes:g} min of new sessions", slope * 3600, "MB/h", at_most=1)
    ]


async def cycle(core: RunningCore) -> None:
    """Some sessions from the first prompt to the end, beside each other."""

    async def live() -> None:
        session = await core.session()
        await core.ask(session, "demo:text a short answer")
        await core.manager.clear_session(session.id)

    await asyncio.gather(*(live() for _ in range(_AT_ONCE)))


async def held(core: RunningCore, stays: Session) -> Held:
    """Count after garbage collection, once the numbers stay the same."""
    found, quiet = look(), 0
    while quiet < _QUIET_LOOKS:
        await asyncio.sleep(0.1)
        # The writer holds on to what it wrote last, and the cache is cleaned when somebody asks.
        await core.db.write([Statement("SELECT 1")])
        await core.manager.get_session(stays.id)
        now = look()
        quiet = quiet + 1 if now == found else 0
        found = now
    return found


def look() -> Held:
    gc.collect()
    kinds = Counter(
        kind.__qualname__
        for each in gc.get_objects()
        # The loop keeps the handle of a deadline that was kept until its time: it holds nothing.
        if is_counted(kind := type(each)) and not (isinstance(each, asyncio.TimerHandle) and each.cancelled())
    )
    return Held(kinds, len(asyncio.all_tasks()), sum(1 for _ in Path("/proc/self/fd").iterdir()))


def is_counted(kind: type) -> bool:
    """Whether things of this kind are ours or work for us; what Python caches for itself is left out."""
    return str(kind.__module__).partition(".")[0] in _COUNTED  # of some kinds it is no string

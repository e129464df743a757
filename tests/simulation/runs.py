"""Runs seeds: one with everything that is known of it, or many of which only the failures are wanted."""

import asyncio
import gc
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from tests.simulation.judge import judge
from tests.simulation.life import Undying
from tests.simulation.loop import Deadlock, VirtualLoop
from tests.simulation.machine import determined
from tests.simulation.world import EXPECTED, Effect, World, said

_LOOK_AGAIN = 4
"""One of so many seeds ends with a life that shows everything anew: a third of a run."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a seed: broken rules (none if all is well), and every effect in order."""

    seed: int
    broken: tuple[str, ...]
    trace: tuple[Effect, ...]
    threads: tuple[tuple[str, ...], ...]
    passed_s: float
    lives: int

    @property
    def fingerprint(self) -> str:
        """Two runs of a seed have the same."""
        return blake2b("\n".join(map(said, self.trace)).encode(), digest_size=16).hexdigest()


def run_seed(seed: int, root: Path, verbose: Callable[[str], None] | None = None) -> Outcome:
    """One seed. `root` is a directory in which work directories may be made."""
    loop = VirtualLoop(lambda: world.chance.random() * 0.01)
    with determined(seed, loop.time), _quiet():
        world = World(seed, root, loop, verbose)
        with _defects(world):
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(_whole(world))
            except (Deadlock, Undying) as error:
                world.blame(type(error).__name__, error)
            finally:
                asyncio.set_event_loop(None)
                loop.close()
        for each in judge(world):
            world.blame("judged", each)
    world.database.close()
    threads = tuple(tuple(post.text for post in room.from_bot()) for room in world.chat.threads)
    return Outcome(seed, tuple(world.blamed), tuple(world.trace), threads, world.passed_s, world.lives)


async def _whole(world: World) -> None:
    await world.run()
    if world.seed % _LOOK_AGAIN == 0 and not world.blamed:
        await world.look_again()


def run_seeds(seeds: Iterable[int]) -> Iterator[Outcome]:
    """All of `seeds`; yields the outcome of each."""
    with tempfile.TemporaryDirectory(prefix="simulation") as directory:
        root = Path(directory)
        (root / "workspaces").mkdir()
        gc.collect()
        gc.freeze()
        try:
            for number, seed in enumerate(seeds):
                yield run_seed(seed, root)
                if number % 20 == 19:
                    gc.collect()
        finally:
            gc.unfreeze()


# --- surroundings ------------------------------------------------------------------------------------------


@contextmanager
def _quiet() -> Iterator[None]:
    """No collection at a moment that is not the seed's."""
    was = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            # Of a task that is cancelled before its first step.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            yield
    finally:
        if was:
            gc.enable()


class _Defects(logging.Handler):
    """Blames what the bot logs as a defect of its own."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        ours = record.name.partition(".")[0] in ("bot", "sessions", "storage", "asyncio")
        is_defect = not isinstance(error, EXPECTED) if error is not None else record.levelno >= logging.ERROR
        if ours and is_defect:
            self._world.blame("logged", f"{record.name}: {record.getMessage()} {error!r}")


@contextmanager
def _defects(world: World) -> Iterator[None]:
    """Hand log records to the judge and to nobody else inside the block."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [_Defects(world)]
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)

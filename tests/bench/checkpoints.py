"""Checkpoints of generated files: CPU time of ours and of git on the same files, in turns, the best of each.

`git status` of a side repository is the floor: git has to look at every file for it, as a checkpoint does.
"""

import asyncio
import os
import random
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.bench.figures import Figure
from workdirs.model import Caps, Snapshot
from workdirs.plan import plan_restore
from workdirs.restoring import apply_restore, look_up
from workdirs.snapshot import SnapshotWish, take_snapshot
from workdirs.store import Store

_STATUS = "git status of a side repository"
_SECONDS = "CPU s"
_A_DIRECTORY = 40
_MORE, _MANY_MORE = 30, 300
_MEMORY = Path("/dev/shm")
_NEEDED_BYTES = 2 * 2**30


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Ratios of CPU time and of disk.

    On a file system in memory where there is one: ext4 makes every new file pay for those that anybody on
    the machine deleted in the last minutes, which has no part in the ratio.
    """
    with in_memory(directory) as place:
        return await asyncio.to_thread(_measure, place, 1_000 if short else 20_000, 2 if short else 5)


@contextmanager
def in_memory(directory: Path) -> Iterator[Path]:
    """Yield a directory on a file system in memory. Without one, or with too little room, yield `directory`."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _NEEDED_BYTES:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="bridge-bench-", dir=_MEMORY) as place:
        yield Path(place)


class _Bench:
    """A work tree of generated files, its store, and side repositories of plain git."""

    def __init__(self, directory: Path, files: int) -> None:
        self.root = directory / "work"
        self.directory = directory
        self.store = Store(directory / "store")
        self.numbers = count()
        self.paths = [self.root / f"d{number // _A_DIRECTORY}" / f"f{number}.py" for number in range(files)]
        chance = random.Random(1)
        for number, path in enumerate(self.paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"line {chance.random()} of {number}\n" for _ in range(90)))

    def take(self) -> Snapshot:
        name = f"c{next(self.numbers)}"
        return take_snapshot(
            SnapshotWish(self.store.directory, self.root, "main", name, "", 1_700_000_000, Caps())
        )

    def change(self, files: int) -> None:
        for path in self.paths[:files]:
            path.write_text(f"changed {next(self.numbers)}\n")

    def restore(self, target: Snapshot) -> None:
        """A restore as people get it: the safety checkpoint before, and the one that verifies after."""
        now = self.take()
        plan = plan_restore(look_up(self.store, self.root, now.commit, target.commit), None)
        applied = apply_restore(self.store, self.root, "main", plan, "t")
        assert not applied.left
        assert self.take().tree == target.tree

    def git(self, side: str, *arguments: str) -> None:
        places = (f"--git-dir={self.directory / side}", f"--work-tree={self.root}")
        environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0")
        subprocess.run(
            ["git", *identity, *places, *arguments], env=environment, check=True, capture_output=True
        )


def _measure(directory: Path, files: int, rounds: int) -> list[Figure]:
    bench = _Bench(directory, files)
    first, first_of_git = _first(bench)
    figures = [
        Figure("first checkpoint", first, _SECONDS, first_of_git, "git add and write-tree", at_most=2),
        *_disk(bench),
    ]
    bench.git("side", "commit", "-qm", "all")
    target = bench.take()
    unchanged, ten, ten_back, status = [], [], [], []
    for _ in range(rounds):
        status.append(_cpu(lambda: bench.git("side", "status")))
        unchanged.append(_cpu(bench.take))
        bench.change(10)
        ten.append(_cpu(bench.take))
        ten_back.append(_cpu(lambda: bench.restore(target)))
    floor = min(status)
    figures += [
        Figure("checkpoint, nothing changed", min(unchanged), _SECONDS, floor, _STATUS, at_most=5),
        Figure("checkpoint, 10 files changed", min(ten), _SECONDS, floor, _STATUS, at_most=6),
        Figure("restore of 10 files, verified", min(ten_back), _SECONDS, floor, _STATUS, at_most=12),
    ]
    half = files // 2
    bench.change(half)
    back = _cpu(lambda: bench.restore(target))
    added = _cpu(lambda: bench.git("side", "worktree", "add", "-q", "--detach", str(directory / "linked")))
    name = f"restore of {half:,} files, verified"
    figures.append(Figure(name, back, _SECONDS, added, "git worktree add", at_most=3))
    figures.append(_growth(bench, _MORE if rounds < 5 else _MANY_MORE))
    return figures


def _first(bench: _Bench) -> tuple[float, float]:
    """CPU seconds of the first checkpoint, and of git for the same."""
    bench.git("side", "init", "-q")

    def add() -> None:
        bench.git("side", "add", "-A")
        bench.git("side", "write-tree")

    return _cpu(bench.take), _cpu(add)


def _disk(bench: _Bench) -> list[Figure]:
    ours, loose = bench.store.size(), Store(bench.directory / "loose")
    loose.directory.mkdir()
    shutil.copytree(bench.directory / "side" / "objects", loose.git_dir / "objects")
    number = sum(path.is_file() for path in (bench.store.git_dir / "objects").rglob("*"))
    return [
        Figure("disk of the first", ours / 2**20, "MB", loose.size() / 2**20, "git add", at_most=0.35),
        Figure("objects left: files of the first", number, "", at_most=10),
    ]


def _growth(bench: _Bench, more: int) -> Figure:
    """The store after many checkpoints, packed, against the first one packed."""
    with bench.store.locked():
        bench.store.pack()
    first = bench.store.size()
    for _ in range(more):
        bench.change(5)
        bench.take()
    with bench.store.locked():
        bench.store.pack()
    name = f"disk of {more} more checkpoints of 5 files, packed"
    return Figure(name, bench.store.size() / 2**20, "MB", first / 2**20, "before them", at_most=1.5)


def _cpu(work: Callable[[], object]) -> float:
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    ours, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ours.ru_utime + ours.ru_stime + children.ru_utime + children.ru_stime

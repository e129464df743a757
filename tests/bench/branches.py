"""Branches with files of their own, and previews of merges, against the git commands that do a part of it."""

import random
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.checkpoints import in_memory
from tests.bench.figures import Figure
from tests.workdirs.desk import Desk
from tests.workdirs.pair import Pair
from workdirs.merging import preview_merge

_Clock = Callable[[Callable[[], object]], float]
_A_DIRECTORY = 40
_CHANGED = 10


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Ratios of CPU time, or where people wait of time, the best of some rounds, each round in turns with git.

    Short, it is CPU time everywhere: a busy machine holds up the several processes of a preview more than one.

    On a file system in memory where there is one, for the reason that `tests/bench/checkpoints.py` gives. The
    repository is packed, as after a clone: git reads loose objects at twice the cost.
    """
    with in_memory(directory) as place:
        return _measure(place, 2_000, 3, _cpu_ms) if short else _measure(place, 20_000, 5, _time_ms)


def _measure(directory: Path, files: int, rounds: int, preview_ms: _Clock) -> list[Figure]:
    desk = Desk(directory)
    desk.git("init", "-q")
    desk.git("config", "gc.auto", "0")  # it would pack in the background, in the middle of a round
    chance = random.Random(1)
    for number in range(files):
        lines = (f"line {chance.random()} of {number}\n" for _ in range(90))
        desk.write(f"d{number // _A_DIRECTORY}/f{number}", "".join(lines))
    pair = Pair(desk, a="1\n")
    desk.git("repack", "-a", "-d", "-q")
    for number in range(_CHANGED):
        (pair.child / f"d{number}" / f"f{number * _A_DIRECTORY}").write_text(f"changed {number}\n")
        desk.write(f"d{number}/f{number * _A_DIRECTORY + 1}", "dirty\n")
        desk.write(f"new{number}")
    pair.commit(pair.child, "changes")
    desk.take()
    best = dict.fromkeys(("added", "branched", "merged", "previewed"), float("inf"))
    for _ in range(rounds):
        for name, ms in (
            ("added", _cpu_ms(lambda: _added(desk))),
            ("branched", _cpu_ms(lambda: _branched(desk))),
            ("merged", preview_ms(lambda: desk.git("merge-tree", "--write-tree", "main", "bridge/try"))),
            ("previewed", preview_ms(lambda: preview_merge(pair.trial, pair.wish()))),
        ):
            best[name] = min(best[name], ms)
        _clear(desk)
    worktree, allowed = "git worktree add --detach", "3 × git merge-tree + 30 ms"
    note = f"{files:,} files"
    return [
        Figure(
            "CPU time of a dirty branch",
            best["branched"],
            "ms",
            best["added"],
            worktree,
            at_most=0.8,
            note=note,
        ),
        Figure(
            f"{'CPU time' if preview_ms is _cpu_ms else 'time'} of a preview of a merge",
            best["previewed"],
            "ms",
            3 * best["merged"] + 30,
            allowed,
            at_most=1.0,
            note=note,
        ),
    ]


def _added(desk: Desk) -> None:
    desk.git("worktree", "add", "-q", "--detach", str(desk.home / "reference"))


def _branched(desk: Desk) -> None:
    place = desk.home / ".b" / "work" / "measured"
    desk.branch(place)


def _clear(desk: Desk) -> None:
    """Remove what a round made, so that the next one finds the same."""
    shutil.rmtree(desk.home / "reference")
    shutil.rmtree(desk.home / ".b")
    desk.git("worktree", "prune")
    for branch in desk.git("for-each-ref", "--format=%(refname)", "refs/heads/bridge/measured*").split():
        desk.git("update-ref", "-d", branch)


def _cpu_ms(act: Callable[[], object]) -> float:
    """CPU time of `act`, of this process and of its children."""
    before = _cpu_s()
    act()
    return (_cpu_s() - before) * 1000


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _time_ms(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000

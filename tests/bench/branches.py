"""Branches with files of their own, and previews of merges, against the git commands that do a part of it."""

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Figure
from tests.workdirs.desk import Desk
from tests.workdirs.pair import Pair
from workdirs.directories import DirectoryWish, make_branch_directory
from workdirs.merging import preview_merge

_A_DIRECTORY = 40
_CHANGED = 10


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Ratios of CPU time and time, the best of some rounds, each round in turns with git."""
    files, rounds = (2_000, 3) if short else (20_000, 5)
    desk = Desk(directory)
    desk.git("init", "-q")
    desk.git("config", "core.fsync", "none")  # thousands of loose objects, which nothing here measures
    for number in range(files):
        desk.write(f"d{number // _A_DIRECTORY}/f{number}", f"line {number}\n" * 300)
    pair = Pair(desk, a="1\n")
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
            ("merged", _time_ms(lambda: desk.git("merge-tree", "--write-tree", "main", "bridge/try"))),
            ("previewed", _time_ms(lambda: preview_merge(pair.trial, pair.wish()))),
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
            "preview of a merge",
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
    make_branch_directory(DirectoryWish(desk.root, place, "measured", desk.store, desk.take().commit))


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

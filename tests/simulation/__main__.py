"""`python -m tests.simulation 217` replays one seed aloud; `--seeds 0-2000 [--jobs 2]` runs many."""

import argparse
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.simulation.plan import plan_of
from tests.simulation.runs import Outcome, run_seed, run_seeds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="the seed to replay")
    parser.add_argument("--seeds", help="first-last, the last one not included")
    parser.add_argument("--jobs", type=int, default=1)
    wish = parser.parse_args()
    if wish.seeds is not None:
        first, _, last = wish.seeds.partition("-")
        return _many(range(int(first), int(last)), wish.jobs)
    if wish.seed is None:
        parser.error("name a seed, or --seeds")
    return _one(wish.seed)


def _one(seed: int) -> int:
    print(plan_of(seed))
    with tempfile.TemporaryDirectory(prefix="simulation") as directory:
        (Path(directory) / "workspaces").mkdir()
        outcome = run_seed(seed, Path(directory), print)
    for number, posts in enumerate(outcome.threads, start=1):
        print(f"thread {number}", *map(_shortened, posts), sep="\n  | ")
    _say(outcome)
    print(f"seed {seed}: {len(outcome.broken)} broken, {len(outcome.trace)} lines, {outcome.fingerprint}")
    return 1 if outcome.broken else 0


def _many(seeds: range, jobs: int) -> int:
    """Run `seeds`, or as many as there are until it is interrupted."""
    began, broken, done, lives, passed_s = time.process_time(), [], 0, 0, 0.0
    try:
        for outcome in _outcomes(seeds, jobs):
            done, lives, passed_s = done + 1, lives + outcome.lives, passed_s + outcome.passed_s
            if outcome.broken:
                broken.append(outcome.seed)
                _say(outcome)
    except KeyboardInterrupt:
        print(f"interrupted after {done} seeds")
    seconds = time.process_time() - began
    print(
        f"{done} seeds, {len(broken)} broken {broken[:20]}; {lives} lives, {passed_s / 3600:.1f} hours; "
        f"{seconds:.1f} s of this process, {seconds / max(1, done) * 1000:.1f} ms a seed"
    )
    return 1 if broken else 0


def _outcomes(seeds: range, jobs: int) -> Iterable[Outcome]:
    if jobs == 1:
        yield from run_seeds(seeds)
        return
    chunks = [seeds[start : start + 100] for start in range(0, len(seeds), 100)]
    with multiprocessing.Pool(jobs) as pool:
        for chunk in pool.imap(_chunk, chunks):
            yield from chunk


def _chunk(seeds: range) -> list[Outcome]:
    return list(run_seeds(seeds))


def _shortened(text: str) -> str:
    """Its lines, with words that repeat once only."""
    return re.sub(r"(\b\w+ )\1+", r"\1… ", text).replace("\n", "\n  |   ")


def _say(outcome: Outcome) -> None:
    for each in outcome.broken:
        print(f"seed {outcome.seed}: {each}"[:1500])


if __name__ == "__main__":
    sys.exit(main())

"""Search for inputs that break something: `python -m tests.corpus --seed N --rounds M [--kind lines]`.

A finding is printed with the command that plays it again, and kept under `tests/corpus/kept`; give the file a
name that says what was wrong, repair that, and commit both.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import traceback
from pathlib import Path
from random import Random

from tests.corpus.search import MAKERS, Input, Run, judge, keep, laboratory, smaller
from tests.sessions.running_core import RunningCore

# What is stored of the rounds before makes each round a little slower.
_ROUNDS_A_LABORATORY = 2_000


async def search(kind: str, seed: str, first: int, rounds: int) -> int:
    """Play `rounds` rounds from number `first` on; keep what breaks something and return how many did."""
    found: dict[str, Path] = {}
    for begin in range(first, first + rounds, _ROUNDS_A_LABORATORY):
        with tempfile.TemporaryDirectory() as directory:
            async with laboratory(Path(directory)) as core:
                for number in range(begin, min(begin + _ROUNDS_A_LABORATORY, first + rounds)):
                    given = MAKERS[kind](Random(f"{kind} {seed} {number}"))
                    trouble = await trouble_of(core, given)
                    if trouble and trouble not in found:
                        found[trouble] = await _kept(core, given, trouble)
                        print(f"round {number}: {trouble}\n  kept as {found[trouble]}")
                        again = f"--kind {kind} --seed {seed} --first {number} --rounds 1"
                        print(f"  again: python -m tests.corpus {again}")
    return len(found)


async def trouble_of(core: RunningCore, given: Input) -> str:
    """Return the error of `given`, in the same words for the same mistake; empty if there is none."""
    try:
        await judge(core, given, Random(0))
    except Exception as error:  # whatever escapes is what we look for
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = re.sub(r"[0-9a-f-]{36}|\d+|'[^']*'", "…", str(error))[:120]
        return f"{type(error).__name__} in {place.name}: {words}"
    return ""


async def _kept(core: RunningCore, given: Input, trouble: str) -> Path:
    async def still_breaks(tried: Run) -> bool:
        return await trouble_of(core, tried) == trouble

    if isinstance(given, Run):
        given = await smaller(given, still_breaks)
    return keep(given, re.sub(r"\W+", "-", trouble).strip("-").lower()[:80])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--kind", choices=[*MAKERS, "all"], default="all")
    options = parser.parse_args()
    kinds = list(MAKERS) if options.kind == "all" else [options.kind]
    found = sum(asyncio.run(search(kind, options.seed, options.first, options.rounds)) for kind in kinds)
    print(f"{len(kinds) * options.rounds:,} rounds, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""100 seeds in the gate, 100,000 in the soak; a seed is the same whenever and wherever it runs.

One again, aloud: `python -m tests.simulation 217`. Others: `SIMULATION_SEEDS=5000-6000` for both tests.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

import pytest

from tests.simulation.runs import Outcome, run_seed, run_seeds

GATE = 100
CHUNK = 25
SOAK = 100_000
_ROOT = Path(__file__).parents[2]


def seeds(wished: str, default: range) -> range:
    """The seeds that `SIMULATION_SEEDS` names, the last one not included."""
    first, _, last = wished.partition("-")
    return range(int(first), int(last or int(first) + 1)) if wished else default


def complaint(broken: Iterable[Outcome]) -> str:
    """Return the commands that replay seeds that fail."""
    lines = [f"python -m tests.simulation {each.seed}   # {each.broken[0][:200]}" for each in broken]
    return "\n".join(["these seeds fail; replay one with:", *lines[:10]])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chunk", range(GATE // CHUNK))
def test_no_seed_breaks_a_rule(chunk: int) -> None:
    all_of_them = seeds(os.environ.get("SIMULATION_SEEDS", ""), range(GATE))
    mine = all_of_them[chunk :: GATE // CHUNK]
    broken = [each for each in run_seeds(mine) if each.broken]
    assert not broken, complaint(broken)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_no_seed_of_many_more_breaks_a_rule() -> None:
    all_of_them = seeds(os.environ.get("SIMULATION_SEEDS", ""), range(GATE, GATE + SOAK))
    chunks = [all_of_them[start : start + 250] for start in range(0, len(all_of_them), 250)]
    with ProcessPoolExecutor() as pool:
        broken = list(chain.from_iterable(pool.map(_broken, chunks)))
    assert not broken, complaint(broken)


def _broken(some: range) -> list[Outcome]:
    return [each for each in run_seeds(some) if each.broken]


@pytest.mark.parametrize("seed", [3, 44, 97])
def test_a_seed_gives_the_same_trace_twice(tmp_path: Path, seed: int) -> None:
    (tmp_path / "workspaces").mkdir()
    first, second = run_seed(seed, tmp_path), run_seed(seed, tmp_path)
    assert first.trace == second.trace
    assert len(first.trace) > 20


def test_two_seeds_give_different_traces(tmp_path: Path) -> None:
    (tmp_path / "workspaces").mkdir()
    assert run_seed(3, tmp_path).fingerprint != run_seed(44, tmp_path).fingerprint


@pytest.mark.timeout(300)
def test_a_seed_is_the_same_in_processes_whose_sets_have_another_order() -> None:
    printed = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "tests.simulation", "44"]
        ran = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True)
        printed.add(ran.stdout.splitlines()[-1])
    assert len(printed) == 1, printed

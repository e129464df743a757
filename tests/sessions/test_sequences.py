"""80 random sequences of everything that can happen to sessions, against a simple model (`sequences.py`).

One of them again, shortened if it fails: `SEQUENCE_SEED=217 pytest tests/sessions/test_sequences.py`.
More of them: `SEQUENCES=100000 pytest -m soak tests/sessions/test_sequences.py`.
"""

import os
from pathlib import Path

import pytest

from storage import Database
from tests.sessions.sequences import run_steps, shorter, steps_of

CHUNK = 40
GATE = 80


async def run_seed(db: Database, root: Path, seed: int) -> None:
    steps = steps_of(seed)
    try:
        await run_steps(db, root, str(seed), steps)
    except Exception as error:
        if "SEQUENCE_SEED" in os.environ:
            short = await shorter(db, root, f"{seed} again", steps)
            raise AssertionError(f"seed {seed} fails; so do these steps: {short}") from error
        raise AssertionError(f"seed {seed} fails; SEQUENCE_SEED={seed} shortens it") from error


@pytest.mark.parametrize("chunk", range(GATE // CHUNK))
async def test_no_sequence_diverges_from_the_model(db: Database, tmp_path: Path, chunk: int) -> None:
    named = os.environ.get("SEQUENCE_SEED")
    if named is not None:
        seeds = [int(named)] if int(named) // CHUNK % (GATE // CHUNK) == chunk else []
    else:
        seeds = list(range(chunk * CHUNK, (chunk + 1) * CHUNK))
    for seed in seeds:
        await run_seed(db, tmp_path, seed)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_no_sequence_of_many_more_diverges(db: Database, tmp_path: Path) -> None:
    for seed in range(GATE, GATE + int(os.environ.get("SEQUENCES", "100000"))):
        await run_seed(db, tmp_path, seed)

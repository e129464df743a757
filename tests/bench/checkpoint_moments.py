"""The cost of a checkpoint for the bridge meanwhile: lag of the event loop, memory, the delay of a prompt."""

import asyncio
import os
import time
from pathlib import Path
from statistics import quantiles

from tests.bench.figures import Figure
from tests.bench.loop_lag import loop_lag
from tests.workdirs.ledger import Ledger, open_ledger
from workdirs.checkpoint_model import Reason

_SMALL, _LARGE = 1_900, 20_000  # a small tree is looked at in a thread, a large one in a process
_A_DIRECTORY = 40
_QUIET_S = 2.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Lag, memory and delay, with 10 changed files each time; the delay without a change."""
    rounds = 3 if short else 20
    figures = []
    for files in (_SMALL, _LARGE if not short else 2_000):
        async with open_ledger(directory / str(files)) as ledger:
            await asyncio.to_thread(_write, ledger.place.directory, files)
            await ledger.take()
            figures += await _meanwhile(ledger, files, rounds)
            if files == _SMALL:
                figures.append(await _delay(ledger, rounds))
    return figures


async def _meanwhile(ledger: Ledger, files: int, rounds: int) -> list[Figure]:
    async with loop_lag() as quiet_ms:
        await asyncio.sleep(_QUIET_S)
    before = _resident_mb()
    peak = before
    async with loop_lag() as lag_ms:
        for number in range(rounds):
            await asyncio.to_thread(_change, ledger.place.directory, number)
            taking = asyncio.create_task(ledger.take(Reason.INTERVAL))
            while not taking.done():
                peak = max(peak, _resident_mb())
                await asyncio.wait([taking], timeout=0.005)
            await taking
    # Other work on the machine delays a quiet loop, too.
    worst = max(0.0, quantiles(lag_ms, n=100)[98] - quantiles(quiet_ms, n=100)[98])
    note = f"{files:,} files, 10 changed"
    return [
        Figure(
            "lag of the event loop meanwhile, p99, beyond that of a quiet one",
            worst,
            "ms",
            at_most=20,
            note=note,
        ),
        Figure("memory of the bridge meanwhile", peak - before, "MB", at_most=5, note=note),
    ]


async def _delay(ledger: Ledger, rounds: int) -> Figure:
    """How long a prompt waits for its checkpoint: the median, nothing changed."""
    took_ms = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ledger.take(Reason.BEFORE_PROMPT)
        took_ms.append((time.perf_counter() - began) * 1000)
    median = sorted(took_ms)[len(took_ms) // 2]
    return Figure("delay of a prompt by its checkpoint", median, "ms", at_most=150, note=f"{_SMALL:,} files")


def _write(root: Path, files: int) -> None:
    for number in range(files):
        path = root / f"d{number // _A_DIRECTORY}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"line {number}\n" * 200)


def _change(root: Path, number: int) -> None:
    for each in range(10):
        (root / f"d{each}" / f"f{each * _A_DIRECTORY}").write_text(f"changed {number}\n")


def _resident_mb() -> float:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    # Without what is shared: a thread of git's start maps nothing of its own.
    return (int(pages[1]) - int(pages[2])) * _PAGE / 2**20

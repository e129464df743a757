"""`python -m tests.bench [--short] [--write] [--only PART …]`: measure, and print one table.

`--write` puts the table into docs/benchmarks.md. Exit code 1 if a ratio misses its goal.
"""

import argparse
import asyncio
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import cycles, hosts, memory, polling, real_cli, start, store, stream, view
from tests.bench.figures import Figure, table

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
Part = Callable[[Path, bool], Awaitable[list[Figure]]]
PARTS: Mapping[str, Part] = {
    "turns": lambda directory, short: real_cli.measure(directory, short=short),
    "stream": lambda directory, short: stream.measure(directory, short=short),
    "many": lambda directory, short: stream.measure_many(directory, short=short),
    "view": lambda directory, short: view.measure(directory, short=short),
    "polling": lambda directory, short: polling.measure(directory, short=short),
    "hosts": lambda directory, _: hosts.measure(directory),
    "memory": lambda directory, short: memory.measure(directory, short=short),
    "start": lambda directory, short: start.measure(directory, short=short),
    "live": lambda directory, short: start.measure_live(directory, short=short),
    "store": lambda directory, short: store.measure(directory, short=short),
    "cycles": lambda directory, short: cycles.measure(directory, short=short),
}


async def measure(parts: Sequence[str], *, short: bool) -> list[Figure]:
    """The figures of `parts`, each in a directory of its own that is removed. Says on stderr how far it is."""
    figures: list[Figure] = []
    for part in parts:
        directory = Path(tempfile.mkdtemp(prefix="bridge-bench-"))
        begun = time.monotonic()
        print(f"{part} …", end=" ", file=sys.stderr, flush=True)
        try:
            figures += await PARTS[part](directory, short)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return figures


def page(figures: Sequence[Figure]) -> str:
    """docs/benchmarks.md."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"  # without its builder's name
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {kernel}, {versions}"
    measured = f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine}."
    return f"""\
# Benchmarks

Written by `python -m tests.bench --write`; `make bench` prints the table.
{measured}

A ratio is ours by a floor that is measured in the same run, in turns with ours, so that any machine can judge
it; the gate asserts it (`tests/bench/test_ratios.py`). Figures without a floor are goals, and the table says
whether they are met here. What is measured, and how, is said in `tests/bench/`.

{table(figures)}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the bridge.")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="fewer rounds, as the gate runs it")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, too")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.only or list(PARTS), short=options.short))
    print(table(figures))
    if options.write:
        PAGE.write_text(page(figures), encoding="utf-8")
    return 0 if all(figure.met for figure in figures if figure.floor) else 1


if __name__ == "__main__":
    sys.exit(main())

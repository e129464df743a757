"""`python -m tests.bench [--short] [--write] [--only PART …] [--soak MINUTES]`: measure, and print one table.

`--write` puts the table into docs/benchmarks.md. The last lines say which goals
were missed. Exit code 1 if a ratio misses its goal by more than the gate allows, or a part breaks.
"""

import argparse
import asyncio
import logging
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench import (
    archives,
    branches,
    checkpoint_moments,
    checkpoints,
    cycles,
    hosts,
    mcp_calls,
    memory,
    polling,
    real_cli,
    sandbox,
    staleness,
    start,
    store,
    stream,
    view,
    web,
    web_browser,
    workflows,
)
from tests.bench.figures import Figure, table, verdict
from tests.fakes.cli_home import cli_binary

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
Part = Callable[[Path, bool], Awaitable[list[Figure]]]
PARTS: Mapping[str, Part] = {
    "turns": lambda directory, short: real_cli.measure(directory, short=short),
    "sandbox": lambda directory, short: sandbox.measure(directory, short=short),
    "stream": lambda directory, short: stream.measure(directory, short=short),
    "many": lambda directory, short: stream.measure_many(directory, short=short),
    "view": lambda directory, short: view.measure(directory, short=short),
    "web": lambda directory, short: web.measure(directory, short=short),
    "web browser": lambda directory, short: web_browser.measure(directory, short=short),
    "staleness": lambda directory, short: staleness.measure(directory, short=short),
    "polling": lambda directory, short: polling.measure(directory, short=short),
    "hosts": lambda directory, _: hosts.measure(directory),
    "memory": lambda directory, short: memory.measure(directory, short=short),
    "start": lambda directory, short: start.measure(directory, short=short),
    "identify": lambda directory, short: start.measure_identify(directory, short=short),
    "live": lambda directory, short: start.measure_live(directory, short=short),
    "store": lambda directory, short: store.measure(directory, short=short),
    "checkpoints": lambda directory, short: checkpoints.measure(directory, short=short),
    "checkpoint moments": lambda directory, short: checkpoint_moments.measure(directory, short=short),
    "branches": lambda directory, short: branches.measure(directory, short=short),
    "archives": lambda directory, short: archives.measure(directory, short=short),
    "mcp": lambda directory, short: mcp_calls.measure(directory, short=short),
    "workflows": lambda directory, short: workflows.measure(directory, short=short),
    "cycles": lambda directory, short: cycles.measure(directory, short=short),
}


async def measure(name: str, part: Part, *, short: bool) -> list[Figure]:
    """The figures of one part, in a directory of its own that is removed. Says on stderr how far it is."""
    directory = Path(tempfile.mkdtemp(prefix="bridge-bench-"))
    begun = time.monotonic()
    print(f"{name} …", end=" ", file=sys.stderr, flush=True)
    try:
        return await part(directory, short)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def _chosen(names: Sequence[str] | None, soak_minutes: float | None) -> Mapping[str, Part]:
    chosen = {name: part for name, part in PARTS.items() if not names or name in names}
    if soak_minutes:
        chosen["soak"] = lambda directory, _: cycles.soak(directory, soak_minutes)
    return chosen


_BY_HAND = "\n## Measured by hand\n"


def page(figures: Sequence[Figure]) -> str:
    """docs/benchmarks.md."""
    versions = ", ".join(
        (
            f"Python {platform.python_version()}",
            f"SQLite {sqlite3.sqlite_version}",
            f"discord.py {version('discord.py')}",
            said("tmux", "-V"),
            f"Claude Code {said(str(cli_binary()), '--version').partition(' ')[0]}",
        )
    )
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"  # without its builder's name
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {kernel}, {versions}"
    load = f"load average {os.getloadavg()[2]:.1f}"  # of the last 15 minutes, our own included
    # What people have measured otherwise stands behind the table, and stays.
    by_hand = "".join(PAGE.read_text(encoding="utf-8").partition(_BY_HAND)[1:])
    measured = f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine}; {load}."
    return f"""\
# Benchmarks

Written by `python -m tests.bench --write`; `make bench` prints the table.
{measured}

A ratio is ours by a floor that is measured in the same run, in turns with ours, so that any machine can judge
it; the gate asserts it (`tests/bench/test_ratios.py`). Figures without a floor are goals, and the table says
whether they are met here. What is measured, and how, is said in `tests/bench/`.

{table(figures)}
{by_hand}"""


def said(*argv: str) -> str:
    """Return the output of a program, without the newline."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the bridge.")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--short", action="store_true", help="fewer rounds, as the gate runs it")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="measure how fast memory grows, too")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, too")
    options = parser.parse_args()
    if options.write and (options.only or options.short):
        parser.error("the page has all figures of a long run")
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # bots are ended in the middle of requests
    figures: list[Figure] = []
    broken: list[str] = []
    for name, part in _chosen(options.only, options.soak).items():
        try:
            figures += asyncio.run(measure(name, part, short=options.short))
        except Exception:  # the others are worth their minutes
            traceback.print_exc()
            broken.append(name)
    print(table(figures))
    if options.write and not broken:
        PAGE.write_text(page(figures), encoding="utf-8")
    sentences, good = verdict(figures)
    print(f"\n{sentences}")
    if broken:
        print(f"FAILED: these parts broke, their tracebacks are above: {', '.join(broken)}.")
    return 0 if good and not broken else 1


if __name__ == "__main__":
    sys.exit(main())

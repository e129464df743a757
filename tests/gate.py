"""The gate's test run: the whole suite, then each test that failed once more, alone.

`python -m tests.gate COMMAND …` runs COMMAND, which has to pass the flags in PYTEST_FLAGS on to pytest. A
test that passes the second time is printed as `FLAKY name` with the text of its first failure, and the run
passes: the test is a bug to mend next. The run fails without a second try if a worker crashed, a file could
not be collected, pytest was interrupted, no test ran, or more than `MANY` tests failed.

As a pytest plugin (`-p tests.gate --outcomes FILE`) this file writes down how the run went.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

MANY = 10  # so many tests at once do not fail by chance
SHOWN_LINES = 40  # of a first failure: pytest has printed it whole already
COUNTED = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How one run of pytest went. `failures` holds a text for each test that failed, by node id."""

    exit_code: int
    counts: dict[str, int]
    passed: frozenset[str]
    failures: dict[str, str]
    beyond_tests: tuple[str, ...]  # crashed workers, files that could not be collected


def main(command: list[str]) -> int:
    """Run the suite by `command`, try again what failed, print what came of it, and return the exit code."""
    started = time.monotonic()
    first = run(command)
    if first is None or first.exit_code != pytest.ExitCode.TESTS_FAILED or first.beyond_tests:
        for name in first.beyond_tests if first else ():
            print(f"NOT A FAILED TEST {name}: nothing is tried again")
        return first.exit_code if first else 1
    if not 0 < len(first.failures) <= MANY:
        print(f"{len(first.failures)} tests failed: too many to have failed by chance, nothing is tried again")
        return 1
    print(f"\n{len(first.failures)} failed; each once more, alone:", flush=True)
    again = {name: run([sys.executable, "-m", "pytest", "-q", name]) for name in first.failures}
    flaky = [name for name, second in again.items() if second and passed(name, second)]
    for name in flaky:
        last_lines = "\n".join(first.failures[name].splitlines()[-SHOWN_LINES:])
        print(f"\nFLAKY {name}\n{textwrap.indent(last_lines, '    ')}")
    failed = len(first.failures) - len(flaky)
    print("\n" + closing_line(first, failed=failed, flaky=len(flaky), took_s=time.monotonic() - started))
    return 1 if failed else 0


def run(command: list[str]) -> Outcomes | None:
    """Run pytest by `command` and return how it went; None if pytest did not get as far as its summary."""
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory) / "outcomes.json"
        flags = f"-p tests.gate --outcomes {written}"
        if "pytest" in command:
            command = [*command, *flags.split()]
        subprocess.run(command, env={**os.environ, "PYTEST_FLAGS": flags}, check=False)
        if not written.exists():
            return None
        kept = json.loads(written.read_text(encoding="utf-8"))
    return Outcomes(
        kept["exit_code"],
        kept["counts"],
        frozenset(kept["passed"]),
        kept["failures"],
        tuple(kept["beyond_tests"]),
    )


def passed(name: str, second: Outcomes) -> bool:
    """Whether the test ran and passed, with its fixtures. A test that is skipped has not passed."""
    return second.exit_code == pytest.ExitCode.OK and name in second.passed


def closing_line(first: Outcomes, *, failed: int, flaky: int, took_s: float) -> str:
    """Pytest's last line for both runs together: a test that passed the second time has passed."""
    counts = {**first.counts, "failed": failed, "error": 0, "passed": first.counts.get("passed", 0) + flaky}
    told = [f"{counts[kind]} {kind}" for kind in COUNTED if counts.get(kind)]
    return f"==== {', '.join([*told, f'{flaky} flaky'])} in {took_s:.2f}s ===="


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", metavar="FILE", help="write down as JSON how each test went")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Write the outcomes. Called in the controlling process only, and not after an internal error."""
    path = config.getoption("--outcomes")
    if path is None:
        return
    stats = terminalreporter.stats
    failures: dict[str, str] = {}
    beyond_tests = []
    for report in [*stats.get("failed", []), *stats.get("error", [])]:
        # xdist reports a test whose worker died as failed in a phase "???".
        if getattr(report, "when", None) in {"setup", "call", "teardown"}:
            failures[report.nodeid] = f"{failures.get(report.nodeid, '')}{report.longreprtext}\n"
        else:
            beyond_tests.append(report.nodeid)
    kept = {
        "exit_code": int(exitstatus),
        "counts": {kind: len(stats[kind]) for kind in COUNTED if kind in stats},
        "passed": [report.nodeid for report in stats.get("passed", [])],
        "failures": failures,
        "beyond_tests": beyond_tests,
    }
    Path(path).write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

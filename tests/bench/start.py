"""How long a start takes and what it weighs: beside many stored sessions, and beside many live ones.

A start is a process of its own that opens the whole core as `python -m bridge` does, and says `ready`.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bridge.schema import schema
from sessions import events as e
from sessions.model import Lifecycle, PermissionMode, SessionId
from sessions.rows import insert_event, insert_session
from sessions.state import Snapshot, apply
from storage import Database
from tests.bench.crowd import crowd
from tests.bench.figures import Figure, median
from tests.bench.processes import cpu_s, resident_mb
from tests.bench.whole_bot import starting_bot
from tests.fakes.discord_server import FakeDiscord

ROOT = Path(__file__).parents[2]
STORED, LIVE = 100_000, (1, 50, 1_000)


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds from the spawn to `ready`, its CPU seconds, and the process's memory then."""

    seconds: float
    cpu_s: float
    megabytes: float


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Starts beside stored sessions. Takes some 20 s, short some 5 s."""
    few, many = directory / "few", directory / "many"
    stored = STORED // 20 if short else STORED
    await fill(few, 10)
    await fill(many, stored)
    floor, ours = await in_turns([few, many], 1 if short else 9, warms_up=not short)
    added_mb = _memory(ours) - _memory(floor)
    return [
        _ratio(f"start with {stored:,} stored sessions", ours, floor, "10 stored", 1.3),
        Figure(f"memory that {stored:,} stored sessions add", added_mb, "MB", at_most=8),
    ]


async def measure_identify(directory: Path, *, short: bool) -> list[Figure]:
    """The whole bot from its spawn to its IDENTIFY, beside the bare libraries. Takes 15 s, short 5 s."""
    ours, floor = [], []
    for number in range(1 if short else 9):
        floor.append(await asyncio.to_thread(_bare_libraries_cpu_s, directory))
        ours.append(await _identify_once(directory / f"bot-{number}"))
    best, other = min(each.cpu_s for each in ours) * 1000, min(floor) * 1000
    return [
        Figure("start to IDENTIFY, CPU", best, "ms", other, "import discord, aiosqlite", at_most=2),
        Figure("start to IDENTIFY", min(each.seconds for each in ours), "s", at_most=0.9),
        Figure("memory at IDENTIFY", _memory(ours), "MB", at_most=62),
    ]


async def _identify_once(directory: Path) -> Start:
    directory.mkdir()
    async with FakeDiscord() as fake:
        begun = time.perf_counter()
        async with starting_bot(directory / "data", fake, {}) as pid:
            await fake.until(lambda: fake.gateway.identifies, 60)
            return Start(time.perf_counter() - begun, cpu_s(pid), resident_mb(pid))


def _bare_libraries_cpu_s(directory: Path) -> float:
    """Return the CPU seconds of a process that only imports the libraries of every such bot."""
    before = os.times()
    code = "import discord, aiosqlite"
    subprocess.run([sys.executable, "-c", code], cwd=directory, env=environment(), check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


async def measure_live(directory: Path, *, short: bool) -> list[Figure]:
    """Starts that re-attach to live sessions in a turn. Takes some 50 s, short some 15 s."""
    figures = []
    none = directory / "none"
    await fill(none, 0)
    for count in LIVE[1:2] if short else LIVE:
        live = directory / f"live-{count}"
        async with crowd(live / "data", count, working=True):
            floor, ours = await in_turns([none, live], 1 if short else 5, warms_up=not short)
        name = f"start and re-attach with {count:,} live"
        figures.append(_ratio(name, ours, floor, "none live", {1: 1.2, 50: 1.7}.get(count)))
        if count == LIVE[-1]:
            figures.append(Figure(name, min(each.seconds for each in ours), "s", at_most=2))
            figures.append(Figure(f"memory with {count:,} live", _memory(ours), "MB"))
    return figures


def _ratio(
    name: str, ours: Sequence[Start], floor: Sequence[Start], floor_name: str, at_most: float | None
) -> Figure:
    """The best of our starts by the best of the others, in CPU time: a busy machine changes it least."""
    best, other = (min(each.cpu_s for each in kind) * 1000 for kind in (ours, floor))
    return Figure(f"{name}, CPU", best, "ms", other, floor_name, at_most=at_most)


def _memory(starts: Sequence[Start]) -> float:
    return median([each.megabytes for each in starts])


async def in_turns(directories: Sequence[Path], rounds: int, *, warms_up: bool) -> list[list[Start]]:
    """Start in each directory in turn, `rounds` times; with `warms_up` once before, which does not count."""
    taken: list[list[Start]] = [[] for _ in directories]
    for number in range(0 if warms_up else 1, rounds + 1):
        for place, directory in enumerate(directories):
            start = await asyncio.to_thread(run_once, directory)
            if number:
                taken[place].append(start)
    return taken


def run_once(directory: Path) -> Start:
    """Start the core in `directory` once and end it again; every live session must be attached to."""
    expected = len(list(directory.glob("data/run/*/1")))
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.start"],
        cwd=directory,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        said = process.stdout.readline().split()
        seconds = time.perf_counter() - begun
    assert said, f"the start in {directory.name} failed"
    assert process.returncode == 0, f"the start in {directory.name} was not what it should be"
    resident_kb, cpu_s, live = int(said[1]), float(said[2]), int(said[3])
    assert live == expected, f"{live} of {expected} sessions are live"
    return Start(seconds, cpu_s, resident_kb / 1024)


def environment() -> Mapping[str, str]:
    """Ours, with settings for a crowd."""
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "PYTHONPATH": str(ROOT),
        "CLAUDE_COMMAND": "sleep",
        "BACKEND": "pty",
        "MAX_SESSIONS": "2000",
        "MAX_SESSIONS_PER_USER": "2000",
        "MIN_FREE_MEMORY": "0M",
        "MIN_FREE_DISK": "0M",
    }


async def fill(directory: Path, count: int) -> None:
    """A data directory whose database holds `count` sessions, one in twenty not ended."""
    path = directory / "data" / "sessions.db"
    path.parent.mkdir(mode=0o700, parents=True)
    async with Database.open(path, schema()):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for number in range(count):
            session_id = SessionId(str(uuid.uuid4()))
            created = e.SessionCreated(
                f"discord:{number % 500}", f"discord:{number}", f"place {number}", "A session like others",
                "project", "/work/project", "claude-opus-5-5", PermissionMode.DEFAULT,
            )  # fmt: skip
            snapshot = apply(Snapshot(session_id), created, 1_700_000_000_000 + number)
            if number % 20:
                moved = e.LifecycleChanged(Lifecycle.PARKED, Lifecycle.ENDED, "cleared")
                snapshot = apply(snapshot, moved, 1_700_000_000_000 + number)
            for statement in (
                insert_session(snapshot),
                insert_event(session_id, 1, snapshot.created_ms, created),
            ):
                connection.execute(statement.sql, statement.params)
        connection.execute("COMMIT")


async def main() -> None:
    """Be the started process. The imports are here because they are a part of the start."""
    from bridge.ownership import OwnerKind
    from bridge.settings_loading import load_settings
    from bridge.wiring import CoreOptions, open_core

    async with open_core(load_settings(), CoreOptions(OwnerKind.SCRIPT, logs_on_stderr=False)) as core:
        cpu_s = time.process_time()
        status = Path("/proc/self/status").read_text()
        resident_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        live = sum(session.run is not None for session in core.manager.loaded())
        print("ready", resident_kb, cpu_s, live, flush=True)


if __name__ == "__main__":
    asyncio.run(main())

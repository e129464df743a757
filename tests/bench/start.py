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

from backends.auto import BackendOptions, choose_backend
from bridge.schema import schema
from sessions import events as e
from sessions.model import Lifecycle, PermissionMode, SessionId
from sessions.recovery import end_survivors
from sessions.rows import insert_event, insert_session
from sessions.state import Snapshot, apply
from storage import Database
from tests.bench.figures import Figure, median

ROOT = Path(__file__).parents[2]
SYNTHETIC_CLI = Path(__file__).with_name("synthetic_cli.sh")
STORED, LIVE = 100_000, 50


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds from the spawn to `ready`, and the process's memory then."""

    seconds: float
    megabytes: float


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """The figures of starts. Takes some 50 s, short some 20 s."""
    rounds = 3 if short else 9
    few, many = directory / "few", directory / "many"
    await fill(few, 10)
    await fill(many, STORED)
    stored = await in_turns([few, many], rounds)
    none, live = directory / "none", directory / "live"
    await fill(none, 0)
    try:
        await asyncio.to_thread(run_once, live, "launch")
        alive = await in_turns([none, live], rounds)
    finally:
        await end_hosts(live / "data" / "run")
    added_mb = _memory(stored[1]) - _memory(stored[0])
    return [
        _ratio(f"start with {STORED:,} stored sessions", stored, "10 stored", 1.3),
        Figure(f"memory that {STORED:,} stored sessions add", added_mb, "MB", at_most=8),
        _ratio(f"start with {LIVE} live sessions", alive, "none live", 1.5),
    ]


def _ratio(name: str, starts: Sequence[Sequence[Start]], floor_name: str, at_most: float) -> Figure:
    """The best of the second kind of starts by the best of the first."""
    floor, ours = (min(each.seconds for each in kind) * 1000 for kind in starts)
    return Figure(name, ours, "ms", floor, floor_name, at_most=at_most)


def _memory(starts: Sequence[Start]) -> float:
    return median([each.megabytes for each in starts])


async def in_turns(directories: Sequence[Path], rounds: int) -> list[list[Start]]:
    """Start in each directory in turn, `rounds` times; the first round warms up and does not count."""
    taken: list[list[Start]] = [[] for _ in directories]
    for number in range(rounds + 1):
        for place, directory in enumerate(directories):
            start = await asyncio.to_thread(run_once, directory, "start")
            if number:
                taken[place].append(start)
    return taken


def run_once(directory: Path, action: str) -> Start:
    """Start the core in `directory` once (`launch`: with `LIVE` new sessions) and end it again."""
    directory.mkdir(exist_ok=True)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.start", action],
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
    return Start(seconds, int(said[1]) / 1024)


def environment() -> Mapping[str, str]:
    """Ours, with settings for synthetic sessions on the PTY."""
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "PYTHONPATH": str(ROOT),
        "CLAUDE_COMMAND": str(SYNTHETIC_CLI),
        "BACKEND": "pty",
        "MAX_SESSIONS": str(LIVE + 5),
        "MAX_SESSIONS_PER_USER": str(LIVE + 5),
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


async def end_hosts(run: Path) -> None:
    options = BackendOptions(run=run, socket_name="not-used", watch=("cat",), environment={})
    backend = choose_backend("pty", options, on_fallback=print)
    await end_survivors(backend)
    await backend.close()


async def main(action: str) -> None:
    """What the started process does. Imported here: the imports are a part of the start."""
    from bridge.ownership import OwnerKind
    from bridge.settings import load_settings
    from bridge.wiring import CoreOptions, open_core

    async with open_core(load_settings(), CoreOptions(OwnerKind.SCRIPT, logs_on_stderr=False)) as core:
        if action == "launch":
            from sessions.manager import NewSession
            from sessions.prompt_queue import Sender

            sessions = [await core.manager.create_session(NewSession("ann", str(n))) for n in range(LIVE)]
            for session in sessions:
                await session.send_message("begin", sender=Sender("ann", session.id))
            for session in sessions:
                await session.until(lambda snapshot: snapshot.running is not None)
        status = Path("/proc/self/status").read_text()
        resident_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        print("ready", resident_kb, flush=True)
        if action == "start":
            live = sum(session.run is not None for session in core.manager.loaded())
            expected = LIVE if Path.cwd().name == "live" else 0
            assert live == expected, f"{live} sessions are live"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

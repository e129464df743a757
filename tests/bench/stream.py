"""From a line in an output log to an event on the bus: how long it takes, and what it costs."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asyncinotify import Inotify, Mask

from backends.log_watch import LogWatch
from backends.output_log import read_lines
from sessions.claude.parse import parse
from sessions.events import BlockAdded, Feed, Numbered, PartialText
from sessions.model import Text
from sessions.slots import Limits
from tests.bench.figures import Figure, median, percentile
from tests.bench.producer import STORED_EVERY
from tests.sessions.running_core import CoreParts, RunningCore, reached, running_core

SYNTHETIC_CLI = Path(__file__).with_name("synthetic_cli.sh")
ROOT = Path(__file__).parents[2]
SESSIONS, RATE = 50, 50
_STAMP = re.compile(r"<(\d+)>")


@dataclass(frozen=True, slots=True)
class Load:
    """What the producer writes into each log: see `producer.py`."""

    lines: int
    rate: float = RATE
    silence_s: float = 0.0


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """All figures of the stream. Takes some 15 s, short some 8 s."""
    seconds = 4 if short else 10
    busy = Load(seconds * RATE)
    async with fleet(directory / "fleet") as core:
        silent_ms = (await latencies(core, Load(40, silence_s=0.25), 1)).ms
        crowd = await latencies(core, busy, SESSIONS)
    naive_us = await immediate_json(logs_in(directory / "naive"), busy)
    tail_us = await tail_only(logs_in(directory / "tail"), busy)
    events = SESSIONS * busy.lines
    return [
        Figure("line → bus after a silence, median", median(silent_ms), "ms", at_most=5),
        Figure(f"line → bus at {SESSIONS} × {RATE} lines/s, p99", percentile(crowd.ms, 0.99), "ms", at_most=60),
        Figure(
            "tail and parse, CPU per line", tail_us, "µs", naive_us, "json.loads, woken at once", at_most=1 / 3
        ),
        Figure(
            "line → bus in all, CPU per line", crowd.cpu_s / events * 1e6, "µs", naive_us,
            "json.loads, woken at once", note="stored and published",
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long each line took, and what the whole core used meanwhile."""

    ms: list[float]
    cpu_s: float


def fleet(directory: Path) -> "RunningFleet":
    """A core with `SESSIONS` live synthetic sessions whose turn runs."""
    return RunningFleet(directory)


class RunningFleet:
    """Entered with `async with`; gives the core."""

    def __init__(self, directory: Path) -> None:
        limits = Limits(SESSIONS + 5, SESSIONS + 5)
        self._core = running_core(directory, CoreParts(command=SYNTHETIC_CLI), limits=limits)

    async def __aenter__(self) -> RunningCore:
        core = await self._core.__aenter__()
        sessions = [await core.session(channel=str(n)) for n in range(SESSIONS)]
        for session in sessions:
            await core.say(session, "begin")
            await reached(session, lambda snapshot: snapshot.running is not None)
        return core

    async def __aexit__(self, *error: object) -> None:
        await self._core.__aexit__(None, None, None)


async def latencies(core: RunningCore, load: Load, count: int) -> Latencies:
    """Let `count` sessions print, and time every line on its way to a subscriber of all sessions."""
    logs = sorted(core.run.glob("*/1/output.ndjson"))[:count]
    subscription = core.manager.bus.subscribe(None)
    # A delta whose block ends before the next poll is never shown: the whole block is.
    blocks = load.lines // STORED_EVERY * count
    taken: list[float] = []
    cpu_s = time.process_time()
    try:
        with producing(logs, load):
            while blocks > 0 or (load.lines < STORED_EVERY and len(taken) < load.lines * count):
                async with asyncio.timeout(30):
                    items = await subscription.take()
                now = time.monotonic_ns()
                taken += [(now - stamp) / 1e6 for stamp in stamps(items)]
                blocks -= sum(
                    isinstance(item, Numbered) and isinstance(item.event, BlockAdded) for item in items
                )
    finally:
        core.manager.bus.unsubscribe(subscription)
    return Latencies(taken, time.process_time() - cpu_s)


def stamps(items: list[Feed]) -> Iterator[int]:
    """The times that lines were written at, of all text that arrived."""
    for item in items:
        match item:
            case PartialText():
                text = item.added
            case Numbered(event=BlockAdded(block=Text(text=text))):
                pass
            case _:
                continue
        yield from map(int, _STAMP.findall(text))


@contextmanager
def producing(logs: list[Path], load: Load) -> Iterator[None]:
    """Run the producer beside the block; it has ended when the block is left."""
    argv = [sys.executable, "-m", "tests.bench.producer", str(load.lines), str(load.rate), str(load.silence_s)]
    producer = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, text=True)
    assert producer.stdin is not None
    producer.stdin.write("\n".join(map(str, logs)))
    producer.stdin.close()
    try:
        yield
    finally:
        producer.wait(30)


def logs_in(directory: Path) -> list[Path]:
    """Empty logs."""
    directory.mkdir()
    paths = [directory / f"{n}.ndjson" for n in range(SESSIONS)]
    for path in paths:
        path.touch()
    return paths


async def immediate_json(logs: list[Path], load: Load) -> float:
    """CPU µs per line of what is written first: woken at each growth, `json.loads` on every line."""
    expected, seen = lines_written(load) * len(logs), 0
    done = asyncio.Event()
    with Inotify() as inotify:
        os.set_blocking(inotify.fd, False)
        files = {inotify.add_watch(path, Mask.MODIFY): path.open("rb") for path in logs}
        torn = dict.fromkeys(files, b"")

        def read() -> None:
            nonlocal seen
            try:
                while True:
                    event = inotify.sync_get()
                    if event is None or event.watch is None:
                        return
                    *lines, torn[event.watch] = (torn[event.watch] + files[event.watch].read()).split(b"\n")
                    for line in lines:
                        json.loads(line)
                        seen += 1
            except BlockingIOError:
                if seen >= expected:
                    done.set()

        asyncio.get_running_loop().add_reader(inotify.fd, read)
        cpu_s = time.process_time()
        with producing(logs, load):
            await asyncio.wait_for(done.wait(), 120)
        cpu_s = time.process_time() - cpu_s
        asyncio.get_running_loop().remove_reader(inotify.fd)
        for file in files.values():
            file.close()
    return cpu_s / expected * 1e6


async def tail_only(logs: list[Path], load: Load) -> float:
    """CPU µs per line of our tail: `LogWatch`, `read_lines` and `parse`, nothing behind them."""
    expected = lines_written(load)
    watch = LogWatch()

    async def follow(path: Path) -> None:
        seen = 0
        async for batch in read_lines(watch, path, 0, never):
            for line in batch:
                parse(line.data)
            seen += len(batch)
            if seen >= expected:
                return

    tails = asyncio.gather(*map(follow, logs))
    cpu_s = time.process_time()
    with producing(logs, load):
        await asyncio.wait_for(tails, 120)
    cpu_s = time.process_time() - cpu_s
    watch.close()
    return cpu_s / (expected * len(logs)) * 1e6


def never(_: Callable[[], None]) -> Callable[[], None]:
    """The writer of these logs is not watched."""
    return lambda: None


def lines_written(load: Load) -> int:
    """How many lines a log gets: an end of a block is three."""
    return load.lines + 2 * (load.lines // STORED_EVERY)

"""From a line in an output log to an event on the bus: how long it takes, and what it costs."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asyncinotify import Inotify, Mask

from backends.log_watch import LogWatch
from backends.output_log import read_lines
from sessions.claude.parse import parse
from sessions.events import BlockAdded, Feed, Numbered, PartialText
from sessions.manager import SessionManager
from sessions.model import Text
from tests.bench.crowd import all_read, attached, crowd, logs_of
from tests.bench.figures import Figure, median, percentile
from tests.bench.loop_lag import loop_lag
from tests.bench.producer import STORED_EVERY

ROOT = Path(__file__).parents[2]
FEW, MANY, RATE = 50, 1000, 50
NAIVE = "json.loads, woken at once"
_STAMP = re.compile(r"<(\d+)>")
_DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Load:
    """The lines that the producer writes into each log: see `producer.py`."""

    lines: int
    silence_s: float = 0.0
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Played:
    """How long each line took to a subscriber, how late the loop was, and what the core used meanwhile."""

    ms: Sequence[float]
    lag_ms: Sequence[float]
    cpu_s: float
    wall_s: float


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Few sessions: latency, and CPU against what is written first. Takes some 25 s, short some 12 s."""
    busy = Load((3 if short else 10) * RATE)
    async with crowd(directory / "few", FEW, working=True), attached(directory / "few", FEW) as manager:
        logs = logs_of(directory / "few")
        silent = await play(manager, logs[:1], Load(10 if short else 40, silence_s=0.25))
        few = await play(manager, logs, busy)
    naive_us = await immediate_json(logs_in(directory / "naive"), busy)
    tail_us = await tail_only(logs_in(directory / "tail"), busy)
    us = few.cpu_s / (FEW * lines_written(busy)) * 1e6
    name = f"{FEW} × {RATE} lines/s"
    return [
        Figure("line → bus after a silence, median", median(silent.ms), "ms", at_most=5),
        Figure(f"line → bus at {name}, p99", percentile(few.ms, 0.99), "ms", at_most=60),
        Figure("tail and parse, CPU per line", tail_us, "µs", naive_us, NAIVE, at_most=1 / 3),
        Figure(f"line → bus at {name}, CPU per line", us, "µs", naive_us, NAIVE, at_most=1),
    ]  # fmt: skip


async def measure_many(directory: Path, *, short: bool) -> list[Figure]:
    """A thousand writing sessions (short: 100). Takes some 25 s, short some 6 s."""
    count = 100 if short else MANY
    load = Load((2 if short else 10) * RATE, at_once=2)
    naive_us = await immediate_json(logs_in(directory / "naive"), Load((2 if short else 5) * RATE))
    async with crowd(directory / "many", count, working=True), attached(directory / "many", count) as manager:
        many = await play(manager, logs_of(directory / "many"), load)
    us = many.cpu_s / (count * lines_written(load)) * 1e6
    name = f"{count:,} × {RATE} lines/s"
    return [
        Figure(f"{name}, CPU", many.cpu_s / many.wall_s, "cores", at_most=0.5),
        Figure(f"{name}, loop lag p99", percentile(many.lag_ms, 0.99), "ms", at_most=25),
        Figure(f"line → bus at {name}, median", median(many.ms), "ms"),
        Figure(f"line → bus at {name}, p99", percentile(many.ms, 0.99), "ms", at_most=500),
        Figure(f"line → bus at {name}, CPU per line", us, "µs", naive_us, f"{NAIVE}, {FEW} logs", at_most=1),
    ]  # fmt: skip


async def play(manager: SessionManager, logs: Sequence[Path], load: Load) -> Played:
    """Let the sessions of `logs` print, and time every line on its way to a subscriber of all sessions."""
    # Only text is kept: a heap of events would cost the collector more than the core does.
    taken: list[tuple[int, str]] = []
    subscription = manager.bus.subscribe(None)

    async def take() -> None:
        while True:
            items = await subscription.take()
            taken.append((time.monotonic_ns(), "".join(texts(items))))

    async with loop_lag() as lag_ms:
        taking = asyncio.create_task(take(), name="take")
        with producing(logs, load) as producer:
            # Starting the producer is not what is measured: a fork costs as much as thousands of lines.
            cpu_s, begun = time.process_time(), time.perf_counter()
            while producer.poll() is None or not all_read(manager, logs):  # noqa: ASYNC110 (no event)
                await asyncio.sleep(0.1)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - begun
        taking.cancel()
    manager.bus.unsubscribe(subscription)
    # A delta whose block ends before the next poll is never shown: the whole block is.
    ms = [(now - int(stamp)) / 1e6 for now, text in taken for stamp in _STAMP.findall(text)]
    assert ms, "nothing was published"
    return Played(ms, lag_ms, cpu_s, wall_s)


def texts(items: list[Feed]) -> Iterator[str]:
    """All text that arrived; each line's has the time that it was written at."""
    for item in items:
        match item:
            case PartialText(added=text) | Numbered(event=BlockAdded(block=Text(text=text))):
                yield text
            case _:
                pass


@contextmanager
def producing(logs: Sequence[Path], load: Load) -> Iterator["subprocess.Popen[str]"]:
    """Run the producer beside the block; it has ended when the block is left."""
    numbers = (load.lines, RATE, load.silence_s, load.at_once)
    argv = [sys.executable, "-m", "tests.bench.producer", *map(str, numbers)]
    producer = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, text=True)
    assert producer.stdin is not None
    producer.stdin.write("\n".join(map(str, logs)))
    producer.stdin.close()
    try:
        yield producer
    finally:
        producer.wait(_DEADLINE_S)


def logs_in(directory: Path) -> list[Path]:
    """Empty logs."""
    directory.mkdir()
    paths = [directory / f"{n}.ndjson" for n in range(FEW)]
    for path in paths:
        path.touch()
    return paths


async def immediate_json(logs: Sequence[Path], load: Load) -> float:
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
        with producing(logs, load):
            cpu_s = time.process_time()
            await asyncio.wait_for(done.wait(), _DEADLINE_S)
            cpu_s = time.process_time() - cpu_s
        asyncio.get_running_loop().remove_reader(inotify.fd)
        for file in files.values():
            file.close()
    return cpu_s / expected * 1e6


async def tail_only(logs: Sequence[Path], load: Load) -> float:
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
    with producing(logs, load):
        cpu_s = time.process_time()
        await asyncio.wait_for(tails, _DEADLINE_S)
        cpu_s = time.process_time() - cpu_s
    watch.close()
    return cpu_s / (expected * len(logs)) * 1e6


def never(_: Callable[[], None]) -> Callable[[], None]:
    """The writer of these logs is not watched."""
    return lambda: None


def lines_written(load: Load) -> int:
    """How many lines a log gets: an end of a block is three."""
    return load.lines + 2 * (load.lines // STORED_EVERY)

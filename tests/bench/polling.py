"""Ours beside a poller in the same run: the same lines, read from the log and scraped from panes; and idle."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.crowd import answer_greetings, attached, crowd, logs_of
from tests.bench.figures import Figure, median
from tests.bench.processes import cpu_s
from tests.bench.stream import RATE, ROOT, Load, play
from tests.bench.whole_bot import whole_bot
from tests.fakes.discord_server import FakeDiscord

WRITING, IDLE = 20, 50
POLLER = "capture-pane every 500 ms"
_IDLE_SETTLES_S = 2.0


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Writing sessions, then idle ones. Takes some 45 s, short some 20 s."""
    return [
        *await while_writing(directory / "writing", 3 if short else 10),
        *await while_idle(directory / "idle", 3 if short else 20),
    ]


async def while_writing(directory: Path, seconds: float) -> list[Figure]:
    """Both read the same lines of the same logs at the same time."""
    async with crowd(directory, WRITING, working=True), attached(directory, WRITING) as manager:
        logs = logs_of(directory)
        with panes([f"exec tail -n 0 -F {shlex.quote(str(log))}" for log in logs]) as server:
            await asyncio.sleep(1)  # for the panes to follow their logs
            polling = asyncio.create_task(poll(server, seconds))
            played = await play(manager, logs, Load(int((seconds - 1) * RATE)))
            polled = await polling
    name = f"{WRITING} × {RATE} lines/s"
    ours_cpu, theirs_cpu = played.cpu_s / seconds * 100, polled.cpu_s / seconds * 100
    return [
        Figure(
            f"{name}, line → reader, median", median(played.ms), "ms", median(polled.ms), POLLER, at_most=0.5
        ),
        Figure(f"{name}, CPU", ours_cpu, "% of a core", theirs_cpu, POLLER, at_most=0.5),
    ]


async def while_idle(directory: Path, seconds: float) -> list[Figure]:
    """The whole bot, connected to Discord, with sessions that wait for prompts."""
    data = directory / "data"
    async with (
        crowd(data, IDLE, working=False),
        FakeDiscord() as fake,
        whole_bot(data, fake, {"CLAUDE_COMMAND": "sleep"}) as pid,
    ):
        await answer_greetings(data)
        with panes(["exec cat"] * IDLE) as server:
            await asyncio.sleep(_IDLE_SETTLES_S)
            before, begun = cpu_s(pid), time.perf_counter()
            polled = await poll(server, seconds)
            ours = (cpu_s(pid) - before) / (time.perf_counter() - begun) * 100
    theirs = polled.cpu_s / seconds * 100
    name = f"{IDLE} idle sessions, CPU"
    return [
        Figure(name, ours, "% of a core", theirs, POLLER, at_most=0.1),
        Figure(f"{name} of the whole bot", ours, "% of a core", at_most=0.5),
    ]


@dataclass(frozen=True, slots=True)
class Polled:
    """CPU of a poller and of its tmux server, and the age of lines when the poller saw them."""

    cpu_s: float
    ms: Sequence[float]


@dataclass(frozen=True, slots=True)
class Server:
    """A tmux server."""

    socket_name: str
    pid: int


async def poll(server: Server, seconds: float) -> Polled:
    """Let the poller run."""
    before = cpu_s(server.pid)
    poller = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.poller", server.socket_name, str(seconds)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await poller.communicate()
    found = json.loads(said)
    return Polled(found["cpu_s"] + cpu_s(server.pid) - before, found["ms"])


@contextmanager
def panes(commands: Sequence[str]) -> Iterator[Server]:
    """A tmux server of its own with a session for each of `commands`."""
    socket_name = f"bridge-bench-{uuid.uuid4().hex[:8]}"

    def tmux(*words: str) -> str:
        argv = ["tmux", "-L", socket_name, "-f", os.devnull, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    try:
        for number, command in enumerate(commands):
            tmux("new-session", "-d", "-x", "400", "-y", "100", "-s", f"s{number}", command)
        yield Server(socket_name, int(tmux("display-message", "-p", "#{pid}")))
    finally:
        tmux("kill-server")
        sockets = Path(os.environ.get("TMUX_TMPDIR", "/tmp")) / f"tmux-{os.getuid()}"
        (sockets / socket_name).unlink(missing_ok=True)

"""The costs of a host: its own memory, and the tmux processes of a session's life."""

import asyncio
import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import machine
from backends.base import InputLine, LaunchSpec
from backends.directory import HostDirectory
from backends.host import LocalHost
from backends.local import LocalBackend
from backends.pty import PtyBackend
from backends.tmux import TmuxBackend
from tests.bench.figures import Figure

_EVENTS = 200


async def measure(directory: Path) -> list[Figure]:
    """The figures of both backends; tmux ones only where there is tmux."""
    figures = [await memory(PtyBackend(directory / "pty"), directory)]
    if shutil.which("tmux"):
        figures += await tmux_processes(directory)
    return figures


async def memory(backend: LocalBackend, directory: Path) -> Figure:
    """Shell and follower of a host, without its program, when other hosts share their pages with it."""
    hosts = [await backend.launch(_spec(directory, directory / "pty", "sleep", "1000")) for _ in range(5)]
    own: list[float] = []
    for host in hosts:
        pids = HostDirectory(directory / "pty", host.session_id, 1).pids()
        assert pids is not None
        own.append(machine.this().memory_bytes([pids.shell.pid, pids.follower.pid]) / 2**20)
    await asyncio.gather(*(host.kill(1) for host in hosts))
    await backend.close()
    return Figure("memory of a host without its program (PSS)", sum(own) / len(own), "MB", at_most=5)


async def tmux_processes(directory: Path) -> list[Figure]:
    """Processes named tmux that are started: while a host prints, and over its whole life."""
    run = directory / "tmux"
    socket_name = f"bridge-bench-{uuid.uuid4().hex[:8]}"
    with _counted(directory / "bin", socket_name) as count:
        backend = TmuxBackend(run, socket_name=socket_name, watch=("cat",))
        first = await backend.launch(_spec(directory, run, "cat"))  # the server comes with it
        before = count()
        host = await backend.launch(_spec(directory, run, "cat"))
        launched = count()
        await _print_events(host)
        printed = count()
        await host.kill(1)
        await host.wait()
        ended = count()
        await first.kill(1)
        await backend.close()
    return [
        Figure("tmux processes started per event", (printed - launched) / _EVENTS, "", at_most=0),
        Figure("tmux processes started per session life", ended - before, "", at_most=3),
    ]


async def _print_events(host: LocalHost) -> None:
    """Let `cat` print what it is sent, and read it."""
    for number in range(_EVENTS):
        await host.send(InputLine(host.input_size(), b'{"n": %d}\n' % number))
    seen = 0
    async for batch in host.lines(0):
        seen += len(batch)
        if seen >= _EVENTS:
            return


@contextmanager
def _counted(directory: Path, socket_name: str) -> Iterator[Callable[[], int]]:
    """A `tmux` first on PATH that counts its starts; gives the count. Ends the server at the end."""
    real, log, old = shutil.which("tmux") or "tmux", directory / "starts", os.environ["PATH"]
    directory.mkdir()
    shim = directory / "tmux"
    words = shlex.join([real])
    shim.write_text(f'#!/bin/sh\necho >>{shlex.quote(str(log))}\nexec {words} "$@"\n')
    shim.chmod(0o755)
    os.environ["PATH"] = f"{directory}{os.pathsep}{old}"
    try:
        yield lambda: len(log.read_text().splitlines()) if log.exists() else 0
    finally:
        os.environ["PATH"] = old
        subprocess.run([real, "-L", socket_name, "kill-server"], capture_output=True, check=False)
        sockets = Path(os.environ.get("TMUX_TMPDIR", "/tmp")) / f"tmux-{os.getuid()}"
        (sockets / socket_name).unlink(missing_ok=True)


def _spec(directory: Path, run: Path, *argv: str) -> LaunchSpec:
    session = str(uuid.uuid4())
    return LaunchSpec(session, 1, run / session / "1", argv, directory, {"PATH": os.environ["PATH"]})

"""Shared by tests of hosts: backends on a run directory of their own, launching, reading, waiting."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import machine
from backends import processes
from backends.base import Host, InputLine, LaunchSpec, OutputLine
from backends.directory import HostDirectory, HostPids
from backends.host import LocalHost
from backends.local import LocalBackend
from backends.pty import PtyBackend
from backends.tmux import TmuxBackend
from machine import ProcessId
from tests.nursery import Program, fork_program

REPOSITORY = Path(__file__).parents[2]
WATCH = ("/bin/sh", "-c", 'echo "LOOKING AT $0"; exec sleep 1000')
DEADLINE_S = 60.0
TMUX_PATIENCE_S = 60.0
"""On a busy machine tmux may answer later than the product waits before it takes the PTY."""


class Kit:
    """Backends below one directory, and everything that runs there taken down at the end."""

    def __init__(self, directory: Path) -> None:
        self.run = directory / "run"
        self.cwd = directory / "work"
        self.cwd.mkdir()
        self.socket_name = f"bridge-test-{uuid.uuid4().hex[:12]}"
        self.bot_output = directory / "bot.out"
        self._backends: list[LocalBackend] = []

    def tmux(self, watch: Sequence[str] = WATCH) -> TmuxBackend:
        backend = TmuxBackend(self.run, socket_name=self.socket_name, watch=watch)
        self._backends.append(backend)
        return backend

    def pty(self, watch: Sequence[str] = WATCH) -> PtyBackend:
        backend = PtyBackend(self.run, watch=watch)
        self._backends.append(backend)
        return backend

    def make(self, name: str) -> LocalBackend:
        return self.tmux() if name == "tmux" else self.pty()

    def spec(
        self,
        *argv: str,
        session: str | None = None,
        number: int = 1,
        environment: Mapping[str, str] | None = None,
        title: str = "a session",
    ) -> LaunchSpec:
        session = session or str(uuid.uuid4())
        return LaunchSpec(
            session_id=session,
            number=number,
            directory=self.run / session / str(number),
            argv=argv,
            cwd=self.cwd,
            environment={"PATH": os.environ["PATH"], **(environment or {})},
            title=title,
        )

    async def shell(
        self,
        backend: LocalBackend,
        script: str,
        *,
        environment: Mapping[str, str] | None = None,
        title: str = "a session",
    ) -> LocalHost:
        """Launch a host whose program is a shell script."""
        return await backend.launch(self.spec("/bin/sh", "-c", script, environment=environment, title=title))

    async def bot(self, *arguments: str, crash_at: str = "") -> Program:
        """A process that does what the bridge does, to be killed; `bot_process.py` prints to `bot_output`."""
        return await fork_program(
            "tests.backends.bot_process",
            *(str(self.run), self.socket_name, *arguments),
            environment={**os.environ, "CLAUDE_BRIDGE_CRASH_AT": crash_at},
            output=self.bot_output,
        )

    def bot_said(self) -> str:
        """The whole lines that processes of `bot` have printed."""
        text = self.bot_output.read_text()
        return text[: text.rfind("\n") + 1]

    def bot_command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.backends.bot_process", str(self.run), self.socket_name, *arguments]

    def tmux_command(self, *arguments: str) -> list[str]:
        """Lines that a tmux command prints; none if it fails."""
        done = subprocess.run(
            ["tmux", "-L", self.socket_name, *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.splitlines() if done.returncode == 0 else []

    async def take_down(self) -> None:
        """End every host, the tmux server, and this process's watches."""
        for name in ("tmux", "pty"):
            backend = self.make(name)
            for ref in await backend.survivors():
                await (await backend.attach(ref)).kill(0.2)
        for backend in self._backends:
            await backend.close()
        self.tmux_command("kill-server")
        # tmux leaves its socket behind.
        sockets = Path(os.environ.get("TMUX_TMPDIR", "/tmp")) / f"tmux-{os.getuid()}"
        (sockets / self.socket_name).unlink(missing_ok=True)
        # A follower ends when the shell has seen the program's end.
        try:
            await until(lambda: not self._followers())
        except AssertionError:
            raise AssertionError(f"a follower outlived its host: {self._followers()}") from None
        shutil.rmtree(self.run, ignore_errors=True)

    def _followers(self) -> dict[int, str]:
        """Every process that still writes to a host, with its command."""
        found = [each for path in self.run.glob("*/*/in") for each in machine.this().writing_to(path)]
        return {each.pid: machine.this().command_of(each.pid) for each in found}


def directory_of(kit: Kit, host: Host) -> HostDirectory:
    return PtyBackend(kit.run).directory_of(host.ref)


async def read_lines(host: Host, count: int, offset: int = 0) -> list[OutputLine]:
    """The next `count` lines (or all, if the host ends before)."""
    lines: list[OutputLine] = []
    async with asyncio.timeout(DEADLINE_S):
        async for batch in host.lines(offset):
            lines += batch
            if len(lines) >= count:
                break
    return lines


async def read_all(host: Host, offset: int = 0) -> list[OutputLine]:
    """All lines until the host ends."""
    async with asyncio.timeout(DEADLINE_S):
        return [line async for batch in host.lines(offset) for line in batch]


async def send_text(host: Host, text: str) -> None:
    await host.send(InputLine(host.input_size(), text.encode() + b"\n"))


async def until(claim: Callable[[], bool]) -> None:
    """Wait for what no event tells. Polls, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, "the claim did not come true"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    row = machine.this().read_process(pid)
    return row is not None and not row.zombie


async def kill_process(process: ProcessId) -> None:
    os.kill(process.pid, 9)
    await until(lambda: not processes.is_alive(process))


def pids_of(kit: Kit, host: LocalHost) -> HostPids:
    """The processes of a host that has them."""
    pids = directory_of(kit, host).pids()
    assert pids is not None
    return pids


def program_of(kit: Kit, host: LocalHost) -> ProcessId:
    """The program itself, inside of its sandbox if it has one."""
    pids = pids_of(kit, host)
    if pids.sandbox is None:
        return pids.program
    inside = processes.program_inside(pids.sandbox, machine.this().read_table())
    assert inside is not None
    return inside

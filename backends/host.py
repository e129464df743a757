"""The port's `Host` on this machine, for both backends.

It holds no state of its own that another process could not read from the host's directory. Making hosts is
`local.py`; ending their trees is `stopping.py`.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import machine
from backends import processes, spawn
from backends.base import (
    HostExit,
    HostRef,
    HostUsage,
    InputLine,
    Launched,
    LaunchFailed,
    LeftRunning,
    LogCut,
    OutputLine,
)
from backends.deaths import DeathWatch
from backends.directory import MARKER, HostDirectory, HostPids
from backends.input_log import append_missing
from backends.left_running import left_running
from backends.log_watch import LogWatch
from backends.output_log import read_lines
from backends.sandbox.model import Network
from backends.stopping import HostTree, end_left_running, end_tree, kill_now
from machine import ProcessId, ProcessRow

# The shell counts as hung if it takes longer to write the exit code after the program's death.
_EXIT_WRITTEN_S = 5.0
_TABLE_AGE_S = 0.5
_FOLLOWER_START_S = 10.0


@dataclass(slots=True)
class Watches:
    """Shared by all hosts of this process: the watchers of logs and of deaths, and a process table."""

    logs: LogWatch = field(default_factory=LogWatch)
    deaths: DeathWatch = field(default_factory=DeathWatch)
    _table: Mapping[int, ProcessRow] = field(default_factory=dict)
    _table_read_at: float = -_TABLE_AGE_S

    def process_table(self) -> Mapping[int, ProcessRow]:
        """Return the process table, at most half a second old, so that fifty hosts share one reading."""
        now = time.monotonic()
        if now - self._table_read_at >= _TABLE_AGE_S:
            self._table, self._table_read_at = machine.this().read_table(), now
        return self._table

    def close(self) -> None:
        """Let go of every watch; hosts keep running."""
        self.logs.close()
        self.deaths.close()


class Terminal(msgspec.Struct, frozen=True):
    """The terminal of one host: the command that shows it to a person, and a function that closes it."""

    hint: Callable[[], str]
    close: Callable[[], Awaitable[None]]


class LocalHost:
    """The port's `Host` for a host directory of this machine."""

    def __init__(self, directory: HostDirectory, ref: HostRef, watches: Watches, terminal: Terminal) -> None:
        self._directory = directory
        self._ref = ref
        self._watches = watches
        self._terminal = terminal
        self._feeding = asyncio.Lock()
        # Read once: of the processes in the file, only the follower is ever replaced.
        pids = directory.pids()
        self._program = pids.program if pids else None
        self._sandbox = pids.sandbox if pids else None
        # Read while the program lives: after the host's death its process session cannot be found out.
        self._session = _session_of(pids) if pids else None
        # An earlier bridge process may have frozen the host.
        self._may_be_frozen = True

    @property
    def ref(self) -> HostRef:
        return self._ref

    @property
    def session_id(self) -> str:
        return self._directory.session_id

    @property
    def number(self) -> int:
        return self._directory.number

    def launched(self) -> Launched:
        record = self._directory.launch_record()
        if record is None:
            return Launched((), Path(), "")
        return Launched(record.argv, Path(record.cwd), record.title, record.enclosure)

    async def send(self, line: InputLine) -> None:
        # Thaw first: if this process dies in between, no line is left waiting for a frozen program.
        self.thaw()
        append_missing(self._directory.input_log, line)

    def input_size(self) -> int:
        try:
            return self._directory.input_log.stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self, offset: int) -> AsyncIterator[Sequence[OutputLine]]:
        return read_lines(self._watches.logs, self._directory.output_log, offset, self._when_ended)

    def alive(self) -> bool:
        return self._program is not None and program_runs(self._program, self._sandbox)

    async def follower_died(self) -> None:
        while (pids := self._directory.pids()) and self.alive():
            await self._watches.deaths.died(pids.follower)
            # A replacement ends the old follower first. Do not report that death.
            async with self._feeding:
                replaced = self._directory.pids()
            if replaced and replaced.follower == pids.follower and self.alive():
                return
        # The program has ended, which `wait` reports. Returning here would start a follower that nobody reads.
        await asyncio.get_running_loop().create_future()

    async def feed_from(self, offset: int) -> None:
        async with self._feeding:
            # The lock is held until the new follower is recorded. Two followers write into each other's lines,
            # and one broken line ends the CLI.
            size = self.input_size()
            if offset > size:
                raise LogCut(self._directory.input_log, expected=offset, actual=size)
            if (pids := self._directory.pids()) is not None:
                await self._end_followers(pids)
            if self.alive():
                self.thaw()
                await self._start_follower(offset)

    async def kill(self, grace_s: float) -> None:
        self.thaw()
        # A stopped process keeps SIGTERM pending: without the SIGCONT above, the whole grace would pass in
        # vain.
        await end_tree(self._directory, self._watches.deaths, grace_s)
        await self._terminal.close()

    async def wait(self) -> HostExit:
        pids = self._directory.pids()
        if pids is not None:
            await self._watches.deaths.died(pids.program)
            # Only bwrap was killed: the program inside lives on, and would write to one conversation beside its
            # successor.
            if self._inside() is not None:
                await kill_now({self._sandbox} if self._sandbox else (), self._watches.deaths)
            await self._shell_ended(pids)
            # The shell ends its follower. If it was killed, `tail -f` waits for more input for ever.
            await self._end_followers(pids)
        await self._terminal.close()
        return self._directory.exit()

    def usage(self) -> HostUsage:
        pids = self._directory.pids()
        if pids is None or not self.alive():
            return HostUsage(memory_bytes=0, cpu_s=0.0, processes=0)
        table = self._watches.process_table()
        members = processes.tree(table, pids.own)
        return HostUsage(
            memory_bytes=machine.this().memory_bytes([member.pid for member in members]),
            cpu_s=sum(machine.this().cpu_s(table[member.pid]) for member in members),
            processes=len(members),
        )

    def left_running(self) -> Sequence[LeftRunning]:
        return left_running(self._directory, self._session)

    async def end_left_running(self, grace_s: float) -> None:
        await end_left_running(self._directory, self._session, self._watches.deaths, grace_s)

    async def freeze(self, if_still: Callable[[], bool]) -> bool:
        pids = self._directory.pids()
        if pids is None or not self.alive():
            return False
        # In a thread: this reads the environment of every process on the machine.
        living = await asyncio.to_thread(HostTree(self._directory).living)
        # No await from here to the signal: a line sent while the processes were looked up must prevent the
        # freeze.
        program = self._inside() if pids.sandbox else pids.program
        if program is None or living - pids.own - self._idle(program) or not self.alive() or not if_still():
            return False
        # Stop only the program: the others use no CPU time, and the shell must record the exit code.
        self._may_be_frozen = True
        machine.this().send_signal(program, signal.SIGSTOP)
        return True

    def thaw(self) -> None:
        if self._may_be_frozen and (program := self._inside() if self._sandbox else self._program):
            machine.this().send_signal(program, signal.SIGCONT)
        self._may_be_frozen = False

    def terminal_hint(self) -> str:
        return self._terminal.hint()

    def _when_ended(self, ended: Callable[[], None]) -> Callable[[], None]:
        """Call `ended` when the program is dead. By then all of its output is in the log."""
        # The launch was cut before any program ran: the log is complete as it is.
        if self._program is None:
            return asyncio.get_running_loop().call_soon(ended).cancel
        if self._sandbox is None:
            return self._watches.deaths.when_dead(self._program, ended)
        watched: list[Callable[[], None]] = []

        def bwrap_ended() -> None:
            # A killed bwrap leaves the program behind: it must not print after the log was read to its end.
            inside = self._inside()
            if inside is None or self._sandbox is None:
                ended()
                return
            machine.this().send_signal(self._sandbox, signal.SIGKILL)
            watched.append(self._watches.deaths.when_dead(inside, ended))

        watched.append(self._watches.deaths.when_dead(self._program, bwrap_ended))

        def cancel() -> None:
            for each in watched:
                each()

        return cancel

    def _inside(self) -> ProcessId | None:
        """Return the living program inside the sandbox; None without a sandbox."""
        if self._sandbox is None or not processes.is_alive(self._sandbox):
            return None
        return processes.program_inside(self._sandbox, machine.this().read_table())

    def _idle(self, program: ProcessId) -> set[ProcessId]:
        """Return the program, and the relay of its sandbox: it works only for the program."""
        record = self._directory.launch_record()
        if record is None or record.enclosure.network is Network.OPEN:
            return {program}
        relay = processes.relay_inside(program, machine.this().read_table())
        return {program, relay} if relay is not None else {program}

    async def _shell_ended(self, pids: HostPids) -> None:
        """Wait until the shell has written the exit code. A hung shell is killed."""
        try:
            async with asyncio.timeout(_EXIT_WRITTEN_S):
                await self._watches.deaths.died(pids.shell)
        except TimeoutError:
            await kill_now({pids.shell}, self._watches.deaths)

    async def _end_followers(self, pids: HostPids) -> None:
        """End every process that feeds the FIFO, recorded or not: two followers would mix their lines.

        A dying follower closes the FIFO before it is dead, so wait for the recorded one in any case.
        """
        followers = machine.this().writing_to(self._directory.fifo)
        await kill_now(followers | {pids.follower}, self._watches.deaths)

    async def _start_follower(self, offset: int) -> None:
        try:
            # Non-blocking: if the program has just died, no process reads the FIFO and opening would hang.
            fifo = os.open(self._directory.fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LaunchFailed("the follower", reason=str(error)) from error
        try:
            # The flag belongs to the open FIFO, not to us alone: `tail` would take EAGAIN of a full one for an
            # error and end.
            os.set_blocking(fifo, True)
            # `tail` counts bytes from 1.
            script = spawn.HostScript("feed", self._directory, (str(offset + 1),))
            # Nothing of the bridge's own environment: processes of the same user can read it, and it has the
            # bot's token.
            environment = {"PATH": os.defpath, MARKER: self._directory.key}
            async with asyncio.timeout(_FOLLOWER_START_S):
                await spawn.start(script, cwd=self._directory.path, environment=environment, stdout=fifo)
        except TimeoutError as error:
            # Its remaining processes hold the FIFO, so the next call finds and ends them first.
            reason = f"its shell did not come up in {_FOLLOWER_START_S:.0f} s"
            raise LaunchFailed("the follower", reason=reason) from error
        except (spawn.NotStarted, OSError) as error:
            raise LaunchFailed("the follower", reason=str(error)) from error
        finally:
            os.close(fifo)


def program_runs(program: ProcessId, sandbox: ProcessId | None) -> bool:
    """Whether a host's program runs, even if the bwrap around it was killed."""
    if processes.is_alive(program):
        return True
    if sandbox is None or not processes.is_alive(sandbox):
        return False
    return processes.program_inside(sandbox, machine.this().read_table()) is not None


def _session_of(pids: HostPids) -> int | None:
    """Return the process session of the program. In a sandbox, the sandbox's process 1 leads it."""
    if pids.sandbox is not None:
        return pids.sandbox.pid
    # By now, the pid may belong to another process: hence the comparison below.
    row = machine.this().read_process(pids.program.pid)
    return row.session if row is not None and row.process == pids.program else None

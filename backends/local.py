"""Make and find hosts on this machine: a whole backend, except for the terminal.

`tmux.py` and `pty.py` add the terminal. The host itself is the same below both, so that each can take over the
hosts of the other.
"""

import asyncio
import os
import shutil
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

import machine
from backends import spawn
from backends.base import HostGone, HostRef, LaunchFailed, LaunchSpec
from backends.directory import MARKER, HostDirectory, host_directories
from backends.host import LocalHost, Terminal, Watches, program_runs
from backends.stopping import end_tree
from faults import crash_point

_START_S = 30.0
_KILL_S = 2.0
_POLL_S = 0.02


class Terminals(Protocol):
    """The terminals of a backend's hosts."""

    async def open(self, directory: HostDirectory, title: str) -> Terminal:
        """Make the terminal of a new host. Raises `TerminalUnavailable`."""
        ...

    async def find(self, directory: HostDirectory) -> Terminal:
        """Return the terminal of a host that was made earlier, perhaps by another process. Never fails."""
        ...

    async def close(self) -> None:
        """Let go of all terminals; hosts keep running."""
        ...


class _Address(msgspec.Struct, frozen=True):
    """`HostRef.address`: relative to the run directory, so that a moved data directory stays readable."""

    session: str
    number: int


class LocalBackend:
    """The port's `Backend` on host directories below `run`, with terminals from `terminals`."""

    def __init__(self, name: str, run: Path, terminals: Terminals, watches: Watches) -> None:
        self._name = name
        self._run = run.absolute()
        self._terminals = terminals
        self._watches = watches

    @property
    def name(self) -> str:
        return self._name

    async def launch(self, spec: LaunchSpec) -> LocalHost:
        directory = self._checked(spec)
        try:
            # The record comes before any process: a bridge killed in between leaves a directory, never an
            # unnamed process.
            directory.make(spec, self._name)
        except OSError as error:
            raise LaunchFailed(spec.argv[0], reason=_cannot("make its directory", error)) from error
        crash_point("launch.after_directory")
        terminal: Terminal | None = None
        try:
            terminal = await self._terminals.open(directory, spec.title or spec.session_id)
            crash_point("launch.after_terminal")
            await self._start(directory, spec)
            crash_point("launch.after_start")
        # A cancelled launch, too: its caller has no address to end the host by.
        except BaseException:
            await self._undo(directory, terminal)
            raise
        return LocalHost(directory, self._ref(directory), self._watches, terminal)

    async def attach(self, ref: HostRef) -> LocalHost:
        directory = self.directory_of(ref)
        if not directory.path.is_dir():
            raise HostGone(f"host {directory.number} of its session left no directory")
        # A host whose starter died has no pids for a moment, and would count as ended while its program starts.
        await self._settled(directory)
        terminal = await self._terminals.find(directory)
        return LocalHost(directory, ref, self._watches, terminal)

    async def remove(self, ref: HostRef) -> bool:
        directory = self.directory_of(ref)
        pids = directory.pids()
        if pids is not None and program_runs(pids.program, pids.sandbox):
            return False
        directory.remove()
        return True

    async def survivors(self, besides: Container[HostRef] = ()) -> Sequence[HostRef]:
        others = (each for each in host_directories(self._run) if self._ref(each) not in besides)
        return [self._ref(directory) for directory in await self._living_of(others)]

    async def find(self, session_id: str, number: int) -> HostRef | None:
        try:
            directory = HostDirectory(self._run, session_id, number)
        except ValueError:
            return None
        if not self._is_ours(directory):
            return None
        await self._settled(directory)
        return self._ref(directory) if directory.was_started() else None

    async def living(self) -> list[HostDirectory]:
        """Return the directories of all hosts of this backend whose program is alive."""
        return await self._living_of(host_directories(self._run))

    async def _living_of(self, directories: Iterable[HostDirectory]) -> list[HostDirectory]:
        ours = [each for each in directories if self._is_ours(each)]
        if not all(each.was_started() for each in ours):
            # Most others remain from interrupted launches: one look at the process table checks all of them.
            shown = machine.this().values_of(MARKER)
            for directory in ours:
                if directory.key in shown:
                    await self._settled(directory)
        return [each for each in ours if (pids := each.pids()) and program_runs(pids.program, pids.sandbox)]

    def directory_of(self, ref: HostRef) -> HostDirectory:
        """Return the directory of `ref`, if it exists. Raises `HostGone` for an address that is not ours."""
        try:
            address = msgspec.json.decode(ref.address, type=_Address)
            return HostDirectory(self._run, address.session, address.number)
        except ValueError as error:
            raise HostGone(f"no host has the address {ref.address!r}") from error

    async def close(self) -> None:
        await self._terminals.close()
        self._watches.close()

    def _checked(self, spec: LaunchSpec) -> HostDirectory:
        """Return the directory that `spec` names. Raises `LaunchFailed` if the spec cannot be started."""
        if not spec.argv:
            raise LaunchFailed("nothing", reason="the command is empty")
        program = spec.argv[0]
        try:
            directory = HostDirectory(self._run, spec.session_id, spec.number)
        except ValueError as error:
            raise LaunchFailed(program, reason=str(error)) from error
        if directory.path != spec.directory.absolute():
            raise LaunchFailed(program, reason="its directory is not <run>/<session>/<number>")
        if not spec.cwd.is_dir():
            raise LaunchFailed(program, reason="the work directory does not exist")
        # The child's PATH and directory, not ours: the host's shell looks for the program there.
        where = spec.environment.get("PATH", os.defpath)
        if shutil.which(spec.cwd / program if "/" in program else program, path=where) is None:
            raise LaunchFailed(program, reason="not found, or not executable")
        return directory

    async def _start(self, directory: HostDirectory, spec: LaunchSpec) -> None:
        environment = {**spec.environment, MARKER: directory.key}
        script = spawn.HostScript("run", directory, spec.argv, prefix=spec.shell_prefix)
        try:
            async with asyncio.timeout(_START_S):
                await spawn.start(script, cwd=spec.cwd, environment=environment)
        except TimeoutError as error:
            raise LaunchFailed(spec.argv[0], reason=f"its shell did not come up in {_START_S:.0f} s") from error
        except OSError as error:
            raise LaunchFailed(spec.argv[0], reason=_cannot("start its shell", error)) from error
        except (spawn.NotStarted, ValueError) as error:
            raise LaunchFailed(spec.argv[0], reason=str(error)) from error

    async def _undo(self, directory: HostDirectory, terminal: Terminal | None) -> None:
        """Remove all traces of a launch that failed or was cancelled."""
        # The directory goes last. If a process outlives SIGKILL, this raises, and the directory still names it.
        await end_tree(directory, self._watches.deaths, _KILL_S)
        if terminal is not None:
            await terminal.close()
        directory.remove()

    def _is_ours(self, directory: HostDirectory) -> bool:
        record = directory.launch_record()
        return record is not None and record.backend == self._name

    async def _settled(self, directory: HostDirectory) -> None:
        """Wait, bounded, for the pids of a host whose starter died during the launch."""
        if directory.was_started() or not machine.this().carrying(MARKER, directory.key):
            return
        try:
            async with asyncio.timeout(_START_S):
                while directory.pids() is None and machine.this().carrying(MARKER, directory.key):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            # A shell that never records its processes cannot be attached to: nobody would ever read its
            # program's output.
            await end_tree(directory, self._watches.deaths, _KILL_S)

    def _ref(self, directory: HostDirectory) -> HostRef:
        address = _Address(directory.session_id, directory.number)
        return HostRef(self._name, msgspec.json.encode(address).decode())


def _cannot(step: str, error: OSError) -> str:
    return f"cannot {step}: {os.strerror(error.errno) if error.errno else error}"

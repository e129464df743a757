"""The backend port: make, find, feed, read and end a host.

A host is the process tree that runs one program for one session, with two append-only logs: the lines sent
to it (`input.ndjson`) and the lines that it printed (`output.ndjson`). The host outlives the bridge, which only
looks at it through this port. Nothing here knows the meaning of a line: no Claude, no Discord, no SQLite.
"""

from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from backends.sandbox.model import Access, Enclosure


class BackendError(Exception):
    """Root of all errors of a backend."""


class LaunchFailed(BackendError):
    """The host could not be made; nothing of it is left running."""

    def __init__(self, program: str, *, reason: str) -> None:
        super().__init__(f"cannot start {program}: {reason}")
        self.program = program
        self.reason = reason


class LaunchRefused(LaunchFailed):
    """A launch wrapper (`wrappers.py`) does not let this host start; `reason` is for people to read."""


class TerminalUnavailable(LaunchFailed):
    """The backend cannot make a terminal (tmux is missing, say). Another backend may still launch the host."""


class InputNotWritten(BackendError):
    """The input log took only a part of a line, or nothing. Send the same line again later.

    For example, the disk is full or this process has no file descriptor left.
    """

    def __init__(self, path: Path, *, reason: str) -> None:
        super().__init__(f"cannot write {path.name}: {reason}")
        self.path = path
        self.reason = reason


class HostGone(BackendError):
    """The host that a reference names no longer exists, and its directory is gone."""


class LogCut(BackendError):
    """A log is shorter than the part known before: somebody cut or removed the file."""

    def __init__(self, path: Path, *, expected: int, actual: int) -> None:
        super().__init__(f"{path.name} holds {actual} bytes where {expected} were known")
        self.path = path
        self.expected = expected
        self.actual = actual


class Unkillable(BackendError):
    """Processes of the host outlived SIGKILL."""

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__(f"outlived SIGKILL: {', '.join(map(str, pids))}")
        self.pids = tuple(pids)


class HostRef(msgspec.Struct, frozen=True):
    """The address of a host. `address` is JSON that only the backend named `backend` reads."""

    backend: str
    address: str


class LaunchSpec(msgspec.Struct, frozen=True):
    """The program to run, and the place of its logs.

    `directory` is the host's own directory (`<run>/<session>/<number>`). `launch` makes it, mode 0700; it must
    not exist before. `environment` is the complete environment of the child. `title` is shown to people who
    look at the terminal. `shell_prefix` is put before the host's shell, and so around the whole host. Wrappers
    may change a spec before it is launched (`wrappers.py`). `access` is what the program needs in a sandbox;
    the wrapper that makes one sets `enclosure`.
    """

    session_id: str
    number: int
    directory: Path
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    title: str = ""
    shell_prefix: tuple[str, ...] = ()
    access: Access = msgspec.field(default_factory=Access)
    enclosure: Enclosure = msgspec.field(default_factory=Enclosure)


class InputLine(msgspec.Struct, frozen=True):
    """One whole line for the host's stdin: `data` ends in a newline, `start` is its offset in the input log."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset after this line, where the next one starts."""
        return self.start + len(self.data)


class OutputLine(msgspec.Struct, frozen=True, gc=False):
    """One whole line that the host printed: `data` without its newline, `end` the offset after the newline."""

    data: bytes
    end: int


class HostUsage(msgspec.Struct, frozen=True):
    """Use of the host's process tree: proportional set size in bytes, CPU seconds, number of processes."""

    memory_bytes: int
    cpu_s: float
    processes: int


class LeftRunning(msgspec.Struct, frozen=True):
    """A process that the program's tools left running. `command` is its command line, perhaps cut."""

    pid: int
    start: str
    command: str


class HostExit(msgspec.Struct, frozen=True):
    """The end of a host: the program's exit code (negative: a signal), or None if it was not recorded."""

    code: int | None
    stderr_tail: str


class Launched(msgspec.Struct, frozen=True):
    """The facts of a host's launch, as far as its directory has them; never values of the environment."""

    argv: tuple[str, ...]
    cwd: Path
    title: str
    enclosure: Enclosure = msgspec.field(default_factory=Enclosure)


class Host(Protocol):
    """One host, alive or ended. Every method may be called again after the caller has crashed."""

    @property
    def ref(self) -> HostRef:
        """The address to store: `attach(ref)` returns this host again, even in another process."""
        ...

    @property
    def session_id(self) -> str:
        """The session that the host was launched for."""
        ...

    @property
    def number(self) -> int:
        """The host's number within its session."""
        ...

    def launched(self) -> Launched:
        """Return the facts of the launch. Fields that the directory does not have are empty."""
        ...

    async def send(self, line: InputLine) -> None:
        """Append `line` to the input log, or the part of it that is missing there.

        Idempotent: a line that is already complete is not written again. Raises `LogCut` if the log ends before
        `line.start`, `InputNotWritten` if it cannot be written now. Callers must not overlap; the log is
        never truncated. A frozen host is thawed first.
        """
        ...

    def input_size(self) -> int:
        """Bytes in the input log now."""
        ...

    def lines(self, offset: int) -> AsyncIterator[Sequence[OutputLine]]:
        """Yield the whole lines from byte `offset` on in batches, oldest first; then wait for more.

        The first line after a silence comes at once, later ones at most every 50 ms. A batch is never empty; it
        holds about 1 MiB, or one line if that is longer. Ends when the host has ended and all is read; a torn
        last line is not yielded. Raises `LogCut` if no line ends at `offset`. Cancelling loses nothing: read
        again from the last `line.end`.
        """
        ...

    def alive(self) -> bool:
        """Whether the program runs (a zombie does not). Believes a pid only with start time and boot id."""
        ...

    async def follower_died(self) -> None:
        """Return when the follower, which feeds the input log to the program, has died while the program runs.

        Never returns while both live, nor after the program has ended.
        """
        ...

    async def feed_from(self, offset: int) -> None:
        """Replace a dead follower: feed the program from byte `offset` of the input log on.

        First ends an old follower that still lives: two must never run. Thaws the host. Raises `LaunchFailed`
        if no follower can be started now (no process left, say). Then the program lives on; try again later.
        """
        ...

    async def kill(self, grace_s: float) -> None:
        """End the whole tree: TERM, after `grace_s` KILL; children with process groups of their own included.

        Returns when none of its processes runs. Raises `Unkillable` after another `grace_s`. No-op on an ended
        host. Thaws the host first: a frozen program does not get the TERM.
        """
        ...

    async def freeze(self, if_still: Callable[[], bool]) -> bool:
        """Suspend the program, so that it uses no CPU time. Return whether it is frozen now.

        Returns False and does nothing if the program has ended, if a process that it started is alive (which
        may wait for it), or if `if_still`, called last, returns False. It stays frozen when this process ends.
        """
        ...

    def thaw(self) -> None:
        """Let a frozen program run on. No-op if it runs or has ended."""
        ...

    async def wait(self) -> HostExit:
        """Wait until the program has ended for any reason, and return how."""
        ...

    def usage(self) -> HostUsage:
        """Return the present resources of the process tree; zeros once it has ended."""
        ...

    def left_running(self) -> Sequence[LeftRunning]:
        """Return the processes that the program's tools left running, oldest first, even after its end.

        Servers that the program talks to over pipes are not among them. Blocks briefly.
        """
        ...

    async def end_left_running(self, grace_s: float) -> None:
        """End the processes of `left_running` and their children: TERM, after `grace_s` KILL.

        The program itself stays. Raises `Unkillable` after another `grace_s`.
        """
        ...

    def terminal_hint(self) -> str:
        """Return the command that shows this host's terminal to a person, or an empty string."""
        ...


class Backend(Protocol):
    """A way to make, find and end hosts."""

    @property
    def name(self) -> str:
        """`tmux` or `pty`, as in `HostRef.backend`."""
        ...

    async def launch(self, spec: LaunchSpec) -> Host:
        """Start `spec.argv` detached from this process and return its host.

        On return the program has been started or has failed by itself (see `Host.wait`). Raises
        `LaunchFailed` if the host could not be made (no directory, no work directory, no such program),
        `TerminalUnavailable` if only the terminal could not. After either, nothing of the host is left.
        """
        ...

    async def attach(self, ref: HostRef) -> Host:
        """Return the host of `ref`, alive or ended. Raises `HostGone` if its directory is gone."""
        ...

    async def remove(self, ref: HostRef) -> bool:
        """Remove the files of an ended host, its logs included. Return False and remove nothing while it runs.

        No-op if they are gone already. Raises `HostGone` for an address that this backend did not make.
        """
        ...

    async def survivors(self, besides: Container[HostRef] = ()) -> Sequence[HostRef]:
        """Return every host of this backend whose program is alive, found by the directories alone.

        Hosts in `besides` are left out and not examined.
        """
        ...

    async def find(self, session_id: str, number: int) -> HostRef | None:
        """Return the session's host with this number, alive or ended; None if it was never started."""
        ...

    async def close(self) -> None:
        """Let go of all watches and terminals; hosts keep running."""
        ...

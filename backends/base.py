"""The backend port: how a host is made, found, fed, read and ended.

A host is the process tree that runs one program for one session, with two append-only logs: what was sent
to it (`input.ndjson`) and what it printed (`output.ndjson`). The host outlives the bridge; the bridge only
looks at it through this port. Nothing here knows what the lines mean: no Claude, no Discord, no SQLite.
"""

from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec


class BackendError(Exception):
    """Root of everything that a backend raises."""


class LaunchFailed(BackendError):
    """The host could not be made; nothing of it is left running."""

    def __init__(self, program: str, *, reason: str) -> None:
        super().__init__(f"cannot start {program}: {reason}")
        self.program = program
        self.reason = reason


class LaunchRefused(LaunchFailed):
    """A launch wrapper (`wrappers.py`) does not let this host start; `reason` is for people to read."""


class TerminalUnavailable(LaunchFailed):
    """The backend cannot make a place to look (no tmux, or it fails): another backend may still launch."""


class InputNotWritten(BackendError):
    """The input log took only a part of a line, or nothing: send the same line again later.

    The disk is full, say, or this process has no file descriptor left.
    """

    def __init__(self, path: Path, *, reason: str) -> None:
        super().__init__(f"cannot write {path.name}: {reason}")
        self.path = path
        self.reason = reason


class HostGone(BackendError):
    """The host that a reference names does not exist any more and left no directory."""


class LogCut(BackendError):
    """A log is shorter than what is known of it: somebody cut or removed the file."""

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


@dataclass(frozen=True, slots=True)
class HostRef:
    """Where a host lives. `address` is JSON that only the backend named `backend` reads."""

    backend: str
    address: str


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What to run, and where its logs go.

    `directory` is the host's own directory (`<run>/<session>/<number>`); it is made by `launch`, mode 0700,
    and must not exist before. `environment` is the whole environment of the child, not an addition to ours.
    `title` is shown to people who look at the terminal. `shell_prefix` comes before the host's shell, and so
    around all of the host. `wrappers.py` says who else may change a spec before it is launched.
    """

    session_id: str
    number: int
    directory: Path
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    title: str = ""
    shell_prefix: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputLine:
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


@dataclass(frozen=True, slots=True)
class HostUsage:
    """What the host's process tree uses: proportional set size in bytes, CPU seconds, number of processes."""

    memory_bytes: int
    cpu_s: float
    processes: int


class LeftRunning(msgspec.Struct, frozen=True):
    """A process that the program's tools left running. `command` is its command line, perhaps cut."""

    pid: int
    start: str
    command: str


@dataclass(frozen=True, slots=True)
class HostExit:
    """How the host ended: the program's exit code (negative: a signal), or None when nobody saw it end."""

    code: int | None
    stderr_tail: str


@dataclass(frozen=True, slots=True)
class Launched:
    """What a host was started with, as far as its directory tells: never a value of the environment."""

    argv: tuple[str, ...]
    cwd: Path
    title: str


class Host(Protocol):
    """One host, alive or ended. All methods may be called again after a crash of the caller."""

    @property
    def ref(self) -> HostRef:
        """The address to store: `attach(ref)` gives this host again, also in another process."""
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
        """What it was started with; empty fields where the directory does not tell."""
        ...

    async def send(self, line: InputLine) -> None:
        """Append `line` to the input log, or the part of it that is missing there.

        Idempotent: a line that is already whole is left alone. Raises `LogCut` if the log ends before
        `line.start`, `InputNotWritten` if it cannot be written now. Callers must not overlap; the log is
        never truncated. A frozen host is thawed first.
        """
        ...

    def input_size(self) -> int:
        """Bytes in the input log now."""
        ...

    def lines(self, offset: int) -> AsyncIterator[Sequence[OutputLine]]:
        """Yield the whole lines from byte `offset` on in batches, oldest first; then wait for more.

        The first line after a silence comes at once, what follows at most every 50 ms. A batch is never
        empty and holds about 1 MiB or one line, whichever is more. Ends when the host has ended and all is
        read; a torn last line is not yielded. Raises `LogCut` if no line ends at `offset`.
        Cancelling it loses nothing: read again from the last `line.end`.
        """
        ...

    def alive(self) -> bool:
        """Whether the program runs (a zombie does not). Believes a pid only with start time and boot id."""
        ...

    async def follower_died(self) -> None:
        """Return when the process that feeds the input log to the program has died while the program runs.

        Never returns while both live, nor after the program has ended.
        """
        ...

    async def feed_from(self, offset: int) -> None:
        """Replace a dead follower: feed the program from byte `offset` of the input log on.

        Ends an old follower that still lives first: there are never two. Thaws the host. Raises `LaunchFailed`
        if none can be started now (no process to be had, say): the program lives on, and it may be tried again.
        """
        ...

    async def kill(self, grace_s: float) -> None:
        """End the whole tree: TERM, after `grace_s` KILL; children with process groups of their own included.

        Returns when nothing of it runs. Raises `Unkillable` after another `grace_s`. Does nothing if it ended.
        Thaws the host first: a frozen program would not hear the TERM.
        """
        ...

    async def freeze(self, if_still: Callable[[], bool]) -> bool:
        """Stop the program where it stands, so that it uses no CPU time; True if it is frozen then.

        False, and nothing is done, if it has ended or has started anything that lives: that may wait for it.
        Also if `if_still`, asked in the last moment, says no. It stays frozen when this process ends.
        """
        ...

    def thaw(self) -> None:
        """Let a frozen program run on. Does nothing to one that runs or has ended."""
        ...

    async def wait(self) -> HostExit:
        """Wait until the program has ended, by itself or not."""
        ...

    def usage(self) -> HostUsage:
        """What the tree uses now; zeros once it has ended."""
        ...

    def left_running(self) -> Sequence[LeftRunning]:
        """What the program's tools started and left running, oldest first, also after the program's end.

        What the program itself speaks with (servers on its pipes) is not among them. Blocks briefly.
        """
        ...

    async def end_left_running(self, grace_s: float) -> None:
        """End what `left_running` tells of, and its children: TERM, after `grace_s` KILL. The program stays.

        Raises `Unkillable` after another `grace_s`.
        """
        ...

    def terminal_hint(self) -> str:
        """The command that shows this host's terminal to a person, or an empty string."""
        ...


class Backend(Protocol):
    """A way to make, find and end hosts."""

    @property
    def name(self) -> str:
        """`tmux` or `pty`; what `HostRef.backend` says."""
        ...

    async def launch(self, spec: LaunchSpec) -> Host:
        """Start `spec.argv` detached from this process and return its host.

        On return the program has been started or has failed by itself (see `Host.wait`). Raises
        `LaunchFailed` when the host could not be made (no directory, no work directory, no such program),
        `TerminalUnavailable` when only the place to look could not. After either nothing of it is left.
        """
        ...

    async def attach(self, ref: HostRef) -> Host:
        """The host behind `ref`, alive or ended. Raises `HostGone` if its directory is gone."""
        ...

    async def remove(self, ref: HostRef) -> bool:
        """Remove what an ended host left, its logs included; False (and nothing removed) while it runs.

        Does nothing if it is gone already. Raises `HostGone` for an address that is none of this backend's.
        """
        ...

    async def survivors(self, besides: Container[HostRef] = ()) -> Sequence[HostRef]:
        """Every host of this backend whose program is alive, found without any record but its directory.

        Those in `besides` are left out, and not looked at.
        """
        ...

    async def find(self, session_id: str, number: int) -> HostRef | None:
        """The host that was started for a session under this number, alive or ended; None if none was."""
        ...

    async def close(self) -> None:
        """Let go of all watches and terminals; hosts keep running."""
        ...

"""The port to the operating system: processes, their identity and ends, memory, and the peer of a socket.

Pid and start together identify a process. The spelling of a start differs between systems; it is compared as
text, and `backends/host.sh` spells it the same way.
"""

import signal
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import msgspec


class ProcessId(msgspec.Struct, frozen=True):
    """One process, unique since boot: the system reuses pids, but not a pid with the same start time."""

    pid: int
    start: str


class ProcessRow(msgspec.Struct, frozen=True):
    """A line of the process table. `cpu_s` is the process's own CPU time, as far as the table has it.
    `children_cpu_s` is the CPU time of children that it has waited for; 0 if the system does not tell.
    """

    process: ProcessId
    parent: int
    session: int
    zombie: bool
    cpu_s: float
    children_cpu_s: float = 0.0


class DeathDescriptor(Protocol):
    """A descriptor that becomes readable when a process dies. Its owner closes it."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Connected(Protocol):
    """A connected unix socket, as far as questions about its peer need it."""

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


class Machine(Protocol):
    """The operating system. No method waits, but one that starts a system command blocks until it is done."""

    def boot_id(self) -> str:
        """Return the id of the present boot. Pids from another boot mean nothing."""
        ...

    def kernel_version(self) -> tuple[int, int]:
        """Return the first two numbers of the kernel's version."""
        ...

    def tail(self) -> tuple[str, str]:
        """Return the `tail` program that follows an input log, and its options (one word, or empty).

        The program is a path, or a name to look up.
        """
        ...

    def start_source(self) -> str:
        """Return where `backends/host.sh` reads a process's start: the path of `ps`, or empty for `/proc`."""
        ...

    def read_process(self, pid: int) -> ProcessRow | None:
        """Return the table's line for `pid`, even of a zombie; None if there is no such process."""
        ...

    def adopt_orphans(self) -> None:
        """Make this process the parent of each descendant that loses its own, whatever that one did to hide.

        On macOS nothing happens: its kernel has no such thing.
        """
        ...

    def share_memory_of_threads(self) -> None:
        """Have all threads of this process take memory from one pool. Call it before they start.

        Only glibc gives each thread a pool of its own; elsewhere nothing happens.
        """
        ...

    def read_table(self) -> dict[int, ProcessRow]:
        """Return every process by pid, except zombies."""
        ...

    def carrying(self, variable: str, value: str) -> set[ProcessId]:
        """Return every living process with `variable=value` in its environment or arguments, except this one.

        The value must not contain white space. Some systems hide the environment of some programs.
        """
        ...

    def innermost_pid(self, pid: int) -> int:
        """Return the pid that the process has in its own pid namespace; `pid` itself if it has no other."""
        ...

    def command_of(self, pid: int) -> str:
        """Return a process's command line, words joined by spaces; empty if it has none or is gone."""
        ...

    def values_of(self, variable: str) -> set[str]:
        """Return all values of `variable` in living processes, as in `carrying`, by one look at all of them."""
        ...

    def writing_to(self, path: Path) -> set[ProcessId]:
        """Return every living process whose stdout is the file `path`."""
        ...

    def memory_bytes(self, pids: Collection[int]) -> int:
        """Return the memory of these processes together. Shared pages count once (PSS) where possible."""
        ...

    def cpu_s(self, row: ProcessRow) -> float:
        """Return the CPU seconds of the process and of children that it has waited for, as exactly as known."""
        ...

    def open_death_descriptor(self, process: ProcessId) -> DeathDescriptor | None:
        """Return a descriptor that reports the death of `process`; None if it is dead already.

        Raises `OSError` if the system has no descriptor to give. Then the caller must poll.
        """
        ...

    def send_signal(self, process: ProcessId, number: signal.Signals) -> None:
        """Signal exactly this process, never one that got its pid later. No-op if it is dead."""
        ...

    def free_memory(self) -> int | None:
        """Return the bytes available without swapping; None if the system does not tell."""
        ...

    def memory_pressure(self) -> float | None:
        """Return the percentage of the last ten seconds with a wait for memory; None if unknown."""
        ...

    def path_of(self, descriptor: int) -> Path:
        """Return the path, without links, of an open file. Raises `OSError`."""
        ...

    def open_up_directory(self, name: str, parent: int) -> None:
        """Give this user all rights in the directory `name` of the open directory `parent`.

        Follows no link, even one that is put there meanwhile. Does nothing to anything but a directory.
        Raises `OSError`.
        """
        ...

    def peer_uid(self, connection: Connected) -> int:
        """Return the user id of the process at the other end of a unix socket. Raises `OSError`."""
        ...

    def peer_pid(self, connection: Connected) -> int | None:
        """Return the pid at the other end of the connection; None if the system does not tell."""
        ...

    def variable_of(self, pid: int, variable: str) -> str:
        """Return the value of a variable that `pid` was started with; empty if it has none or hides it."""
        ...

"""What we ask of an operating system: processes, their identity and ends, memory, who is at a socket's end.

A process is known by its pid and start together. How a start is spelled differs between systems; it is compared
as text, and `backends/host.sh` spells it the same way.
"""

import signal
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for all time since boot: a pid is used again, a pid with its start time is not."""

    pid: int
    start: str


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A line of the process table. `cpu_s` is what the process used itself, as far as the table tells;
    `children_cpu_s` what those used that it has waited for, 0 where the system does not say.
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
    """A connected unix socket, as far as its peer is asked for."""

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


class Machine(Protocol):
    """The operating system. Nothing here waits; what starts a command of the system blocks for its run."""

    def boot_id(self) -> str:
        """The name of this run of the machine; pids of another run mean nothing."""
        ...

    def tail(self) -> tuple[str, str]:
        """The `tail` that follows an input log, with the options that it needs, one word each or none.

        The program is a path or a name to be found.
        """
        ...

    def start_source(self) -> str:
        """Where `backends/host.sh` learns when a process started: the path of `ps`, or nothing for `/proc`."""
        ...

    def read_process(self, pid: int) -> ProcessRow | None:
        """The table's line for `pid`, zombies included, or None if there is no such process."""
        ...

    def read_table(self) -> dict[int, ProcessRow]:
        """Every process that is no zombie, by pid."""
        ...

    def carrying(self, variable: str, value: str) -> set[ProcessId]:
        """Every living process that shows `variable=value`, in its environment or as an argument; not ours.

        A value holds no white space. Some systems hide the environment of some programs.
        """
        ...

    def command_of(self, pid: int) -> str:
        """The command line of a process, its words divided by spaces; empty if there is none, or it is gone."""
        ...

    def values_of(self, variable: str) -> set[str]:
        """What living processes show for `variable`, as `carrying` says, in one look at all of them."""
        ...

    def writing_to(self, path: Path) -> set[ProcessId]:
        """Every living process whose stdout is the file `path`."""
        ...

    def memory_bytes(self, pids: Collection[int]) -> int:
        """What these processes hold together: shared pages once (PSS) where the system can tell."""
        ...

    def cpu_s(self, row: ProcessRow) -> float:
        """CPU seconds of the process and of the children that it has waited for, as exact as there is."""
        ...

    def open_death_descriptor(self, process: ProcessId) -> DeathDescriptor | None:
        """What tells of the death of `process`, or None if it is dead already.

        Raises `OSError` where the system has none to give: then look again and again.
        """
        ...

    def send_signal(self, process: ProcessId, number: signal.Signals) -> None:
        """Signal exactly this process, not one that got its pid later. Nothing happens if it is dead."""
        ...

    def free_memory(self) -> int | None:
        """Bytes that can be had without swapping; None where the system does not say."""
        ...

    def memory_pressure(self) -> float | None:
        """Percent of the last ten seconds in which something waited for memory; None where nobody says."""
        ...

    def path_of(self, descriptor: int) -> Path:
        """The path, without links, of an open file. Raises `OSError`."""
        ...

    def peer_uid(self, connection: Connected) -> int:
        """Whose process is at the other end of a unix socket. Raises `OSError`."""
        ...

    def peer_pid(self, connection: Connected) -> int | None:
        """The process that made the connection at the other end; None if the system does not say."""
        ...

    def variable_of(self, pid: int, variable: str) -> str:
        """The value of a variable with which `pid` was started; empty if it has none or hides it."""
        ...

"""What the operating system knows of processes: identity, trees, memory, CPU, signals. The Linux answer.

Everything that reads `/proc` or uses a call that only Linux has stands here, so that another system is
another module with these names. Waiting for a death is `deaths.py`; ending a tree is `stopping.py`.
Format: proc_pid_stat(5).
"""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# GNU tail follows by inotify; a user has only 128 instances, and where none is left it polls this often.
FOLLOW_OPTIONS = "-s 0.05"

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for all time since boot: a pid is used again, a pid with its start time is not."""

    pid: int
    start: str


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A line of the process table. `cpu_ticks` includes children that it has waited for."""

    process: ProcessId
    parent: int
    session: int
    zombie: bool
    cpu_ticks: int
    children_cpu_ticks: int


@cache
def boot_id() -> str:
    """The name of this run of the machine, which we do not outlive; pids of another run mean nothing."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def read_process(pid: int) -> ProcessRow | None:
    """The table's line for `pid`, or None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - Path costs more than the read
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name may hold anything, ") " included: fields are counted from its last one.
    fields = stat.rpartition(b") ")[2].split()
    return ProcessRow(
        ProcessId(pid, fields[19].decode()),
        parent=int(fields[1]),
        session=int(fields[3]),
        zombie=fields[0] in {b"Z", b"X"},
        cpu_ticks=int(fields[11]) + int(fields[12]),
        children_cpu_ticks=int(fields[13]) + int(fields[14]),
    )


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs. A zombie does not."""
    row = read_process(process.pid)
    return row is not None and row.process == process and not row.zombie


def read_table() -> dict[int, ProcessRow]:
    """Every process that is no zombie, by pid. About 15 µs a process."""
    rows = (read_process(pid) for pid in _pids())
    return {row.process.pid: row for row in rows if row is not None and not row.zombie}


def tree(table: Mapping[int, ProcessRow], roots: Iterable[ProcessId]) -> set[ProcessId]:
    """The living of `roots`, everything below them, and everything in their process sessions.

    A child whose parent died keeps its session, so it is found as long as one of its session is a root or
    below one. This process and its session are never part of it.
    """
    own_session = os.getsid(0)
    others = {pid: row for pid, row in table.items() if pid != os.getpid()}
    known = {root.pid for root in roots if root.pid in others and others[root.pid].process == root}
    while True:
        sessions = {others[pid].session for pid in known} - {own_session, 0}
        more = {
            pid
            for pid, row in others.items()
            if pid not in known and (row.parent in known or row.session in sessions)
        }
        if not more:
            return {others[pid].process for pid in known}
        known |= more


def carrying(variable: str, value: str) -> set[ProcessId]:
    """Every living process that was started with `variable=value` in its environment, ours excepted."""
    wanted = f"{variable}={value}".encode()
    found = set()
    for pid in _pids():
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if wanted in environment and wanted in environment.split(b"\0"):
                row = read_process(pid)
                if row is not None and not row.zombie and pid != os.getpid():
                    found.add(row.process)
    return found


def writing_to(path: Path) -> set[ProcessId]:
    """Every living process whose stdout is the file `path`."""
    wanted = os.path.realpath(path)
    found = set()
    for pid in _pids():
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/1") == wanted:  # noqa: PTH115 - Path costs more than the call
                row = read_process(pid)
                if row is not None and not row.zombie:
                    found.add(row.process)
    return found


def memory_bytes(pid: int) -> int:
    """The process's share of memory (PSS): shared pages are divided among those who share them."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_s(row: ProcessRow) -> float:
    """CPU seconds of the process and of the children that it has waited for.

    Ticks miss work in short pieces and run time misses threads that have ended: the larger one is taken.
    """
    run_time_ns = 0
    with suppress(OSError):
        for task in Path(f"/proc/{row.process.pid}/task").iterdir():
            with suppress(OSError):
                run_time_ns += int((task / "schedstat").read_bytes().split()[0])
    return max(run_time_ns / _NS_PER_S, row.cpu_ticks / _TICKS_PER_S) + row.children_cpu_ticks / _TICKS_PER_S


def open_death_descriptor(process: ProcessId) -> int | None:
    """A descriptor that becomes readable when `process` dies, or None if the process is dead already.

    The caller closes it. Raises `OSError` where the system has none to give: then poll `is_alive`.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if is_alive(process):
        return descriptor
    os.close(descriptor)
    return None


def send_signal(process: ProcessId, number: signal.Signals) -> None:
    """Signal exactly this process, never one that got its pid later. Nothing happens if it is dead."""
    try:
        descriptor = open_death_descriptor(process)
    except OSError:
        if is_alive(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        return
    if descriptor is None:
        return
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - names are all it needs

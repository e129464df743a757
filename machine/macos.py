"""macOS: the system's own `ps`, `lsof`, `sysctl` and `vm_stat`, deaths by kqueue.

A look at one process or at all costs a run of `ps`. Formats: ps(1), lsof(8) under "Output for other programs",
vm_stat(1), kqueue(2), and `struct xucred` of <sys/ucred.h>. A process's start is the column `lstart` of `ps` in
the C locale and UTC, its blanks as underscores: to the second, and absolute, even if somebody sets the clock.
"""

import fcntl
import os
import platform
import re
import select
import signal
import stat
import struct
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Protocol

from machine.port import Connected, DeathDescriptor, ProcessId, ProcessRow

# Never use the user's PATH: its `ps` or `tail` may be another implementation.
_TOOLS = ("/bin", "/usr/bin", "/usr/sbin", "/sbin")

_COLUMNS = "pid=,ppid=,stat=,time=,lstart="
_UNCOUNTED = 4  # columns before `lstart`, which is five words
_START_WORDS = 5

_LOCAL_PEERPID = 2  # sys/un.h
_PID = struct.Struct("i")
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1
_XUCRED = struct.Struct("=2Ihxx16I")  # version, uid, groups, then the groups
_F_GETPATH = 50
_ALL_RIGHTS = 0o700
_MAXPATHLEN = 1024


class _Queue(DeathDescriptor, Protocol):
    """A kqueue. The standard library's type is known on macOS only."""

    def control(self, changes: Sequence[object], max_events: int, /) -> Sequence[object]: ...


class MacMachine:
    """The port's `Machine` on macOS. `tools` are the directories of its commands, `kernel` has its kqueue."""

    def __init__(self, tools: Collection[str] = _TOOLS, kernel: ModuleType | SimpleNamespace = select) -> None:
        self._tools = tuple(tools)
        self._kernel = kernel
        self._boot_id = ""

    def boot_id(self) -> str:
        self._boot_id = self._boot_id or self._run("sysctl", "-n", "kern.bootsessionuuid").strip()
        return self._boot_id

    def kernel_version(self) -> tuple[int, int]:
        major, minor, *_ = (*map(int, re.findall(r"\d+", platform.release())), 0, 0)
        return major, minor

    def tail(self) -> tuple[str, str]:
        # The system's `tail` waits by kqueue and has no option for a polling interval.
        return self._tool("tail"), ""

    def start_source(self) -> str:
        return self._tool("ps")

    def read_process(self, pid: int) -> ProcessRow | None:
        rows = self._rows("-o", _COLUMNS, "-p", str(pid))
        return next(rows, None)

    def adopt_orphans(self) -> None:
        return

    def share_memory_of_threads(self) -> None:
        return

    def read_table(self) -> dict[int, ProcessRow]:
        return {row.process.pid: row for row in self._rows("-axo", _COLUMNS) if not row.zombie}

    def carrying(self, variable: str, value: str) -> set[ProcessId]:
        wanted = f"{variable}={value}"
        pid, found = 0, set()
        # Arguments and environment of one process. A line break in them continues on the next line.
        for line in self._run("ps", "-axEwwo", "pid=,command=").splitlines():
            first, *words = line.split() or [""]
            if first.isdigit():
                pid = int(first)
            if wanted in (first, *words):
                found.add(pid)
        return self._living(found - {os.getpid()})

    def innermost_pid(self, pid: int) -> int:
        return pid  # macOS has no pid namespaces

    def command_of(self, pid: int) -> str:
        return self._run("ps", "-wwo", "command=", "-p", str(pid)).strip()

    def values_of(self, variable: str) -> set[str]:
        start = f"{variable}="
        words = self._run("ps", "-axEwwo", "pid=,command=").split()
        return {word.removeprefix(start) for word in words if word.startswith(start)}

    def writing_to(self, path: Path) -> set[ProcessId]:
        listed = self._run("lsof", "-nPw", "-a", "-d", "1", "-Fp", "--", os.path.realpath(path))
        return self._living({int(pid) for pid in re.findall(r"^p(\d+)$", listed, re.MULTILINE)})

    def memory_bytes(self, pids: Collection[int]) -> int:
        # Resident memory: shared pages count for each process.
        if not pids:
            return 0
        kibibytes = self._run("ps", "-o", "rss=", "-p", ",".join(map(str, sorted(pids))))
        return 1024 * sum(map(int, kibibytes.split()))

    def cpu_s(self, row: ProcessRow) -> float:
        return row.cpu_s

    def open_death_descriptor(self, process: ProcessId) -> DeathDescriptor | None:
        kernel = self._kernel
        queue: _Queue = kernel.kqueue()
        exit_of = kernel.kevent(
            process.pid,
            filter=kernel.KQ_FILTER_PROC,
            flags=kernel.KQ_EV_ADD | kernel.KQ_EV_ONESHOT,
            fflags=kernel.KQ_NOTE_EXIT,
        )
        try:
            queue.control([exit_of], 0)
        except ProcessLookupError:
            queue.close()
            return None
        except OSError:
            queue.close()
            raise
        # Check after registering: the queue reports a death in between.
        if self._lives(process):
            return queue
        queue.close()
        return None

    def send_signal(self, process: ProcessId, number: signal.Signals) -> None:
        # macOS signals pids only. To hit a wrong process, the pid must be reused between check and signal.
        if self._lives(process):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def free_memory(self) -> int | None:
        told = self._run("vm_stat")
        page = re.search(r"page size of (\d+) bytes", told)
        counts = dict(re.findall(r"^Pages (free|inactive|speculative): +(\d+)\.$", told, re.MULTILINE))
        if page is None or len(counts) < 3:
            return None
        return int(page[1]) * sum(map(int, counts.values()))

    def memory_pressure(self) -> float | None:
        return None

    def path_of(self, descriptor: int) -> Path:
        path = fcntl.fcntl(descriptor, _F_GETPATH, bytes(_MAXPATHLEN))
        return Path(os.fsdecode(path.partition(b"\0")[0]))

    def open_up_directory(self, name: str, parent: int) -> None:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                # fchmodat(2) changes a link itself here, so one that was put there meanwhile leads nowhere.
                os.chmod(name, _ALL_RIGHTS, dir_fd=parent, follow_symlinks=False)

    def peer_uid(self, connection: Connected) -> int:
        version, uid, *_ = _XUCRED.unpack(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
        if version != 0:
            raise OSError("the system describes the peer in a way that is not known")
        return int(uid)

    def peer_pid(self, connection: Connected) -> int | None:
        (pid,) = _PID.unpack(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, _PID.size))
        return int(pid) or None

    def variable_of(self, pid: int, variable: str) -> str:  # noqa: ARG002 - as the port has it
        return ""  # macOS hides the environment of other processes; `carrying` finds hosts by their arguments

    def _lives(self, process: ProcessId) -> bool:
        row = self.read_process(process.pid)
        return row is not None and row.process == process and not row.zombie

    def _living(self, pids: Collection[int]) -> set[ProcessId]:
        if not pids:
            return set()
        rows = self._rows("-o", _COLUMNS, "-p", ",".join(map(str, sorted(pids))))
        return {row.process for row in rows if not row.zombie}

    def _rows(self, *options: str) -> Iterator[ProcessRow]:
        for line in self._run("ps", *options).splitlines():
            words = line.split()
            if len(words) == _UNCOUNTED + _START_WORDS:
                yield _row(*words[:_UNCOUNTED], start="_".join(words[_UNCOUNTED:]))

    def _run(self, tool: str, *arguments: str) -> str:
        """Return the output of a system command, even of a failed one. Raises `OSError` if it is missing."""
        done = subprocess.run(
            [self._tool(tool), *arguments],
            env={"LC_ALL": "C", "TZ": "UTC0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return done.stdout.decode("utf-8", "replace")

    def _tool(self, name: str) -> str:
        for directory in self._tools:
            if os.access(f"{directory}/{name}", os.X_OK):
                return f"{directory}/{name}"
        raise FileNotFoundError(f"{name} is not in {', '.join(self._tools)}")


def _row(pid: str, parent: str, state: str, time: str, *, start: str) -> ProcessRow:
    try:
        session = os.getsid(int(pid))
    except OSError:  # the process has ended, or we may not know
        session = 0
    return ProcessRow(
        ProcessId(int(pid), start),
        parent=int(parent),
        session=session,
        zombie=state.startswith("Z"),
        cpu_s=_seconds(time),
    )


def _seconds(time: str) -> float:
    """Parse `12:03.45` (minutes may exceed 59), as macOS writes it. Hours and days are understood, too."""
    days, _, clock = time.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86_400 * int(days or 0)

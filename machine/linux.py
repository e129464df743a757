"""Linux: reads everything from `/proc`, learns of deaths by pidfd. Format: proc_pid_stat(5)."""

import os
import re
import signal
import socket
import struct
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

from machine.port import Connected, DeathDescriptor, ProcessId, ProcessRow

# GNU tail follows by inotify. A user has only 128 instances; if none is left, tail polls this often.
_TAIL_OPTIONS = "-s 0.05"

_PROC = Path("/proc")
_MEMINFO = _PROC / "meminfo"
_PRESSURE = _PROC / "pressure/memory"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_NS_PER_S = 1_000_000_000
# An exec takes 0.1 ms, longer on a busy machine. The reader of an environment blocks meanwhile.
_EXEC_TRIES = 50
_EXEC_PAUSE_S = 0.002
_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_ALL_RIGHTS = 0o700
_READ_BYTES = 16_384
_M_ARENA_MAX = -8  # <malloc.h>
_UCRED = struct.Struct("3i")  # pid, uid, gid


@cache
def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


class _PidDescriptor(msgspec.Struct, frozen=True):
    """A pidfd."""

    number: int

    def fileno(self) -> int:
        return self.number

    def close(self) -> None:
        os.close(self.number)


class LinuxMachine:
    """The port's `Machine` on Linux. Starts no command; a look at a process takes about 15 µs."""

    def boot_id(self) -> str:
        return _boot_id()

    def kernel_version(self) -> tuple[int, int]:
        major, minor, *_ = (*map(int, re.findall(r"\d+", os.uname().release)), 0, 0)
        return major, minor

    def tail(self) -> tuple[str, str]:
        return "tail", _TAIL_OPTIONS

    def start_source(self) -> str:
        return ""

    def read_process(self, pid: int) -> ProcessRow | None:
        try:
            stat = _read(f"/proc/{pid}/stat")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command's name may contain any characters, even ") ": count fields from the last ") ".
        fields = stat.rpartition(b") ")[2].split()
        return ProcessRow(
            ProcessId(pid, fields[19].decode()),
            parent=int(fields[1]),
            session=int(fields[3]),
            zombie=fields[0] in {b"Z", b"X"},
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
            children_cpu_s=(int(fields[13]) + int(fields[14])) / _TICKS_PER_S,
        )

    def adopt_orphans(self) -> None:
        import ctypes  # only a keeper of commands needs it

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def share_memory_of_threads(self) -> None:
        import ctypes

        with suppress(AttributeError):  # musl
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)

    def read_table(self) -> dict[int, ProcessRow]:
        rows = (self.read_process(pid) for pid in _pids())
        return {row.process.pid: row for row in rows if row is not None and not row.zombie}

    def carrying(self, variable: str, value: str) -> set[ProcessId]:
        # Our processes have it in their environment, which Linux never hides from the same user.
        wanted = f"{variable}={value}".encode()
        found = set()
        for pid in _pids():
            with suppress(OSError):
                environment = _environment(pid)
                if wanted in environment and wanted in environment.split(b"\0"):
                    row = self.read_process(pid)
                    if row is not None and not row.zombie and pid != os.getpid():
                        found.add(row.process)
        return found

    def innermost_pid(self, pid: int) -> int:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_bytes().splitlines():
                if line.startswith(b"NSpid:"):
                    return int(line.split()[-1])
        return pid

    def command_of(self, pid: int) -> str:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return words.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")

    def values_of(self, variable: str) -> set[str]:
        start = f"{variable}=".encode()
        found: set[str] = set()
        for pid in _pids():
            with suppress(OSError):
                environment = _environment(pid)
                if start in environment:
                    shown = (each for each in environment.split(b"\0") if each.startswith(start))
                    found.update(os.fsdecode(each.removeprefix(start)) for each in shown)
        return found

    def writing_to(self, path: Path) -> set[ProcessId]:
        wanted = os.path.realpath(path)
        found = set()
        for pid in _pids():
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/1") == wanted:  # noqa: PTH115 - Path costs more than the call
                    row = self.read_process(pid)
                    if row is not None and not row.zombie:
                        found.add(row.process)
        return found

    def memory_bytes(self, pids: Collection[int]) -> int:
        return sum(_proportional_bytes(pid) for pid in pids)

    def cpu_s(self, row: ProcessRow) -> float:
        # Ticks miss short pieces of work, and run time misses threads that have ended: take the larger one.
        run_time_ns = 0
        with suppress(OSError):
            for task in Path(f"/proc/{row.process.pid}/task").iterdir():
                with suppress(OSError):
                    run_time_ns += int((task / "schedstat").read_bytes().split()[0])
        return max(run_time_ns / _NS_PER_S, row.cpu_s) + row.children_cpu_s

    def open_death_descriptor(self, process: ProcessId) -> DeathDescriptor | None:
        try:
            descriptor = _PidDescriptor(os.pidfd_open(process.pid))
        except ProcessLookupError:
            return None
        row = self.read_process(process.pid)
        if row is not None and row.process == process and not row.zombie:
            return descriptor
        descriptor.close()
        return None

    def send_signal(self, process: ProcessId, number: signal.Signals) -> None:
        try:
            descriptor = self.open_death_descriptor(process)
        except OSError:
            row = self.read_process(process.pid)
            if row is not None and row.process == process:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, number)
            return
        if descriptor is None:
            return
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor.fileno(), number)
        finally:
            descriptor.close()

    def free_memory(self) -> int | None:
        try:
            text = _MEMINFO.read_text()
        except OSError:
            return None
        for line in text.splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return None

    def memory_pressure(self) -> float | None:
        # PSI exists from kernel 4.20 on, unless it is switched off. Format: "some avg10=0.00 avg60=…"
        with suppress(OSError, ValueError):
            for line in _PRESSURE.read_text().splitlines():
                kind, *facts = line.split()
                shares = dict(fact.split("=", 1) for fact in facts)
                if kind == "some" and "avg10" in shares:
                    return float(shares["avg10"])
        return None

    def path_of(self, descriptor: int) -> Path:
        return Path(os.path.realpath(f"/proc/self/fd/{descriptor}"))

    def open_up_directory(self, name: str, parent: int) -> None:
        kind = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            itself = os.open(name, kind, dir_fd=parent)
        except (NotADirectoryError, FileNotFoundError):
            return
        try:
            # A descriptor of O_PATH needs no rights, and through /proc it leads to exactly this directory.
            os.chmod(f"/proc/self/fd/{itself}", _ALL_RIGHTS)  # noqa: PTH101
        finally:
            os.close(itself)

    def peer_uid(self, connection: Connected) -> int:
        _, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return int(uid)

    def peer_pid(self, connection: Connected) -> int | None:
        pid, *_ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return int(pid) or None  # 0: the process is in a pid namespace that we cannot see

    def variable_of(self, pid: int, variable: str) -> str:
        start = f"{variable}=".encode()
        with suppress(OSError):
            shown = (each for each in _environment(pid).split(b"\0") if each.startswith(start))
            return os.fsdecode(next(shown, b"").removeprefix(start))
        return ""


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 - names are all it needs


def _environment(pid: int) -> bytes:
    """Return the environment that `pid` was started with; empty for kernel threads. Raises `OSError`."""
    environment = _read_environment(pid)
    tries = _EXEC_TRIES
    while not environment and tries and _has_program(pid):
        if _has_arguments(pid):  # the exec is over now, or the environment really is empty
            return _read_environment(pid)
        time.sleep(_EXEC_PAUSE_S)
        environment = _read_environment(pid)
        tries -= 1
    return environment


def _read_environment(pid: int) -> bytes:
    return _read(f"/proc/{pid}/environ")


def _read(path: str) -> bytes:
    """Read a file of `/proc` whole.

    The end of a host reads hundreds of them, and a file object takes longer than the kernel.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, _READ_BYTES)
        while len(content) % _READ_BYTES == 0 and (more := os.read(descriptor, _READ_BYTES)):
            content += more
        return content
    finally:
        os.close(descriptor)


def _has_program(pid: int) -> bool:
    try:
        os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - only whether there is one
    except OSError:
        return False
    return True


def _has_arguments(pid: int) -> bool:
    """Whether the kernel shows arguments. In a short moment of an exec it shows neither them nor variables."""
    return bool(Path(f"/proc/{pid}/cmdline").read_bytes())


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0

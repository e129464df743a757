"""CPU and memory of processes, seen from outside; Linux."""

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def cpu_s(pid: int) -> float:
    """CPU seconds of the process's living threads, to the nanosecond: ticks miss work in short pieces."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def pss_mb(pids: Iterable[int]) -> float:
    """The processes' share of memory: what several share is divided among them. The dead have none."""
    found_kb = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found_kb += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found_kb / 1024


def descendants(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, check=False)
        found += map(int, listed.stdout.split())
    return found


def resident_mb(pid: int | str = "self") -> float:
    """Return the memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

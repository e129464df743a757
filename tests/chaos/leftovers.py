"""Forbidden remains of a bridge that was stopped at rest: processes, locks, files, transactions."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.chaos.rules import Rule, Violation

_LONGEST_READ = 1 << 20


def judge_leftovers(root: Path) -> Iterator[Violation]:
    """Look at the machine as it is now, for what belongs to the history in `root`."""
    data = root / "data"
    for pid in processes_of(root):
        yield Violation(Rule.PROCESS_LEFT, "", f"{pid} {_command(pid)[:120]}")
    yield from _judge_lock(data / "run" / "owner.lock")
    for path in sorted(data.rglob("*")):
        if _is_temporary(path, data):
            yield Violation(Rule.FILE_LEFT, "", str(path.relative_to(data)))
    yield from _judge_database(data / "sessions.db")


def processes_of(root: Path) -> list[int]:
    """Every process that runs below `root` or was started for it, but us and those who started us."""
    wanted = os.fsencode(root)
    return [pid for pid in _pids() if pid not in _own_line() and _mentions(pid, wanted)]


def _own_line() -> set[int]:
    line, pid = set(), os.getpid()
    while pid > 1:
        line.add(pid)
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
    return line


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _mentions(pid: int, wanted: bytes) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if stat[0] == "Z":
            return False
        if str(Path(f"/proc/{pid}/cwd").readlink()).startswith(os.fsdecode(wanted)):
            return True
        found = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    except OSError:
        return False
    return wanted + b"/" in found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(gone)"


def _judge_lock(path: Path) -> Iterator[Violation]:
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Violation(Rule.LOCK_HELD, "", path.name)
    finally:
        os.close(descriptor)


def _is_temporary(path: Path, data: Path) -> bool:
    within = path.relative_to(data).parts
    if within[0] == "sandbox" and len(within) > 3:
        return False  # a project's own home and configuration, in a sandbox: Claude's files, not ours
    if path.suffix in (".tmp", ".restoring") or path.name.endswith((".feed.tmp", "control.sock")):
        return True
    # run/<session>/<host>: its session has no process any more, so its logs have no reader any more. Files of
    # prompts, in run/<session>/uploads, stay as long as the session.
    return within[0] == "run" and len(within) == 3 and within[2].isdecimal() and path.is_dir()


def _judge_database(path: Path) -> Iterator[Violation]:
    try:
        with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        yield Violation(Rule.TRANSACTION_OPEN, "", str(error))
        return
    except sqlite3.DatabaseError as error:
        yield Violation(Rule.DATABASE_DAMAGED, "", str(error))
        return
    if found != "ok" or orphans:
        yield Violation(Rule.DATABASE_DAMAGED, "", f"{found}, {len(orphans)} rows without their parents")

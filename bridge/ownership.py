"""Ownership of the data directory: one process at a time, by a lock that the kernel releases when it dies.

The lock is an `flock` on `<data>/run/owner.lock`; the file's content (one line of JSON: pid, kind, since) only
tells others who holds it. Only the owner opens the database and the control socket.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import machine

_LONGEST_NOTE = 1024
# A child runs its program within milliseconds, on a busy machine within seconds.
_DEAD_OWNER_S = 5.0


class OwnerKind(StrEnum):
    """The kind of process that owns the data directory."""

    BOT = "bot"
    CHAT = "chat"
    SCRIPT = "script"


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that holds the lock. `kind` may be an unknown word if a newer version wrote it."""

    pid: int
    kind: str
    since: datetime


class OwnershipError(Exception):
    """Root of the errors of claiming a data directory."""


class AlreadyOwned(OwnershipError):
    """Another process holds the lock; `owner` is None if it has not yet said who it is."""

    def __init__(self, owner: Owner | None) -> None:
        who = "Another process"
        if owner is not None:
            who = f"Another process ({owner.kind}, pid {owner.pid}, since {owner.since:%Y-%m-%d %H:%M:%S} UTC)"
        super().__init__(f"{who} uses this data directory already. Stop it first, or set another DATA_DIR.")
        self.owner = owner


class DataDirectoryRefused(OwnershipError):
    """The data directory cannot be made or written."""

    def __init__(self, data_dir: Path, reason: str) -> None:
        super().__init__(
            f"DATA_DIR cannot be used: {data_dir}: {reason}. Check that this user may write there."
        )


def lock_path(data_dir: Path) -> Path:
    """Return the path of the lock of `data_dir`."""
    return data_dir / "run" / "owner.lock"


@contextmanager
def owning(data_dir: Path, kind: OwnerKind) -> Iterator[Owner]:
    """Own `data_dir` inside the block; make it and `run` in it, mode 0700. Fails within 0.2 s.

    If the named owner has died and a child of it still has the lock, it waits for that, at most 5 s. Children
    do not inherit the lock over `exec`; a `fork` alone would. Raises `AlreadyOwned` and `DataDirectoryRefused`.
    """
    descriptor = _open(data_dir)
    try:
        _lock(descriptor)
        # Signed only now: a note without the lock would name somebody who owns nothing.
        owner = Owner(os.getpid(), kind.value, datetime.now(UTC))
        _write(descriptor, owner)
        try:
            yield owner
        finally:
            # The file stays: if it were removed, two processes could lock two files of the same name.
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def current_owner(data_dir: Path) -> Owner | None:
    """Return the owner of `data_dir`; None if there is none or it has not signed yet. Changes nothing.

    An owner whose note cannot be read has pid 0.
    """
    try:
        descriptor = os.open(lock_path(data_dir), os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataDirectoryRefused(data_dir, str(error.strerror)) from error
    try:
        # An unsigned lock has no owner. Return before locking: many readers could keep a new owner out.
        if os.fstat(descriptor).st_size == 0:
            return None
        # A shared lock, so that two readers do not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor) or Owner(0, "unknown", datetime.now(UTC))
    else:
        return None
    finally:
        os.close(descriptor)


def _open(data_dir: Path) -> int:
    path = lock_path(data_dir)
    try:
        for directory in (data_dir, path.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory.stat().st_mode & 0o077:
                directory.chmod(0o700)
        # Python's descriptors do not pass over `exec`: else each Claude would hold the lock after our end.
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataDirectoryRefused(data_dir, str(error.strerror)) from error


def _lock(descriptor: int) -> None:
    # Retry: a reader of a dead owner's note holds the lock for microseconds; a new owner needs time to sign.
    pauses = [0.02, 0.05, 0.1]
    until = time.monotonic() + _DEAD_OWNER_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _read(descriptor)
            if pauses:
                time.sleep(pauses.pop(0))
            elif _is_dead(owner) and time.monotonic() < until:
                # It died while it started a process: the child has the lock until it runs its program.
                time.sleep(0.05)
            else:
                raise AlreadyOwned(owner) from None
        else:
            return


def _is_dead(owner: Owner | None) -> bool:
    if owner is None:
        return False
    found = machine.this().read_process(owner.pid)
    # Its pid may belong to another process by now: then it counts as alive, and the claim fails as before.
    return found is None or found.zombie


def _write(descriptor: int, owner: Owner) -> None:
    note = {"pid": owner.pid, "kind": owner.kind, "since": owner.since.isoformat()}
    os.ftruncate(descriptor, 0)
    # By `pwrite`, not by a new file: the lock belongs to this inode.
    os.pwrite(descriptor, json.dumps(note).encode() + b"\n", 0)


def _read(descriptor: int) -> Owner | None:
    try:
        note = json.loads(os.pread(descriptor, _LONGEST_NOTE, 0))
        return Owner(int(note["pid"]), str(note["kind"]), datetime.fromisoformat(note["since"]))
    except (ValueError, TypeError, KeyError):
        return None

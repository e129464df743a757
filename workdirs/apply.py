"""Carries out the steps of a restore, each by a directory's descriptor, so that no link leads it outside.

A file is written under a temporary name and renamed, so that a reader sees the old one or the new one whole.
Every step first compares the file with how the safety checkpoint saw it: if it changed since, it is left alone.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import assert_never

from msgspec.structs import replace

from faults import crash_point
from workdirs.file_reading import known_as
from workdirs.listing import TEMPORARY
from workdirs.model import EntryMode, FilePath, ObjectId
from workdirs.paths import WorkTree, check, is_link_in_the_way
from workdirs.plan import Delete, Left, SetMode, Step, WhyLeft, Write
from workdirs.stat_cache import Known

# The system refuses this one path: no right to it, a mount point, a mount that is read only, a running program.
_REFUSED_HERE = frozenset({errno.EPERM, errno.EACCES, errno.EBUSY, errno.EROFS, errno.ETXTBSY})

# Contents up to this size stay in memory after the first reading. The others are read twice.
_KEPT_BYTES = 8 * 1024 * 1024

Contents = Callable[[list[tuple[FilePath, ObjectId]]], Iterator[tuple[FilePath, bytes]]]


@dataclass(slots=True)
class Applied:
    """The files that were changed, and those left because they changed in the meantime."""

    done: list[Step] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


class Applier:
    """Applies steps to one work tree. `seen` is how the safety checkpoint saw each file."""

    def __init__(self, tree: WorkTree, seen: Mapping[bytes, Known], token: str) -> None:
        self._tree = tree
        self._seen = seen
        self._token = token
        self._applied = Applied()
        self._shared: set[int] = set()

    def apply(self, steps: tuple[Step, ...], contents: Contents) -> Applied:
        """Delete, write and set modes, in this order. Raises `StoreDamaged` before anything is changed.

        Raises `OSError` if the disk is full or not writable: the steps so far stay done.
        """
        deletes = [step for step in steps if isinstance(step, Delete)]
        writes = [step for step in steps if isinstance(step, Write)]
        wanted = [(check(step.path), step.entry.blob) for step in writes]
        # Reading all of it first finds damage before the first change.
        kept = _first_kept(contents(wanted))
        # Deletions first, the deepest names first: a file may come where a directory was.
        for delete in sorted(deletes, key=lambda step: step.path, reverse=True):
            self._take(delete, partial(self._delete, delete))
        self._remove_empty(deletes, writes)
        # Everything in memory at once would not do: a work tree may have files of many gigabytes in all.
        rest = contents(wanted[len(kept) :])
        for write, data in zip(writes, chain(kept, (data for _, data in rest)), strict=True):
            self._take(write, partial(self._write, write, data))
        self._tree.settle()
        for step in steps:
            if isinstance(step, SetMode):
                self._take(step, partial(self._set_mode, step))
        return self._applied

    def _take(self, step: Step, act: Callable[[], WhyLeft | None]) -> None:
        try:
            why = act()
        except FileNotFoundError:  # somebody removed the directory under our hands
            why = WhyLeft.CHANGED_MEANWHILE
        except OSError as error:
            if error.errno not in _REFUSED_HERE:
                raise
            why = WhyLeft.NOT_WRITABLE
        if why is None:
            self._applied.done.append(step)
        else:
            self._applied.left.append(Left(step.path, why))
        crash_point("restore.step")

    def _delete(self, step: Delete) -> WhyLeft | None:
        if not self._is_as_seen(step.path):
            return WhyLeft.CHANGED_MEANWHILE
        directory, name = self._tree.parent(step.path)
        os.unlink(name, dir_fd=directory)
        return None

    def _write(self, step: Write, data: bytes) -> WhyLeft | None:
        if not self._is_as_seen(step.path):
            # Checkpoints hold no directories, so one here was never seen. `_put_in_place` replaces it if it
            # has no files.
            found = self._tree.stat(step.path)
            if found is None or not stat.S_ISDIR(found.st_mode):
                return WhyLeft.CHANGED_MEANWHILE
        try:
            directory, name = self._tree.parent(step.path, create=True)
        except OSError as error:
            if is_link_in_the_way(error):
                return WhyLeft.IN_THE_WAY
            raise
        # Derived from the restore's id: after a kill the next start finds the file by this name.
        temporary = f"{TEMPORARY}{self._token}".encode()
        why: WhyLeft | None = WhyLeft.IN_THE_WAY
        try:
            _write_temporary(directory, temporary, step, data)
            why = _put_in_place(directory, temporary, name)
        finally:
            if why is not None:  # else the temporary name is the file now
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
        return why

    def _set_mode(self, step: SetMode) -> WhyLeft | None:
        if not self._is_as_seen(step.path):
            return WhyLeft.CHANGED_MEANWHILE
        try:
            descriptor = self._tree.open_file(step.path)
        except OSError:
            return WhyLeft.UNCOVERED
        try:
            os.fchmod(descriptor, step.bits)
        finally:
            os.close(descriptor)
        return None

    def _is_as_seen(self, path: FilePath) -> bool:
        found, seen = self._tree.stat(path), self._seen.get(path)
        if found is None or seen is None:
            return found is None and seen is None
        if found.st_nlink > 1 or found.st_ino in self._shared:
            # Hard links: replacing one name changes the time of change of all others.
            if found.st_ino in self._shared:
                seen = replace(seen, ctime_ns=found.st_ctime_ns)
            self._shared.add(found.st_ino)
        return known_as(found, seen.blob) == seen

    def _remove_empty(self, deletes: list[Delete], writes: list[Write]) -> None:
        """Remove directories that the deletions emptied, unless a file comes back into them."""
        needed = {above for write in writes for above in _above(write.path)}
        emptied = {above for delete in deletes for above in _above(delete.path)} - needed
        for directory in sorted(emptied, key=len, reverse=True):
            with suppress(OSError):  # not empty, or gone
                parent, name = self._tree.parent(FilePath(directory))
                os.rmdir(name, dir_fd=parent)


def remove_temporaries(tree: WorkTree, paths: list[FilePath], token: str) -> None:
    """Delete the temporary files that a killed restore left beside `paths`."""
    temporary = f"{TEMPORARY}{token}".encode()
    for directory in sorted({path.rpartition(b"/")[0] for path in paths}):
        place = FilePath(directory + b"/" + temporary if directory else temporary)
        with suppress(OSError):
            parent, name = tree.parent(place)
            os.unlink(name, dir_fd=parent)


def _first_kept(contents: Iterator[tuple[FilePath, bytes]]) -> list[bytes]:
    """Read all contents. Return the first ones, as many as may be kept in memory."""
    kept: list[bytes] = []
    left = _KEPT_BYTES
    for _, data in contents:
        left -= len(data)
        if left >= 0:
            kept.append(data)
    return kept


def _above(path: bytes) -> Iterator[bytes]:
    while path := path.rpartition(b"/")[0]:
        yield path


def _write_temporary(directory: int, temporary: bytes, step: Write, data: bytes) -> None:
    match step.entry.mode:
        case EntryMode.LINK:
            os.symlink(data, temporary, dir_fd=directory)
        case EntryMode.FILE | EntryMode.EXECUTABLE:
            # `O_EXCL` follows no link: a session that guesses the name cannot lead the content elsewhere.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            usual = 0o777 if step.entry.mode is EntryMode.EXECUTABLE else 0o666
            # 0600 until its own bits are set: a secret file must not be readable by others for a moment.
            descriptor = os.open(temporary, flags, usual if step.bits is None else 0o600, dir_fd=directory)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                left = memoryview(data)
                # A write may take a part only, when a disk becomes full for example.
                while left:
                    left = left[file.write(left) :]
                if step.bits is not None:
                    with suppress(PermissionError):  # a disk without modes: the content counts
                        os.fchmod(descriptor, step.bits)
        case _:
            assert_never(step.entry.mode)


def _put_in_place(directory: int, temporary: bytes, name: bytes) -> WhyLeft | None:
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except IsADirectoryError:
        # `rename` replaces a file or a link, but never a directory.
        try:
            _remove_empty_directories(directory, name)
        except OSError:
            return WhyLeft.IN_THE_WAY  # ignored files are in it
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    return None


def _remove_empty_directories(parent: int, name: bytes) -> None:
    """Remove a directory that holds only directories, as a killed restore leaves it. Else raises `OSError`."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        with os.scandir(descriptor) as entries:
            below = [os.fsencode(each.name) for each in entries]
        for each in below:
            _remove_empty_directories(descriptor, each)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)

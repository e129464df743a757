"""Copy files from a work tree to another, by descriptors and through no link."""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from workdirs.model import FilePath
from workdirs.paths import WorkTree
from workdirs.stat_cache import Known

_FICLONE = 0x40049409
"""Linux, `ioctl_ficlone(2)`: share the blocks with the source until one of the files changes."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
# Only Linux has the call.
_HAS_COPY_RANGE = hasattr(os, "copy_file_range")
# The file systems of both files cannot do it together.
_NOT_IN_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
# A new file gets these bits under the usual umask. All others are set.
_USUAL_BITS = (0o644, 0o755)


def copy_file(source: WorkTree, target: WorkTree, path: FilePath, most_bytes: int) -> int | None:
    """Copy a regular file that is not in `target` yet. Return its size, or None if it was not copied.

    A file that is gone, special, unreadable or larger than `most_bytes` is not copied. Raises `OSError`
    if it cannot be written.
    """
    try:
        descriptor = source.open_file(path)
    except OSError:
        return None
    try:
        # `fstat` on the descriptor: the path may name another file by now.
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most_bytes:
            return None
        directory, name = target.parent(path, create=True)
        copy = os.open(name, _NEW_FILE, stat.S_IMODE(facts.st_mode), dir_fd=directory)
        try:
            _copy_content(descriptor, copy, most_bytes)
        finally:
            os.close(copy)
    finally:
        os.close(descriptor)
    return facts.st_size


class TreeCopy:
    """A directory that is filled with the files of a work tree while a snapshot looks at them."""

    def __init__(self, source: Path, place: Path) -> None:
        self._source = WorkTree(source)
        self._target = WorkTree(place)
        self._entered: bytes | None = None
        self._from = self._into = -1

    def close(self) -> None:
        """Close all descriptors."""
        self._source.close()
        self._target.close()

    def copy(self, path: FilePath, known: Known) -> os.stat_result:
        """Copy a file, up to the size of `known`; return how the source looked after its last byte was read.

        If it still looks like `known`, the copy holds exactly that content. Raises `OSError` for anything but
        a readable file; a part of the copy may be there then.
        """
        # Called for every file of a tree, so it looks up both directories once for all of their files.
        directory, _, name = path.rpartition(b"/")
        if directory != self._entered:
            self._from, _ = self._source.parent(path)
            self._into, _ = self._target.parent(path, create=True)
            self._entered = directory
        source = os.open(name, _OLD_FILE, dir_fd=self._from)
        try:
            bits = known.mode & 0o777
            target = os.open(name, _NEW_FILE, bits, dir_fd=self._into)
            try:
                if known.size:
                    _copy_range(source, target, known.size)
                if bits not in _USUAL_BITS:
                    os.fchmod(target, bits)
            finally:
                os.close(target)
            return os.fstat(source)
        finally:
            os.close(source)

    def write(self, path: FilePath, mode: int, data: bytes) -> None:
        """Write a file or link of that `st_mode`, instead of what may be there. Raises `OSError`."""
        self.drop(path)
        directory, name = self._target.parent(path, create=True)
        if stat.S_ISLNK(mode):
            os.symlink(data, name, dir_fd=directory)
            return
        bits = mode & 0o777
        target = os.open(name, _NEW_FILE, bits, dir_fd=directory)
        try:
            _write_all(target, data)
            if bits not in _USUAL_BITS:
                os.fchmod(target, bits)
        finally:
            os.close(target)

    def drop(self, path: FilePath) -> None:
        """Remove the copy of a file, if there is one."""
        self._entered = None  # its descriptors end with the next directory
        with suppress(FileNotFoundError, NotADirectoryError):
            directory, name = self._target.parent(path)
            os.unlink(name, dir_fd=directory)


def _copy_range(source: int, target: int, size: int) -> None:
    """Copy the first `size` bytes: within the kernel if it can, which shares blocks on some file systems."""
    left = size
    if _HAS_COPY_RANGE:
        try:
            # Zero is the end: somebody cut the file. The caller sees it by the stat data.
            while left and (copied := os.copy_file_range(source, target, left)):
                left -= copied
        except OSError as error:
            if error.errno not in _NOT_IN_KERNEL:
                raise
        else:
            return
    while left and (data := os.read(source, min(left, _CHUNK))):
        left -= len(data)
        _write_all(target, data)


def _copy_content(source: int, target: int, most_bytes: int) -> None:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        # All other errors say only that the two files cannot share blocks.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
    else:
        return
    left = most_bytes  # the file may grow meanwhile
    while left and (data := os.read(source, min(left, _CHUNK))):
        left -= len(data)
        _write_all(target, data)


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]

"""Copy one file from a work tree to another, by descriptors and through no link."""

import errno
import fcntl
import os
import stat

from workdirs.model import FilePath
from workdirs.paths import WorkTree

_FICLONE = 0x40049409
"""Linux, `ioctl_ficlone(2)`: share the blocks with the source until one of the files changes."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


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


def _copy_content(source: int, target: int, most_bytes: int) -> None:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
    else:
        return
    left = most_bytes  # the file may grow meanwhile
    while left and (data := os.read(source, min(left, _CHUNK))):
        left -= len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]

"""Read, replace and remove files in directories that programs inside a sandbox can write.

Such a program can put a link, a FIFO or a directory without rights in place of any file, also while a function
here runs. So every step goes by a descriptor and follows no link. What is removed is first moved to a directory
that no sandbox shows. Blocks on the file system; raises `OSError`.
"""

import errno
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import machine

# O_NONBLOCK: opening a FIFO that a program planted would otherwise wait for its other end for ever.
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BYTES = 32 * 1024 * 1024
_MOST_OF_A_TRANSCRIPT = 4 * 1024 * 1024 * 1024
_LONGEST_LINE = 256 * 1024 * 1024


def open_plainly(path: Path, most_bytes: int = _MOST_OF_A_TRANSCRIPT) -> BinaryIO:
    """Open a regular file to read it.

    Raises `FileNotFoundError` for a link and for any other kind of file, `OSError` for one of more than
    `most_bytes`: a file can have holes, and be far larger than the disk.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _PLAIN)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileNotFoundError(errno.ENOENT, "no regular file", str(path)) from error
        raise
    # Of the open file: what stands at the path can be swapped at any moment.
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size <= most_bytes:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    raise FileNotFoundError(errno.ENOENT, "no regular file", str(path))


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file. One that is longer than any row of Claude's comes in several pieces."""
    return iter(lambda: file.readline(_LONGEST_LINE), b"")


def read_own(path: Path) -> bytes:
    """Return the content of a regular file of at most 32 MiB. Raises `OSError`."""
    with open_plainly(path, _MOST_BYTES) as file:
        return file.read(_MOST_BYTES)


def put(target: Path, content: bytes, unseen: Path) -> None:
    """Write a file of this user alone in one step, in place of whatever is there.

    `unseen` is a directory of the same file system that no sandbox shows.
    """
    # Beside the target, a program inside could swap the draft before it is renamed.
    number, draft = tempfile.mkstemp(dir=unseen, prefix="draft.")
    with os.fdopen(number, "wb") as file:
        file.write(content)
    try:
        Path(draft).replace(target)
    # A rename replaces a link or a FIFO without following it, but no directory.
    except IsADirectoryError:
        remove(target, unseen)
        Path(draft).replace(target)


@contextmanager
def alone_in(unseen: Path) -> Iterator[None]:
    """Wait until no other thread or process is in such a block for this directory.

    No sandbox shows `unseen`, so no program inside can make it wait.
    """
    with _opened(unseen) as directory:
        # Blocks, so callers run in a thread. Closing the descriptor lets go of it, after a kill, too.
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield


def remove(path: Path, unseen: Path) -> None:
    """Remove `path`, if it exists, with all that lies below."""
    with _opened(path.parent) as parent:
        _remove(path.name, parent, unseen)


def make_empty(path: Path, unseen: Path, *, directory: bool) -> None:
    """Remove the content of a directory or file, and anything of another kind.

    An empty one stays, and keeps its inode: it may be the mount point of a process that runs.
    """
    with _opened(path.parent) as parent:
        try:
            mode = os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode
            if directory and stat.S_ISDIR(mode):
                machine.this().open_up_directory(path.name, parent)
                opened = os.open(path.name, _DIRECTORY, dir_fd=parent)
            elif not directory and stat.S_ISREG(mode):
                opened = os.open(path.name, os.O_WRONLY | _PLAIN, dir_fd=parent)
            else:
                _remove(path.name, parent, unseen)
                return
        except FileNotFoundError:
            return
        try:
            if not directory:
                if os.fstat(opened).st_size:
                    os.ftruncate(opened, 0)
                return
            for name in os.listdir(opened):  # noqa: PTH208 - by its descriptor
                _remove(name, opened, unseen)
        finally:
            os.close(opened)


def remove_link_on_the_way(root: Path, below: Path) -> None:
    """Remove the first link at `below`, a path relative to `root`, or on the way to it."""
    with _opened(root) as directory:
        opened = os.dup(directory)
        try:
            for part in below.parts:
                if stat.S_ISLNK(os.stat(part, dir_fd=opened, follow_symlinks=False).st_mode):
                    os.unlink(part, dir_fd=opened)
                    return
                # Step by step from a descriptor: a path that is looked up whole can change between two of its
                # parts.
                deeper = os.open(part, _DIRECTORY, dir_fd=opened)
                os.close(opened)
                opened = deeper
        except (FileNotFoundError, NotADirectoryError):
            pass
        finally:
            os.close(opened)


def discard(root: Path) -> None:
    """Remove a directory that no sandbox shows, whatever its depth and rights. Leaves a part that cannot go."""
    # A list of our own, no recursion: programs can nest directories deeper than Python calls.
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        with suppress(OSError):
            directory.chmod(0o700)
            for entry in list(os.scandir(directory)):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)  # noqa: PTH108
                    continue
                place = Path(entry.path)
                if directory != root:
                    # Programs can nest directories deeper than a path is long.
                    place.chmod(0o700)
                    place = place.rename(root / f"removed.{secrets.token_hex(8)}")
                waiting.append(place)
            if directory != root:
                directory.rmdir()
    with suppress(OSError):
        root.rmdir()


def _remove(name: str, parent: int, unseen: Path) -> None:
    target = unseen / f"removed.{secrets.token_hex(8)}"
    with suppress(FileNotFoundError):
        machine.this().open_up_directory(name, parent)  # to move a directory, its own rights count, too
        os.rename(name, target, src_dir_fd=parent)
    if target.is_dir() and not target.is_symlink():
        discard(target)
    else:
        target.unlink(missing_ok=True)


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

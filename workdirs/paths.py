"""Paths below a work directory as bytes, and ways to open them that no link can lead outside.

Files appear, vanish and turn into links while we look: every step goes by a directory's descriptor with
`O_NOFOLLOW`, never by a whole path.
"""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from workdirs.errors import UnsafePath
from workdirs.model import FilePath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# HFS+ ignores these in names, so that `.g\u200cit` is `.git` there (the list of git's utf8.c).
_IGNORED_BY_HFS = tuple(
    chr(point).encode()
    for point in (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)


def is_storable(path: bytes) -> bool:
    """Whether `path` is relative, normal, and has no part that git or a file system takes for `.git`."""
    # Two quick looks settle nearly all paths: no part is special without a `.` or a `~`.
    if not path or path.startswith(b"/") or path.endswith(b"/") or b"//" in path or b"\0" in path:
        return False
    if b"." not in path and b"~" not in path:
        return True
    return not any(_is_special(part) for part in path.split(b"/"))


def check(path: bytes) -> FilePath:
    """Return `path`. Raises `UnsafePath` unless it `is_storable`."""
    if not is_storable(path):
        raise UnsafePath(path)
    return FilePath(path)


def _is_special(part: bytes) -> bool:
    if part in (b".", b".."):
        return True
    if part[:1] not in (b".", b"g", b"G", b"\xe2", b"\xef"):
        return False
    plain = part.lower()
    if not plain.isascii():
        for ignored in _IGNORED_BY_HFS:
            plain = plain.replace(ignored, b"")
    # Windows drops trailing blanks and dots, and takes what follows a colon for a stream of the file.
    plain = plain.split(b":", 1)[0].rstrip(b" .")
    return plain in (b".git", b"git~1")


class WorkTree:
    """A directory opened once. Its methods take paths below it and follow no link. Use it in a `with`.

    `made_bits` are the permission bits of directories that `parent` may have to make; `settle` sets them at the
    end. Other directories follow the umask.

    Raises `OSError` as the system does: `ELOOP` or `ENOTDIR` where a link or a file stands for a directory.
    """

    def __init__(
        self, directory: str | os.PathLike[str], made_bits: Mapping[FilePath, int] | None = None
    ) -> None:
        self._made_bits = made_bits or {}
        self._made: list[tuple[FilePath, int]] = []
        # The work directory itself may be given by a link. Only below it none is followed.
        self.descriptor = os.open(directory, _DIRECTORY & ~os.O_NOFOLLOW)
        self._opened: tuple[bytes, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all descriptors."""
        self._forget()
        os.close(self.descriptor)

    def parent(self, path: FilePath, *, create: bool = False) -> tuple[int, bytes]:
        """Return the descriptor of the directory that `path` lies in, and its last name.

        The descriptor is good until the next call. `create` makes missing directories.
        """
        directory, _, name = path.rpartition(b"/")
        if not directory:
            return self.descriptor, name
        # Paths come sorted, so that the last directory is nearly always the next one, too.
        if self._opened is None or self._opened[0] != directory:
            self._forget()
            self._opened = (directory, self._walk(directory, create=create))
        return self._opened[1], name

    def settle(self) -> None:
        """Give the directories that `parent` made their bits: some would keep files out of themselves."""
        self._forget()
        for path, bits in sorted(self._made, reverse=True):  # the deepest ones first
            with suppress(OSError):  # somebody removed it
                self.set_bits(path, bits)

    def set_bits(self, path: FilePath, bits: int) -> None:
        """Set the permission bits of a file or directory that we may read. Raises `OSError` for a link."""
        # By descriptor: `chmod` by name follows a link that a program puts there meanwhile, out of the tree.
        descriptor = self.open_file(path)
        try:
            os.fchmod(descriptor, bits)
        finally:
            os.close(descriptor)

    def stat(self, path: FilePath) -> os.stat_result | None:
        """Return what lies at `path`, a link as such; `None` if nothing does or a parent is no directory."""
        try:
            directory, name = self.parent(path)
            return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if is_link_in_the_way(error):
                return None
            raise

    def open_file(self, path: FilePath) -> int:
        """Open a file for reading; a FIFO does not block. Raises `OSError` for a link."""
        directory, name = self.parent(path)
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)

    def read_link(self, path: FilePath) -> bytes:
        """Return where the link at `path` points, as its bytes."""
        directory, name = self.parent(path)
        return os.readlink(name, dir_fd=directory)

    def _walk(self, directory: bytes, *, create: bool) -> int:
        opened = os.dup(self.descriptor)
        above = b""
        for part in directory.split(b"/"):
            above = above + b"/" + part if above else part
            try:
                if create:
                    self._make(FilePath(above), part, opened)
                below = os.open(part, _DIRECTORY, dir_fd=opened)
            finally:
                os.close(opened)
            opened = below
        return opened

    def _make(self, path: FilePath, name: bytes, parent: int) -> None:
        bits = self._made_bits.get(path)
        with suppress(FileExistsError):
            # The owner needs all rights until `settle`: files are still to be written into it.
            os.mkdir(name, 0o777 if bits is None else bits | 0o700, dir_fd=parent)
            if bits is not None:
                self._made.append((path, bits))

    def _forget(self) -> None:
        if self._opened is not None:
            os.close(self._opened[1])
            self._opened = None


def is_link_in_the_way(error: OSError) -> bool:
    """Whether a link stands where a directory is needed."""
    # For a link opened with `O_DIRECTORY`, Linux says ENOTDIR; FreeBSD says EMLINK instead of ELOOP.
    return error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)


def is_plain_directory(found: os.stat_result | None) -> bool:
    """Whether there is a directory, not a link to one."""
    return found is not None and stat.S_ISDIR(found.st_mode)


def directories_of(paths: Iterable[bytes]) -> set[FilePath]:
    """Return all directories above the paths."""
    found: set[FilePath] = set()
    last = b""
    for path in paths:
        directory = path.rpartition(b"/")[0]
        if directory == last:
            continue  # paths come sorted, so that the last directory is nearly always the next one, too
        last = directory
        while directory and directory not in found:
            found.add(FilePath(directory))
            directory = directory.rpartition(b"/")[0]
    return found

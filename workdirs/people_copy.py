"""Writes a copy of some files into a directory of a work tree, for people; git ignores it. Never read back.

The project may be hostile: no link is followed, so nothing outside of the work tree is ever written. Blocks.
"""

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from workdirs.model import FilePath
from workdirs.paths import WorkTree, check

_EXCLUDE = FilePath(b".git/info/exclude")
_MAX_EXCLUDE = 1 << 20


def write_people_copy(work_tree: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write `files` below the directory `name`, and let git ignore that directory.

    Raises `OSError`, also where a link stands in the way; `UnsafePath` for a path that leads out.
    """
    with WorkTree(work_tree) as tree:
        _ignore(tree, name)
        # The directory also ignores itself: a work tree without a repository has no other rule.
        for path, data in {".gitignore": b"*\n", **files}.items():
            _write(tree, check(f"{name}/{path}".encode()), data)


def _ignore(tree: WorkTree, name: str) -> None:
    """Add the directory to `info/exclude` if the work tree has a repository of its own with such a file."""
    line = f"/{name}/\n".encode()
    try:
        # This fails where `.git` is a link or a file, so nothing outside of the work tree is written.
        directory, last = tree.parent(_EXCLUDE)
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(last, flags, dir_fd=directory)
    except OSError:
        return
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_EXCLUDE:
            return
        rules = file.read(_MAX_EXCLUDE) or b""
        if line.strip() not in rules.splitlines():
            file.write(line if not rules or rules.endswith(b"\n") else b"\n" + line)


def _write(tree: WorkTree, path: FilePath, data: bytes) -> None:
    directory, name = tree.parent(path, create=True)
    temporary = f".copy-{secrets.token_hex(6)}".encode()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=directory), "wb") as file:
            file.write(data)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)

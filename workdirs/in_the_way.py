"""Says whether something stands where a file is to be written that nobody is going to delete."""

import os
import stat
from collections.abc import Collection

from workdirs.model import FilePath
from workdirs.paths import WorkTree


def is_in_the_way(tree: WorkTree, path: FilePath, deleted: Collection[FilePath]) -> bool:
    """Whether something stands at `path`, or instead of a directory above it, that will not be deleted."""
    above = b""
    for part in path.split(b"/")[:-1]:
        above = above + b"/" + part if above else part
        found = tree.stat(FilePath(above))
        if found is None:
            return False
        if not stat.S_ISDIR(found.st_mode):
            return above not in deleted
    found = tree.stat(path)
    if found is None:
        return False
    if not stat.S_ISDIR(found.st_mode):
        return True
    return not _holds_only(tree, path, deleted)


def _holds_only(tree: WorkTree, directory: bytes, deleted: Collection[FilePath]) -> bool:
    parent, name = tree.parent(FilePath(directory))
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        entries = [
            (os.fsencode(each.name), each.is_dir(follow_symlinks=False)) for each in os.scandir(descriptor)
        ]
    finally:
        os.close(descriptor)
    for entry, is_directory in entries:
        path = FilePath(directory + b"/" + entry)
        if not (_holds_only(tree, path, deleted) if is_directory else path in deleted):
            return False
    return True

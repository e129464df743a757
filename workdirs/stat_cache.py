"""Remembers each file of the last snapshot with its stat data, so that an unchanged file is not read again."""

import os
from pathlib import Path

import msgspec

from storage.files import make_directory
from workdirs.listing import IndexKeys
from workdirs.model import EMPTY_TREE

# Fields are stored by position (`array_like`): another order of them needs another version.
_VERSION = 1


# `gc=False`: a tree may have 200,000 of them, each collection would visit them all, and none can be in a
# cycle.
class Known(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file of the last snapshot. Stat data of zeros never matches: the file is read again."""

    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int
    mode: int
    blob: bytes
    """The id of the content, as 20 bytes."""


class StatCache(msgspec.Struct, array_like=True):
    """The last snapshot of one work tree: what was stored, and how each file looked then."""

    version: int = _VERSION
    ref: str = ""
    commit: str = ""
    tree: str = EMPTY_TREE
    message: str = ""
    indexes: IndexKeys = {}
    files: dict[bytes, Known] = {}


def load(path: Path) -> StatCache:
    """Return the cache in `path`; an empty one if it is missing, damaged or of another version."""
    try:
        cache = msgspec.msgpack.decode(path.read_bytes(), type=StatCache)
    except (OSError, msgspec.MsgspecError):
        return StatCache()
    return cache if cache.version == _VERSION else StatCache()


def save(path: Path, cache: StatCache) -> None:
    """Replace the cache in `path` at once. Losing it costs time only, so nothing is synced."""
    make_directory(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(msgspec.msgpack.encode(cache))
    temporary.replace(path)

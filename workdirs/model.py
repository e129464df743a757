"""The values of work directories: paths, entries of a tree, caps, snapshots."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NewType

import msgspec

FilePath = NewType("FilePath", bytes)
"""A path below the work directory: parts joined by `/`, any bytes but NUL. `paths.is_storable` says which."""
ObjectId = NewType("ObjectId", str)
"""The id of a git object: 40 hexadecimal digits."""

EMPTY_TREE = ObjectId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")


class EntryMode(StrEnum):
    """A file's type and mode, as git knows them."""

    FILE = "100644"
    EXECUTABLE = "100755"
    LINK = "120000"


class Entry(msgspec.Struct, frozen=True):
    """One file or link of a tree."""

    mode: EntryMode
    blob: ObjectId


Tree = Mapping[FilePath, Entry]
"""All files and links of a tree by their paths."""


class WhyUncovered(StrEnum):
    """Why a checkpoint has no content for a path, or not the content that the file has now."""

    SPECIAL = "special"  # a FIFO, a socket or a device
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    RESERVED_NAME = "reserved_name"  # `.GIT` and other names that git would take for its own
    TOO_DEEP = "too_deep"  # a path longer than the system takes, or too many nested repositories


class Uncovered(msgspec.Struct, frozen=True):
    """A path that a checkpoint names but does not hold. A restore never deletes or overwrites it."""

    path: FilePath
    why: WhyUncovered
    size: int = 0


class Caps(msgspec.Struct, frozen=True):
    """How much one checkpoint, and all of a project, may hold."""

    max_file_bytes: int = 10 * 1024 * 1024
    max_files: int = 200_000
    max_store_bytes: int = 5 * 1024 * 1024 * 1024


class Coverage(msgspec.Struct, frozen=True):
    """The facts of a checkpoint beside its tree. They are kept in the commit, so that the commit is enough."""

    files: int = 0
    usual: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Permission bits of most files, by `EntryMode`: git keeps one bit only."""
    modes: Mapping[FilePath, int] = msgspec.field(default_factory=dict)
    """Permission bits of the other files."""
    directories: Mapping[FilePath, int] = msgspec.field(default_factory=dict)
    """Permission bits of directories that are not the usual ones."""
    uncovered: Sequence[Uncovered] = ()
    moving: Sequence[FilePath] = ()
    """Files that changed while they were read. They are stored as last read."""
    nested: Sequence[FilePath] = ()
    """Repositories inside the work tree. Their files are covered, their `.git` never is."""
    excludes: Mapping[FilePath, str] = msgspec.field(default_factory=dict)
    """The rules of the user's file and of `info/exclude` by repository; the empty path is the work tree itself.

    No tree holds them.
    """
    is_partial: bool = False
    """Whether git warned of something that is not understood: the tree may lack files."""


class Snapshot(msgspec.Struct, frozen=True):
    """A work tree as it was stored: one commit without parents, kept alive by one ref."""

    commit: ObjectId
    tree: ObjectId
    ref: str
    coverage: Coverage
    stored_bytes: int = 0
    """Bytes of the files that were new to the store."""
    is_new: bool = True
    """False if nothing changed: commit and ref are those of the snapshot before."""

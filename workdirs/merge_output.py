"""Parse the output of `git merge-tree --write-tree -z --messages`.

Format: git documentation, git-merge-tree, OUTPUT. The exit code alone does not tell a conflict from a revision
that does not exist (both are 1), so the first field decides: it is a tree id only if git merged something.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

# 40 digits with SHA-1, 64 with SHA-256.
_OBJECT_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ENTRY = re.compile(rb"([0-7]{6}) ([0-9a-f]{40,64}) ([123])\t(.+)", re.DOTALL)
_COUNT = re.compile(rb"[0-9]{1,6}")
_SHORT_TYPE = re.compile(r"CONFLICT \((.+)\)", re.DOTALL)
_MOST_TEXT = 500


class ConflictKind(StrEnum):
    """The kinds of conflict, in git's own words. An unknown one is `OTHER`."""

    CONTENTS = "contents"
    BINARY = "binary"
    FILE_DIRECTORY = "file/directory"
    DISTINCT_MODES = "distinct modes"
    MODIFY_DELETE = "modify/delete"
    RENAME_RENAME = "rename/rename"
    RENAME_DELETE = "rename/delete"
    RENAME_COLLIDES = "rename involved in collision"
    DIRECTORY_RENAME = "directory rename suggested"
    FILE_IN_THE_WAY = "file in way of directory rename"
    SUBMODULE = "submodule"
    SUBMODULE_RESOLVABLE = "submodule with possible resolution"
    SUBMODULE_NOT_INITIALIZED = "submodule not initialized"
    SUBMODULE_HISTORY = "submodule history not available"
    SUBMODULE_REWINDS = "submodule may have rewinds"
    SUBMODULE_NO_BASE = "submodule lacks merge base"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> "ConflictKind | None":
        return cls.OTHER if isinstance(value, str) else None


class Side(msgspec.Struct, frozen=True):
    """One version of a path that is in conflict. `stage`: 1 is the base, 2 the target, 3 the source."""

    mode: int
    object_id: str
    stage: int
    path: bytes


class Conflict(msgspec.Struct, frozen=True):
    """One conflict. `paths` are the paths that it is about, the main one first; `words` is git's sentence."""

    kind: ConflictKind
    paths: tuple[bytes, ...]
    words: str


class CleanMerge(msgspec.Struct, frozen=True):
    """The merge has no conflict; `tree` is its result."""

    tree: str


class ConflictedMerge(msgspec.Struct, frozen=True):
    """The merge has conflicts. `tree` has the files with conflict markers in them."""

    tree: str
    sides: tuple[Side, ...]
    conflicts: tuple[Conflict, ...]

    @property
    def paths(self) -> tuple[bytes, ...]:
        """Every path that somebody has to look at, sorted."""
        named = {each.path for each in self.sides} | {each.paths[0] for each in self.conflicts if each.paths}
        return tuple(sorted(named))


class NothingMerged(msgspec.Struct, frozen=True):
    """git could not merge at all, for example because a revision does not exist. `words` is git's sentence."""

    words: str


MergeOutput = CleanMerge | ConflictedMerge | NothingMerged


def parse_merge_output(exit_code: int, out: bytes, said: bytes = b"") -> MergeOutput:
    """Parse the stdout of `git merge-tree`; `said` is its stderr. Never raises. Paths stay bytes."""
    fields = out.split(b"\0")
    tree = fields[0].removesuffix(b"\n")
    if exit_code not in (0, 1) or not _OBJECT_ID.fullmatch(tree):
        return NothingMerged(_text(said or out))
    if exit_code == 0:
        return CleanMerge(tree.decode())
    rest = iter(fields[1:])
    sides = tuple(_sides(rest))
    return ConflictedMerge(tree.decode(), sides, tuple(_conflicts(rest)))


def _sides(fields: Iterator[bytes]) -> Iterator[Side]:
    """Read the entries up to the empty field that ends them."""
    for field in fields:
        if not field:
            return
        found = _ENTRY.fullmatch(field)
        if found is not None:
            mode, object_id, stage, path = found.groups()
            yield Side(int(mode, 8), object_id.decode(), int(stage), path)


def _conflicts(fields: Iterator[bytes]) -> Iterator[Conflict]:
    """Read the messages: a number, that many paths, a type, a text. Notes that are no conflict are left out."""
    for count in fields:
        if not _COUNT.fullmatch(count):
            return
        paths = _taken(fields, int(count))
        kind, words = _taken(fields, 2) or (b"", b"")
        found = _SHORT_TYPE.fullmatch(_text(kind))
        # Other types, such as `Auto-merging`, are notes.
        if found is not None:
            yield Conflict(ConflictKind(found[1]), paths, _text(words))


def _taken(fields: Iterator[bytes], count: int) -> tuple[bytes, ...]:
    taken: Sequence[bytes] = [each for _, each in zip(range(count), fields, strict=False)]
    return tuple(taken) if len(taken) == count else ()


def _text(raw: bytes) -> str:
    """Return git's words as one line: paths in them may hold any bytes."""
    return " ".join(raw[:_MOST_TEXT].decode(errors="replace").split())

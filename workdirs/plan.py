"""Decides what a restore does, path by path. Pure: it gets what others looked up."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum

import msgspec

from workdirs.coverage import bits_of, directory_bits
from workdirs.model import Coverage, Entry, EntryMode, FilePath
from workdirs.paths import directories_of

Differences = Mapping[FilePath, tuple[Entry | None, Entry | None]]
"""Path -> the entry now and the entry of the target."""


class WhyLeft(StrEnum):
    """Why a restore leaves a path as it is."""

    IGNORED = "ignored"  # the target's ignore rules cover it, so the target says nothing about it
    IN_THE_WAY = "in_the_way"  # something stands there that no checkpoint holds
    UNCOVERED = "uncovered"  # one of the two checkpoints does not hold it
    CHANGED_MEANWHILE = "changed_meanwhile"  # it is not as the safety checkpoint saw it
    NOT_WRITABLE = "not_writable"  # the system refuses to write there
    CLASHES = "clashes"  # two names of the target are one name on this file system


class Write(msgspec.Struct, frozen=True):
    """Create or replace a file or link. Without `bits` a file gets those that the umask gives."""

    path: FilePath
    entry: Entry
    bits: int | None
    is_new: bool


class Delete(msgspec.Struct, frozen=True):
    """Delete a file or link."""

    path: FilePath


class SetMode(msgspec.Struct, frozen=True):
    """Change permission bits only."""

    path: FilePath
    bits: int


Step = Write | Delete | SetMode


class Left(msgspec.Struct, frozen=True):
    """A path in which the two checkpoints differ, and which stays as it is."""

    path: FilePath
    why: WhyLeft


class RestorePlan(msgspec.Struct, frozen=True):
    """All that a restore does, in order, and what it leaves."""

    steps: tuple[Step, ...]
    left: tuple[Left, ...]
    directories: Mapping[FilePath, int] = msgspec.field(default_factory=dict)
    """Permission bits of directories that may have to be made."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.steps


class Looked(msgspec.Struct, frozen=True):
    """The facts that were looked up for a plan."""

    differences: Differences
    now: Coverage
    target: Coverage
    ignored: Collection[FilePath]
    """Deleted paths that the target's ignore rules cover."""
    in_the_way: Collection[FilePath]
    """New paths where something stands that the checkpoint of now does not hold."""
    clashing: Collection[FilePath] = ()


def plan_restore(looked: Looked, scope: Collection[FilePath] | None) -> RestorePlan:
    """Return the steps that turn the tree of now into the target's, within `scope`; `None` is everything."""
    steps: list[Step] = []
    left: list[Left] = []
    untouched = {each.path for each in (*looked.now.uncovered, *looked.target.uncovered)}
    # A moving file was stored as last read, perhaps torn: nobody knows whether it is still so.
    untouched.update(looked.now.moving)
    for path, (old, new) in sorted(looked.differences.items()):
        if scope is not None and path not in scope:
            continue
        why = _why_left(path, old, new, untouched, looked)
        if why is not None:
            left.append(Left(path, why))
        elif new is None:
            steps.append(Delete(path))
        else:
            steps.append(Write(path, new, bits_of(path, new.mode, looked.target), is_new=old is None))
    steps.extend(
        step
        for step in _mode_changes(looked)
        if (scope is None or step.path in scope) and not _is_under(step.path, untouched)
    )
    written = directories_of(step.path for step in steps if isinstance(step, Write))
    known = ((each, directory_bits(each, looked.target)) for each in sorted(written))
    directories = {each: bits for each, bits in known if bits is not None}
    return RestorePlan(tuple(steps), tuple(left), directories)


def _why_left(
    path: FilePath, old: Entry | None, new: Entry | None, untouched: Collection[bytes], looked: Looked
) -> WhyLeft | None:
    if _is_under(path, untouched):
        return WhyLeft.UNCOVERED
    if new is None:
        return WhyLeft.IGNORED if path in looked.ignored else None
    if path in looked.clashing:
        return WhyLeft.CLASHES
    if old is None and path in looked.in_the_way:
        return WhyLeft.IN_THE_WAY
    return None


def _is_under(path: bytes, untouched: Collection[bytes]) -> bool:
    """Whether `path` or a directory above it is in `untouched`: an uncovered directory is named once."""
    if not untouched:
        return False
    while path:
        if path in untouched:
            return True
        path = path.rpartition(b"/")[0]
    return False


def _mode_changes(looked: Looked) -> Iterator[SetMode]:
    """Yield the files that differ in permission bits only. Usual bits do not count: they follow the umask."""
    now, target = looked.now, looked.target
    for path in sorted({*now.modes, *target.modes}):
        if path in looked.differences:
            continue
        known = now.modes.get(path, target.modes.get(path, 0))
        mode = EntryMode.EXECUTABLE if known & 0o100 else EntryMode.FILE
        wanted = bits_of(path, mode, target)
        if wanted != bits_of(path, mode, now):
            yield SetMode(path, wanted)


def clashing_names(paths: Collection[FilePath]) -> set[FilePath]:
    """Return the paths that are one and the same on a file system that ignores case."""
    folded: dict[str, list[FilePath]] = {}
    for path in paths:
        folded.setdefault(path.decode("utf-8", "surrogateescape").casefold(), []).append(path)
    return {path for several in folded.values() if len(several) > 1 for path in several}

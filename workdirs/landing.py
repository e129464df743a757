"""Land a merge: move the ref by compare-and-swap, and bring the files of a checkout along that has it.

The ref moves first: of two that land at once, one wins and the other is told. Then the checkout, if there is
one, gets the changed files. A crash in between is finished by `bring_along`, which may be repeated. The files
are written by us and not by git, so that no filter or hook of the repository runs.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from faults import crash_point
from workdirs.apply import Applier, remove_temporaries
from workdirs.conversions import find_conversions
from workdirs.disk_modes import DiskModes
from workdirs.errors import GitFailed, MergeBlocked, RefMoved
from workdirs.file_reading import Content, NotThere, blob_id, known_as, read_file
from workdirs.git import run
from workdirs.in_the_way import is_in_the_way
from workdirs.merge_choices import WhyBlocked
from workdirs.merge_room import MergeRoom
from workdirs.model import Entry, EntryMode, FilePath, ObjectId
from workdirs.paths import WorkTree, check
from workdirs.plan import Delete, Step, Write
from workdirs.repository import Operation, Repository, open_repository, read_state
from workdirs.stat_cache import Known

_MOST_BYTES = 1 << 30
_BATCH = 32
_ZERO = "0" * 40
_REBASED = ("rebase-merge/head-name", "rebase-apply/head-name", "rebase-merge/update-refs")


class Blocked(msgspec.Struct, frozen=True):
    """A path of the merge that is not clean where the target is checked out."""

    path: FilePath
    why: WhyBlocked


class Landing(msgspec.Struct, frozen=True):
    """The move of the full ref `target` from commit `old` to commit `new`. Undo is the move back."""

    target: str
    old: ObjectId
    new: ObjectId

    @property
    def back(self) -> "Landing":
        """The move back."""
        return Landing(self.target, self.new, self.old)


def find_checkout(room: MergeRoom, target: str) -> Repository | None:
    """Return the work tree that has `target` checked out, or None."""
    for place, lines in _work_trees(room):
        if b"branch " + os.fsencode(target) in lines:
            return open_repository(place)
    return None


def blocked_by(room: MergeRoom, landing: Landing) -> list[Blocked]:
    """Return the paths that keep the move from landing, sorted; none if the target is checked out nowhere.

    Raises `MergeBlocked` if the checkout is in the middle of an operation, or locked by another git.
    """
    checkout = find_checkout(room, landing.target)
    if checkout is None:
        _refuse_if_rebased(room, landing.target)
        return []
    state = read_state(checkout)
    if state.operation is not None:
        raise MergeBlocked(f"a {state.operation} is not finished in the target's directory")
    if state.is_locked:
        raise MergeBlocked("another git works in the target's directory (index.lock exists)")
    changes = _changes(room, landing)
    converted = find_conversions(checkout, changes)
    filtered = converted.programs | converted.to_crlf
    index, disk = _index(checkout), _Disk(WorkTree(checkout.work_tree), DiskModes(checkout), _leaving(changes))
    with disk.tree:
        found = (_blocked(disk, path, old, index, filtered) for path, (old, _) in changes.items())
        return sorted((each for each in found if each is not None), key=lambda each: each.path)


def move_ref(room: MergeRoom, landing: Landing) -> None:
    """Move the ref. Raises `RefMoved` unless it is still at `landing.old`."""
    move_ref_of(room, landing.target, landing.new, landing.old)
    crash_point("merge.ref_moved")


def move_ref_of(room: MergeRoom, ref: str, new: ObjectId, old: ObjectId) -> None:
    """Move any ref from `old` to `new`. Raises `RefMoved` if it is elsewhere, or locked by another git."""
    try:
        run(room.repository.call("update-ref", ref, new, old))
    except GitFailed as error:
        raise RefMoved(ref) from error


def bring_along(room: MergeRoom, landing: Landing, token: str) -> list[FilePath]:
    """Write the changed files into the checkout of the target. Return those left alone: they changed meanwhile.

    The ref has moved already. A repeat after a crash goes on where it was cut.
    """
    checkout = find_checkout(room, landing.target)
    if checkout is None:
        return []
    changes = _changes(room, landing)
    modes = DiskModes(checkout)
    with WorkTree(checkout.work_tree) as tree:
        # The temporary file of a killed run would be in the way: a new one is made with `O_EXCL`.
        remove_temporaries(tree, list(changes), token)
        seen, steps, left = _steps(_Disk(tree, modes, _leaving(changes)), changes)
        applied = Applier(tree, seen, token).apply(tuple(steps), lambda wanted: _contents(room, wanted))
    left += [each.path for each in applied.left]
    # Files before the index: after a kill in between git shows them as changed, and the repeat goes on there.
    _update_index(checkout, changes, set(left))
    return sorted(left)


def _work_trees(room: MergeRoom) -> Iterator[tuple[Path, list[bytes]]]:
    """Yield the places of all work trees, each with its lines of `git worktree list`."""
    listed = run(room.repository.call("worktree", "list", "--porcelain", "-z")).out
    for record in listed.split(b"\0\0"):
        lines = record.split(b"\0")
        if lines[0].startswith(b"worktree "):
            yield Path(os.fsdecode(lines[0].removeprefix(b"worktree "))), lines


def _refuse_if_rebased(room: MergeRoom, target: str) -> None:
    """Raise `MergeBlocked` if a rebase is going to move `target` at its end.

    HEAD is detached until then, so that the branch seems to be checked out nowhere.
    """
    for place, _ in _work_trees(room):
        checkout = open_repository(place)
        if checkout is None or read_state(checkout).operation is not Operation.REBASE:
            continue
        for name in _REBASED:
            with suppress(OSError):
                if os.fsencode(target) in (checkout.git_dir / name).read_bytes().splitlines():
                    raise MergeBlocked("the target is being rebased")


# --- what changes ---------------------------------------------------------------------------------------

Changes = Mapping[FilePath, tuple[Entry | None, Entry | None]]


def _changes(room: MergeRoom, landing: Landing) -> Changes:
    options = ("-r", "-z", "--raw", "--no-renames", "--full-index", "--no-ext-diff")
    answer = room.run("diff-tree", *options, f"{landing.old}^{{tree}}", f"{landing.new}^{{tree}}")
    fields = answer.out.split(b"\0")
    changes: dict[FilePath, tuple[Entry | None, Entry | None]] = {}
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_blob, new_blob, _ = head[1:].decode().split(" ")
        if "160000" in (old_mode, new_mode):
            raise MergeBlocked("it changes a submodule, which only git itself can land")
        changes[check(path)] = (_entry(old_mode, old_blob), _entry(new_mode, new_blob))
    return changes


def _entry(mode: str, blob: str) -> Entry | None:
    return None if mode == "000000" else Entry(EntryMode(mode), ObjectId(blob))


def _contents(room: MergeRoom, wanted: Sequence[tuple[FilePath, ObjectId]]) -> Iterator[tuple[FilePath, bytes]]:
    for begin in range(0, len(wanted), _BATCH):
        batch = wanted[begin : begin + _BATCH]
        answer = room.run("cat-file", "--batch", stdin=b"".join(b"%s\n" % blob.encode() for _, blob in batch))
        position = 0
        for path, blob in batch:
            # This first line has an id, a type and a size: 200 bytes are plenty.
            head, _, _ = answer.out[position : position + 200].partition(b"\n")
            size = int(head.split()[2]) if head.split()[1:2] == [b"blob"] else -1
            start = position + len(head) + 1
            data = answer.out[start : start + size]
            if size < 0 or blob_id(data).hex() != blob:
                raise MergeBlocked("the repository is damaged: an object is not what its id says")
            yield path, data
            position = start + size + 1


# --- what is in the way ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Disk:
    """The files of a checkout, with the modes that they can have there. `leaving` are paths to be deleted."""

    tree: WorkTree
    modes: DiskModes
    leaving: frozenset[FilePath]


def _blocked(
    disk: _Disk,
    path: FilePath,
    old: Entry | None,
    index: Mapping[bytes, Entry | None],
    filtered: frozenset[bytes],
) -> Blocked | None:
    # git would write other bytes than those in the commit, and its programs do not run here.
    if path in filtered:
        return Blocked(path, WhyBlocked.FILTERED)
    if index.get(path) != old:
        return Blocked(path, WhyBlocked.STAGED)
    if _now(disk, path, old) == old and not (old is None and is_in_the_way(disk.tree, path, disk.leaving)):
        return None
    return Blocked(path, WhyBlocked.IN_THE_WAY if old is None else WhyBlocked.CHANGED)


class _Unknown(msgspec.Struct, frozen=True):
    """Something lies there that is no file or link that can be read."""


def _now(disk: _Disk, path: FilePath, recorded: Entry | None) -> Entry | _Unknown | None:
    """Return the file or link at `path`; None also for a directory. It has the mode that git records."""
    reading = read_file(disk.tree, path, _MOST_BYTES, patient=False)
    match reading:
        case Content(known=known):
            mode = disk.modes.recorded(_mode(known.mode), recorded.mode if recorded is not None else None)
            return Entry(mode, ObjectId(known.blob.hex()))
        case NotThere():
            return None
        case _:
            return _Unknown()


def _leaving(changes: Changes) -> frozenset[FilePath]:
    return frozenset(path for path, (_, new) in changes.items() if new is None)


def _mode(mode: int) -> EntryMode:
    if stat.S_ISLNK(mode):
        return EntryMode.LINK
    return EntryMode.EXECUTABLE if mode & 0o100 else EntryMode.FILE


def _index(checkout: Repository) -> dict[bytes, Entry | None]:
    """Return the entries of the index; None for an entry that is in conflict or a submodule."""
    entries: dict[bytes, Entry | None] = {}
    for line in run(checkout.call("ls-files", "-s", "-z")).out.split(b"\0"):
        head, _, path = line.partition(b"\t")
        if path:
            mode, blob, stage = head.decode().split(" ")
            is_plain = stage == "0" and mode != "160000"
            entries[path] = Entry(EntryMode(mode), ObjectId(blob)) if is_plain else None
    return entries


# --- bringing files along -------------------------------------------------------------------------------


def _steps(disk: _Disk, changes: Changes) -> tuple[dict[bytes, Known], list[Step], list[FilePath]]:
    """Return how each file looks, the steps still to do, and the paths that are neither old nor new."""
    seen: dict[bytes, Known] = {}
    steps: list[Step] = []
    left: list[FilePath] = []
    for path, (old, new) in changes.items():
        # A run that was killed did this one.
        if _now(disk, path, new) == new:
            continue
        now = _now(disk, path, old)
        if now != old or (old is None and is_in_the_way(disk.tree, path, disk.leaving)):
            left.append(path)
            continue
        found = disk.tree.stat(path)
        if found is not None and isinstance(now, Entry):
            seen[path] = known_as(found, bytes.fromhex(now.blob))
        if new is None:
            steps.append(Delete(path))
        else:
            entry = Entry(disk.modes.written(new.mode), new.blob)
            steps.append(Write(path, entry, _bits(entry.mode, found), is_new=old is None))
    return seen, steps, left


def _bits(mode: EntryMode, found: os.stat_result | None) -> int | None:
    """Return the permission bits of a file to write: those of the file that it replaces, else the umask's."""
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    bits = stat.S_IMODE(found.st_mode) & 0o777
    # A program may be run by all who may read it, as under the umask.
    return bits | (bits & 0o444) >> 2 if mode is EntryMode.EXECUTABLE else bits & ~0o111


def _update_index(checkout: Repository, changes: Changes, left: set[FilePath]) -> None:
    """Put the new entries into the checkout's index; other entries, staged ones included, stay."""
    lines = []
    for path, (_, new) in changes.items():
        if path in left:
            continue
        mode, blob = (new.mode.value, new.blob) if new is not None else ("0", _ZERO)
        lines.append(f"{mode} {blob}\t".encode() + path + b"\0")
    if not lines:
        return
    index = checkout.git_dir / "index"
    before = index.stat() if index.is_file() else None
    run(checkout.call("update-index", "-z", "--index-info", stdin=b"".join(lines)))
    # git trusts the time of an unchanged file only if the index is younger. An edit in the second of the last
    # look was still seen; it would not be any more with the time of now. The new entries have no times.
    if before is not None:
        os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))

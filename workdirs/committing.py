"""Commit what a branch's directory has beyond its last commit, without its filters, hooks and signatures.

The tree of a checkpoint becomes the commit. That is right only where git would store the very same bytes: with
filters, converted line ends, submodules or sparse checkouts it refuses, and Claude can commit there by itself.
"""

from collections.abc import Collection, Mapping

import msgspec
from msgspec.structs import replace

from workdirs.conversions import find_conversions
from workdirs.disk_modes import DiskModes
from workdirs.errors import CommitRefused
from workdirs.git import run
from workdirs.landing import move_ref_of
from workdirs.merge_room import MergeRoom, Signature
from workdirs.model import Entry, EntryMode, FilePath, ObjectId, WhyUncovered
from workdirs.repository import read_state
from workdirs.store import Store

_MOST_CHANGES = 20_000
_FILE_MODES = frozenset(EntryMode)
_NO_BLOB = "0" * 40


def has_uncommitted(room: MergeRoom, snapshot: ObjectId) -> bool:
    """Whether the directory of `room.repository`, as in `snapshot`, differs from its last commit."""
    return bool(_changed(room, snapshot).entries)


def count_uncommitted(room: MergeRoom, snapshot: ObjectId) -> int:
    """Return how many files of the directory, as in `snapshot`, differ from its last commit."""
    return len(_changed(room, snapshot).entries)


def tree_to_commit(room: MergeRoom, snapshot: ObjectId) -> str:
    """Return the tree that `commit_all` would commit. Writes into our store only."""
    return _tree(replace(room, lands=False), snapshot, _changed(room, snapshot))


def commit_all(room: MergeRoom, snapshot: ObjectId, message: str, signature: Signature) -> ObjectId:
    """Commit the files of `snapshot`, a checkpoint of the directory taken just now. Return the new commit.

    Returns the last commit if nothing changed. Raises `CommitRefused`, `RefMoved`, `GitFailed`.
    """
    repository = room.repository
    state = read_state(repository)
    if state.head is None or not state.branch:
        raise CommitRefused("no branch is checked out there")
    if state.operation is not None or state.is_locked:
        raise CommitRefused("git is in the middle of something there")
    changed = _changed(room, snapshot)
    if not changed.entries:
        return state.head
    _refuse_if_unsure(room, room.store, snapshot, changed.entries)
    # A pack of what their repository lacks, from our store.
    trial = replace(room, lands=False)
    tree = _tree(trial, snapshot, changed)
    wanted = f"{tree}\n--not\n{state.head}\n".encode()
    packed = trial.run("pack-objects", "--revs", "--stdout", "-q", stdin=wanted)
    landing = replace(room, lands=True)
    landing.run("unpack-objects", "-q", stdin=packed.out)
    commit = landing.commit(tree, (state.head,), message, signature)
    # Objects before the ref: after a kill in between nothing names them, and git's own `gc` removes them.
    move_ref_of(room, f"refs/heads/{state.branch}", commit, state.head)
    # Without this, git would show the commit's changes as staged in reverse.
    run(repository.call("read-tree", commit))
    return commit


class _Changed(msgspec.Struct, frozen=True):
    """The paths that differ from the last commit, with the entries that git would record; None is a deletion.

    `as_stored`: the tree of the checkpoint has all modes that git would record.
    """

    entries: Mapping[FilePath, Entry | None]
    as_stored: bool


def _changed(room: MergeRoom, snapshot: ObjectId) -> _Changed:
    options = ("-r", "-z", "--raw", "--no-renames", "--full-index", "--no-ext-diff")
    head = room.tip("HEAD")
    if head is None:
        raise CommitRefused("the repository has no commit yet")
    answer = replace(room, lands=False).run("diff-tree", *options, f"{head}^{{tree}}", f"{snapshot}^{{tree}}")
    modes, as_stored = DiskModes(room.repository), True
    fields = answer.out.split(b"\0")
    entries: dict[FilePath, Entry | None] = {}
    for line, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, old_blob, new_blob, _ = line[1:].decode().split(" ")
        if new_mode == "000000":
            entries[FilePath(path)] = None
            continue
        known = EntryMode(old_mode) if old_mode in _FILE_MODES else None
        mode = modes.recorded(EntryMode(new_mode), known)
        as_stored = as_stored and mode == new_mode
        if (mode, new_blob) != (known, old_blob):
            entries[FilePath(path)] = Entry(mode, ObjectId(new_blob))
    return _Changed(entries, as_stored)


def _tree(trial: MergeRoom, snapshot: ObjectId, changed: _Changed) -> str:
    """Return the tree of the checkpoint, with the modes that git would record."""
    if changed.as_stored:
        return trial.run("rev-parse", "--verify", f"{snapshot}^{{tree}}").text
    store = trial.store
    index = store.directory / f"committing-{snapshot}.index"
    # Mode 0 takes a path out of the index (git-update-index, "Using --index-info").
    lines = [
        (f"{entry.mode} {entry.blob}" if entry is not None else f"0 {_NO_BLOB}").encode() + b"\t" + path + b"\0"
        for path, entry in changed.entries.items()
    ]
    try:
        # From the last commit on: entries that did not change keep the modes that git knows.
        trial.run("read-tree", trial.tip("HEAD") or "", index=index)
        trial.run("update-index", "-z", "--index-info", stdin=b"".join(lines), index=index)
        return trial.run("write-tree", index=index).text
    finally:
        index.unlink(missing_ok=True)


def _refuse_if_unsure(room: MergeRoom, store: Store, snapshot: ObjectId, changed: Collection[FilePath]) -> None:
    """Raise `CommitRefused` where the tree of the checkpoint may not be the tree that git would make."""
    coverage = store.coverage(snapshot)
    # git would record a repository inside as a commit, without its files.
    if coverage.nested:
        raise CommitRefused("it has repositories inside")
    # FIFOs and sockets do not count: git would not commit them either.
    if coverage.is_partial or any(each.why is not WhyUncovered.SPECIAL for each in coverage.uncovered):
        raise CommitRefused("some of its files are in no checkpoint")
    if coverage.moving:
        raise CommitRefused("some of its files are being written right now")
    if len(changed) > _MOST_CHANGES:
        raise CommitRefused("too many files changed")
    _refuse_by_index(room, changed)
    converted = find_conversions(room.repository, list(changed))
    if converted.programs:
        raise CommitRefused("files of it go through a filter")
    tree = store.tree(snapshot)
    suspects = [(path, tree[path].blob) for path in changed if path in converted.from_crlf and path in tree]
    # The other files have no CRLF now, so a commit stores them as they are.
    if any(b"\r\n" in data for _, data in store.blobs(suspects)):
        raise CommitRefused("files of it would get other line ends in a commit")


def _refuse_by_index(room: MergeRoom, changed: Collection[FilePath]) -> None:
    """Raise `CommitRefused` for marks in the index that a tree cannot hold."""
    for line in run(room.repository.call("ls-files", "-s", "-v", "-z")).out.split(b"\0"):
        head, _, path = line.partition(b"\t")
        # Format: git-ls-files, `-v`. S: not checked out, M: in conflict, a small letter: assumed to be
        # unchanged.
        if head[:1] in (b"S", b"s") or head[2:8] == b"160000":
            raise CommitRefused("it has submodules, or only a part of the files is checked out")
        if head[:1] == b"M":
            raise CommitRefused("a conflict in it is not resolved")
        if head[:1].islower() and path in changed:
            raise CommitRefused("a changed file of it is marked as unchanged for git (assume-unchanged)")

"""Commit what a branch's directory has beyond its last commit, without its filters, hooks and signatures.

The tree of a checkpoint becomes the commit. That is right only where git would store the very same bytes: with
filters, converted line ends, submodules or sparse checkouts it refuses, and Claude can commit there by itself.
"""

from msgspec.structs import replace

from workdirs.conversions import find_conversions
from workdirs.errors import CommitRefused
from workdirs.git import run
from workdirs.landing import move_ref_of
from workdirs.merge_room import MergeRoom, Signature
from workdirs.model import FilePath, ObjectId, WhyUncovered
from workdirs.repository import read_state
from workdirs.store import Store

_MOST_CHANGES = 20_000


def has_uncommitted(room: MergeRoom, snapshot: ObjectId) -> bool:
    """Whether the directory of `room.repository`, as in `snapshot`, differs from its last commit."""
    return bool(_changed(room, snapshot))


def count_uncommitted(room: MergeRoom, snapshot: ObjectId) -> int:
    """Return how many files of the directory, as in `snapshot`, differ from its last commit."""
    return len(_changed(room, snapshot))


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
    if not changed:
        return state.head
    _refuse_if_unsure(room, room.store, snapshot, changed)
    # A pack of what their repository lacks, from our store.
    trial = replace(room, lands=False)
    tree = trial.run("rev-parse", "--verify", f"{snapshot}^{{tree}}").text
    wanted = f"{tree}\n--not\n{state.head}\n".encode()
    packed = trial.run("pack-objects", "--revs", "--stdout", "-q", stdin=wanted)
    landing = replace(room, lands=True)
    landing.run("unpack-objects", "-q", stdin=packed.out)
    commit = landing.commit(tree, (state.head,), message, signature)
    move_ref_of(room, f"refs/heads/{state.branch}", commit, state.head)
    run(repository.call("read-tree", commit))
    return commit


def _changed(room: MergeRoom, snapshot: ObjectId) -> list[FilePath]:
    options = ("-r", "-z", "--name-only", "--no-renames", "--no-ext-diff")
    head = room.tip("HEAD")
    if head is None:
        raise CommitRefused("the repository has no commit yet")
    answer = replace(room, lands=False).run("diff-tree", *options, f"{head}^{{tree}}", f"{snapshot}^{{tree}}")
    return [FilePath(path) for path in answer.out.split(b"\0") if path]


def _refuse_if_unsure(room: MergeRoom, store: Store, snapshot: ObjectId, changed: list[FilePath]) -> None:
    """Raise `CommitRefused` where the tree of the checkpoint may not be the tree that git would make."""
    coverage = store.coverage(snapshot)
    if coverage.nested:
        raise CommitRefused("it has repositories inside")
    if coverage.is_partial or any(each.why is not WhyUncovered.SPECIAL for each in coverage.uncovered):
        raise CommitRefused("some of its files are in no checkpoint")
    if coverage.moving:
        raise CommitRefused("some of its files are being written right now")
    if len(changed) > _MOST_CHANGES:
        raise CommitRefused("too many files changed")
    listed = run(room.repository.call("ls-files", "-s", "-v", "-z")).out.split(b"\0")
    if any(line.startswith(b"S ") or b" 160000 " in b" " + line[2:9] + b" " for line in listed):
        raise CommitRefused("it has submodules, or only a part of the files is checked out")
    converted = find_conversions(room.repository, changed)
    if converted.programs:
        raise CommitRefused("files of it go through a filter")
    tree = store.tree(snapshot)
    suspects = [(path, tree[path].blob) for path in changed if path in converted.from_crlf and path in tree]
    if any(b"\r\n" in data for _, data in store.blobs(suspects)):
        raise CommitRefused("files of it would get other line ends in a commit")

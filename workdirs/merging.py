"""Merge a branch into another one of the same repository: preview, then land by compare-and-swap, then undo.

Nothing is checked out to merge. A target that somebody has checked out gets the changed files only if these
files are clean there; see `landing.py`.
"""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from workdirs.changes import ChangeKind, PathChange
from workdirs.errors import BranchGone, GitFailed, MergeImpossible
from workdirs.merge_choices import Strategy
from workdirs.merge_output import CleanMerge, Conflict, ConflictedMerge, NothingMerged, parse_merge_output
from workdirs.merge_room import MergeRoom, Signature
from workdirs.model import ObjectId

_MOST_COMMITS = 200
_USAGE = 129
"""git's exit code for an option that it does not know."""
_KINDS = {"A": ChangeKind.CREATED, "D": ChangeKind.DELETED}


class MergeWish(msgspec.Struct, frozen=True):
    """Merge `source` into `target`, both full refs. `last_merged` is the source's commit at its last squash."""

    target: str
    source: str
    strategy: Strategy
    message: str
    now_s: int
    last_merged: ObjectId | None = None


class MergePreview(msgspec.Struct, frozen=True):
    """A preview of a merge of the commits of that moment.

    With `conflicts` it cannot land. Without `files` there is nothing to merge. `result` is the resulting tree.
    """

    target: ObjectId
    source: ObjectId
    result: ObjectId
    files: tuple[PathChange, ...]
    conflicts: tuple[Conflict, ...] = ()
    conflicted: tuple[bytes, ...] = ()


class _Result(msgspec.Struct, frozen=True):
    """The tip that a merge leads to, or its conflicts."""

    tip: ObjectId
    tree: ObjectId
    conflicts: tuple[Conflict, ...] = ()
    conflicted: tuple[bytes, ...] = ()

    @property
    def has_conflicts(self) -> bool:
        return bool(self.conflicts or self.conflicted)


def preview_merge(room: MergeRoom, wish: MergeWish, source: ObjectId | None = None) -> MergePreview:
    """Return a preview of the merge. Changes nothing in the repository. Blocks.

    `source` is a commit that the source branch does not have yet. Raises `BranchGone`, `MergeImpossible` if git
    cannot merge the two at all.
    """
    target, tip = tips(room, wish)
    source = source or tip
    result = _merge(room, wish, target, source)
    files = tuple(changed_files(room, target, result.tree))
    return MergePreview(target, source, result.tree, files, result.conflicts, result.conflicted)


def write_merge(room: MergeRoom, wish: MergeWish, target: ObjectId, source: ObjectId) -> ObjectId:
    """Write the commits of the merge into the repository, and return the new tip. No ref moves.

    Raises `MergeImpossible` if it has conflicts. `room.lands` must be set.
    """
    result = _merge(room, wish, target, source)
    if result.has_conflicts:
        raise MergeImpossible("the merge has conflicts")
    return result.tip


def tips(room: MergeRoom, wish: MergeWish) -> tuple[ObjectId, ObjectId]:
    """Return the present commits of target and source. Raises `BranchGone`."""
    target, source = room.tip(wish.target), room.tip(wish.source)
    if target is None or source is None:
        raise BranchGone(wish.target if target is None else wish.source)
    return target, source


def changed_files(room: MergeRoom, old: str, new: str) -> list[PathChange]:
    """Return the files in which two commits or trees differ, with their lines."""
    options = ("-r", "-z", "--raw", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
    answer = room.run("diff-tree", *options, f"{old}^{{tree}}", f"{new}^{{tree}}")
    fields = iter(answer.out.split(b"\0"))
    kinds: dict[bytes, ChangeKind] = {}
    counts: dict[bytes, tuple[int | None, int | None]] = {}
    for field in fields:
        if field.startswith(b":"):
            kinds[next(fields)] = _KINDS.get(field[-1:].decode(), ChangeKind.CHANGED)
        elif field:
            added, removed, path = field.split(b"\t", 2)
            counts[path] = (_count(added), _count(removed))
    return [PathChange(path, kind, *counts.get(path, (None, None))) for path, kind in sorted(kinds.items())]


def _merge(room: MergeRoom, wish: MergeWish, target: ObjectId, source: ObjectId) -> _Result:
    try:
        match wish.strategy:
            case Strategy.SQUASH:
                return _squash(room, wish, target, source)
            case Strategy.MERGE:
                return _with_commit(room, wish, target, source)
            case Strategy.REBASE:
                return _rebase(room, wish, target, source)
            case _:
                assert_never(wish.strategy)
    except GitFailed as error:
        raise MergeImpossible("git could not read the commits of the two branches") from error


def _squash(room: MergeRoom, wish: MergeWish, target: ObjectId, source: ObjectId) -> _Result:
    ours = target
    if wish.last_merged is not None and _is_ancestor(room, wish.last_merged, source):
        # git takes the last squashed commit for the base: what was merged then does not conflict with itself.
        ours = room.commit(f"{target}^{{tree}}", (wish.last_merged,), "base", Signature(at_s=wish.now_s))
    merged = _trial(room, ours, source)
    if merged.has_conflicts:
        return merged
    # The target has all of it already: an empty commit would say nothing.
    if merged.tree == _tree(room, target):
        return _Result(target, merged.tree)
    return _Result(_committed(room, wish, merged.tree, (target,), source), merged.tree)


def _with_commit(room: MergeRoom, wish: MergeWish, target: ObjectId, source: ObjectId) -> _Result:
    if _is_ancestor(room, source, target):
        return _Result(target, _tree(room, target))
    merged = _trial(room, target, source)
    if merged.has_conflicts:
        return merged
    return _Result(_committed(room, wish, merged.tree, (target, source), source), merged.tree)


def _rebase(room: MergeRoom, wish: MergeWish, target: ObjectId, source: ObjectId) -> _Result:
    """Put each commit of the source on top of the target, tree by tree."""
    listed = room.run("rev-list", "--reverse", "--topo-order", "--no-merges", source, f"^{target}").text.split()
    if len(listed) > _MOST_COMMITS:
        raise MergeImpossible(f"the branch has more than {_MOST_COMMITS} commits; squash it instead")
    result = _Result(target, _tree(room, target))
    for commit in listed:
        parents = room.run("rev-list", "--parents", "-n", "1", commit).text.split()[1:]
        # A stand-in for the target with this commit's parent below: git then takes the parent for the base of
        # the merge.
        ours = room.commit(result.tree, tuple(parents[:1]), "base", Signature(at_s=wish.now_s))
        picked = _trial(room, ours, ObjectId(commit))
        if picked.has_conflicts:
            return picked
        if picked.tree == result.tree:
            continue  # the target has this change already
        tip = _picked(room, wish, commit, picked.tree, result.tip) if room.lands else target
        result = _Result(tip, picked.tree)
    return result


def _committed(
    room: MergeRoom, wish: MergeWish, tree: ObjectId, parents: tuple[ObjectId, ...], source: ObjectId
) -> ObjectId:
    """Write the commit of a merge, by the author of `source`. A trial needs none: the target stands for it."""
    if not room.lands:
        return parents[0]
    return room.commit(tree, parents, wish.message, room.author_of(source, wish.now_s))


def _picked(room: MergeRoom, wish: MergeWish, commit: str, tree: ObjectId, parent: ObjectId) -> ObjectId:
    """Write `commit` again on top of `parent`, with its author and message."""
    told = room.run("log", "-1", "--no-show-signature", "--format=%B", commit).out.decode(errors="replace")
    return room.commit(tree, (parent,), told.strip() or "(no message)", room.author_of(commit, wish.now_s))


def _trial(room: MergeRoom, ours: ObjectId, theirs: ObjectId) -> _Result:
    """Merge two commits; the result's tip is not set to a new commit yet."""
    # 128: the two have no common history.
    answer = room.run("merge-tree", "--write-tree", "-z", "--messages", ours, theirs, codes=(0, 1, 128, _USAGE))
    if answer.code == _USAGE:
        raise MergeImpossible("merging needs git 2.38 or newer on the bridge's machine")
    merged = parse_merge_output(answer.code, answer.out, answer.err)
    match merged:
        case CleanMerge(tree):
            return _Result(ours, ObjectId(tree))
        case ConflictedMerge(tree, _, conflicts):
            return _Result(ours, ObjectId(tree), conflicts, merged.paths)
        case NothingMerged():
            raise MergeImpossible("the two branches have no commit in common")
        case _:
            assert_never(merged)


def _tree(room: MergeRoom, commit: ObjectId) -> ObjectId:
    return ObjectId(room.run("rev-parse", "--verify", f"{commit}^{{tree}}").text)


def _is_ancestor(room: MergeRoom, old: ObjectId, new: ObjectId) -> bool:
    # 128: one of the commits is gone.
    return room.run("merge-base", "--is-ancestor", old, new, codes=(0, 1, 128)).code == 0


def _count(text: bytes) -> int | None:
    return None if text == b"-" else int(text)


def subjects(room: MergeRoom, target: ObjectId, source: ObjectId, limit: int = 20) -> Sequence[str]:
    """Return the first lines of the commits that the source has and the target lacks, oldest first."""
    options = ("--no-show-signature", "--reverse", f"--max-count={limit}", "--format=%s")
    answer = room.run("log", *options, source, f"^{target}")
    return [line[:200] for line in answer.out.decode(errors="replace").splitlines()]

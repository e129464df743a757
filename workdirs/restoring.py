"""Puts a work tree back to a checkpoint: look up, plan, apply, verify. Blocks; callers use a thread.

The steps of one restore: a safety snapshot of now, `look_up` and `plan_restore`, `apply_restore`, another
snapshot, `differing`. A restore that was killed is run again from a new snapshot. It then writes only the paths
that are still as the safety snapshot saw them.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec.structs import replace

from workdirs.apply import Applied, Applier, remove_temporaries
from workdirs.ignoring import ignored_by
from workdirs.in_the_way import is_in_the_way
from workdirs.model import FilePath, ObjectId
from workdirs.paths import WorkTree
from workdirs.plan import Differences, Looked, RestorePlan, SetMode, Step, clashing_names, plan_restore
from workdirs.stat_cache import load
from workdirs.store import Store


def look_up(store: Store, work_tree: Path, now: ObjectId, target: ObjectId) -> Looked:
    """Look up the facts for a plan, in the store and in the directory. Changes nothing.

    Raises `StoreMissing`, `StoreDamaged`, `GitFailed`.
    """
    differences = store.differences(now, target)
    coverage_now, coverage_target = store.coverages(now, target)
    deleted = [path for path, (_, new) in differences.items() if new is None]
    created = [path for path, (old, new) in differences.items() if old is None and new is not None]
    ignored: set[FilePath] = set()
    if deleted:
        nested = {*coverage_now.nested, *coverage_target.nested}
        ignored = ignored_by(store, store.tree(target), nested, deleted, work_tree, coverage_target.excludes)
    with WorkTree(work_tree) as tree:
        # An ignored path is not deleted, so it is in the way of what the target has there.
        in_the_way = {path for path in created if is_in_the_way(tree, path, set(deleted) - ignored)}
        clashing = _clashing(tree, store, target)
    return Looked(differences, coverage_now, coverage_target, ignored, in_the_way, clashing)


def apply_restore(store: Store, work_tree: Path, cache: str, plan: RestorePlan, token: str) -> Applied:
    """Carry out `plan`. The cache must be of the snapshot that the plan starts from.

    Raises `StoreDamaged` before anything is changed; `OSError` in the middle if the disk refuses.
    """
    seen = load(store.cache(cache)).files
    with WorkTree(work_tree, plan.directories) as tree:
        return Applier(tree, seen, token).apply(plan.steps, store.blobs)


def sweep_restore(work_tree: Path, paths: list[FilePath], token: str) -> None:
    """Delete the temporary files of a restore that was killed."""
    with WorkTree(work_tree) as tree:
        remove_temporaries(tree, paths, token)


def differing(
    store: Store, plan: RestorePlan, applied: Applied, after: ObjectId, target: ObjectId
) -> list[FilePath]:
    """Return the paths that were restored and yet are not as in the target."""
    differences: Differences = store.differences(after, target)
    left = {each.path for each in applied.left}
    return [step.path for step in plan.steps if step.path in differences and step.path not in left]


def still_as_before(differences: Differences, before: Differences) -> set[FilePath]:
    """Return the paths that a killed restore has still to do.

    `before` is from the safety snapshot to the target, `differences` from now to the target. A path that is
    neither as before nor as in the target was changed by somebody else.
    """
    return {path for path, pair in differences.items() if before.get(path) == pair}


def planned_steps(
    store: Store, work_tree: Path, safety: ObjectId, target: ObjectId, scope: Collection[FilePath] | None
) -> tuple[Step, ...]:
    """Return the steps of a killed restore from its safety snapshot to its target.

    Files that it created already must not count as in the way.
    """
    looked = look_up(store, work_tree, safety, target)
    return plan_restore(replace(looked, in_the_way=(), clashing=()), scope).steps


def already_done(planned: Sequence[Step], rest: Sequence[Step], differences: Differences) -> list[Step]:
    """Return the `planned` steps that a killed restore did.

    `rest` and `differences` are from now to the target: what is not in them is done.
    """
    modes = {step.path for step in rest if isinstance(step, SetMode)}
    return [step for step in planned if step.path not in (modes if isinstance(step, SetMode) else differences)]


def _clashing(tree: WorkTree, store: Store, target: ObjectId) -> set[FilePath]:
    """Return the names of the target that are one here. Only a file system that ignores case has any."""
    for name in os.listdir(tree.descriptor):  # noqa: PTH208 - by the descriptor
        other = name.swapcase()
        # The first name with a letter tells it for all: the same file answers to both spellings.
        if other != name:
            here, there = tree.stat(FilePath(os.fsencode(name))), tree.stat(FilePath(os.fsencode(other)))
            if here is not None and there is not None and os.path.samestat(here, there):
                return clashing_names(store.tree(target).keys())
            return set()
    return set()

"""Merge a branch's commits into the git branch that it began at: preview, merge, undo.

The row comes before the ref moves. After a crash the ref says whether the merge is finished or never was.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar

from faults import crash_point
from sessions import rows
from sessions.checkpointing import SessionCheckpoints
from sessions.errors import BranchRefused, BranchUnmerged, MergeOutdated
from sessions.own_copies import branch_of, checkpoints_of
from sessions.session import Session
from sessions.stored import MergeStatus, StoredBranch, StoredMerge
from storage import Database, Statement, UuidMaker, run_to_end
from workdirs.changes import PathChange
from workdirs.checkpoint_model import Cause, Checkpoint, Note, Place, Reason
from workdirs.committing import commit_all, has_uncommitted, tree_to_commit
from workdirs.errors import CheckpointGone, GitFailed, MergeImpossible, RefMoved, WorkdirError
from workdirs.git import run
from workdirs.landing import Blocked, Landing, blocked_by, bring_along, move_ref
from workdirs.merge_choices import Strategy
from workdirs.merge_output import Conflict
from workdirs.merge_room import MergeRoom, Signature
from workdirs.merging import MergeWish, preview_merge, subjects, write_merge
from workdirs.model import FilePath, ObjectId
from workdirs.repository import Repository, open_repository
from workdirs.store import Store

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_SHA1_DIGITS = 40

_ids = UuidMaker()


@dataclass(frozen=True, slots=True)
class MergeSeen:
    """A preview for people. `digest` names it: a merge is refused if it would be another one.

    `blocked` are files that are not clean where the target is checked out; with them or with `conflicts` it
    cannot land. `has_uncommitted`: what the branch has not committed is committed first. `message` is a draft.
    """

    branch: str
    target: str
    strategy: Strategy
    files: tuple[PathChange, ...]
    conflicts: tuple[Conflict, ...]
    conflicted: tuple[bytes, ...]
    blocked: tuple[Blocked, ...]
    subjects: tuple[str, ...]
    has_uncommitted: bool
    digest: str
    message: str


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that landed. `left` are files of the target's directory that changed in the last moment."""

    target: str
    files: int
    left: tuple[FilePath, ...]


@dataclass(frozen=True, slots=True)
class _Bench:
    """All that one merge works with. `point` is a checkpoint of the branch's directory, taken just now."""

    branch: StoredBranch
    store: Store
    parent: Repository
    child: Repository
    point: Checkpoint
    now_s: int
    title: str

    def room(self, *, lands: bool = False, child: bool = False) -> MergeRoom:
        return MergeRoom(self.store, self.child if child else self.parent, lands=lands)

    def wish(self, strategy: Strategy, message: str = "merge") -> MergeWish:
        last = ObjectId(self.branch.last_merged) if self.branch.last_merged else None
        words = f"{message.strip()}\n"
        return MergeWish(self.branch.target, self.branch.git_branch, strategy, words, self.now_s, last)


async def preview(session: Session, strategy: Strategy) -> MergeSeen:
    """Return what merging the branch would do now. Changes nothing. Raises `BranchRefused`."""
    bench = await _bench(session, Reason.COMPARE)
    return await _in_thread(_preview, bench, strategy)


async def merge(session: Session, strategy: Strategy, digest: str, *, by: str, message: str = "") -> Merged:
    """Carry out the merge that was previewed as `digest`; an empty `message` takes the draft of the preview.

    Raises `MergeOutdated` if it would be another one now, `BranchRefused` if it cannot land.
    """
    bench = await _bench(session, Reason.BEFORE_MERGE)
    checkpoints, database = checkpoints_of(session), session.around.db
    parent = Place(Path(bench.branch.parent_directory), checkpoints.place(session).project)
    # Preview, row and ref under one lock: no restore or other merge changes the target in between.
    async with checkpoints.engine.locked(parent.directory):
        seen = await _in_thread(_preview, bench, strategy)
        # Looked at once more, under the lock: a person decided on an earlier look.
        if seen.digest != digest:
            raise MergeOutdated
        if seen.conflicts or seen.conflicted or seen.blocked:
            raise BranchRefused("it has conflicts, or files are in its way; look at the preview")
        if not seen.files:
            raise BranchRefused("there is nothing to merge")
        before = await _checkpoint(checkpoints, parent, session, Reason.BEFORE_MERGE)
        words = message.strip() or seen.message
        landing, source = await _in_thread(_written, bench, strategy, words)
        row = StoredMerge(
            id=_ids.make(),
            session_id=session.id,
            target=landing.target,
            strategy=strategy,
            old_commit=landing.old,
            new_commit=landing.new,
            source_commit=source,
            merged_before=bench.branch.last_merged,
            by_user=by,
            status=MergeStatus.LANDING,
            began_ms=session.around.clock.now_ms(),
        )
        # Before the ref moves: the next start finishes a merge that was cut, or notes that it never was.
        await database.write([rows.insert_merge(row)])
        crash_point("merge.row_stored")
        left = await _land(database, bench.room(lands=True), landing, row, session.around.clock.now_ms())
        after = await _checkpoint(checkpoints, parent, session, Reason.AFTER_MERGE)
        if before is not None and after is not None:
            await checkpoints.engine.record_changes(before, after, Cause.MERGE)
    return Merged(landing.target, len(seen.files), tuple(left))


async def commit(session: Session, message: str) -> tuple[str, str]:
    """Commit what the branch's directory has beyond its last commit; return the branch's name and its commit.

    Raises `BranchRefused`.
    """
    bench = await _bench(session, Reason.COMPARE)
    checkpoints = checkpoints_of(session)
    async with checkpoints.engine.locked(Path(bench.branch.directory)):
        done = await _in_thread(_committed, bench, message)
    return bench.branch.git_branch.removeprefix("refs/heads/"), done


def _committed(bench: _Bench, message: str) -> ObjectId:
    child = bench.room(lands=True, child=True)
    signature = bench.room().author_of(child.tip("HEAD") or "HEAD", bench.now_s)
    return commit_all(child, bench.point.commit, f"{message.strip()}\n", signature)


async def undo(session: Session) -> Merged:
    """Move the target back to before the branch's last merge.

    Raises `BranchRefused` if there is none, if somebody committed since, or if files are in the way.
    """
    bench = await _bench(session, Reason.BEFORE_MERGE)
    database, checkpoints = session.around.db, checkpoints_of(session)
    row = await rows.load_last_merge(database, session.id)
    if row is None:
        raise BranchRefused("no merge of this branch can be undone")
    room = bench.room(lands=True)
    back = _landing(row).back
    async with checkpoints.engine.locked(Path(bench.branch.parent_directory)):
        blocked = await _in_thread(blocked_by, room, back)
        if blocked:
            raise BranchRefused(f"{len(blocked)} files of it have changes that no commit has")
        now_ms = session.around.clock.now_ms()
        # Before the ref moves: the next start finishes an undo that was cut.
        await database.write([rows.set_merge_status(row.id, MergeStatus.UNDOING, now_ms)])
        left = await _undo(database, room, back, row, now_ms)
    return Merged(row.target, 0, tuple(left))


async def refuse_if_unmerged(session: Session) -> None:
    """Raise `BranchUnmerged` if the branch has commits that are merged nowhere, or files that no commit has.

    A plain copy counts as unmerged if its files differ from those that it began with. Raises `BranchRefused`,
    `CheckpointRefused` if that cannot be found out.
    """
    branch, checkpoints = await branch_of(session), checkpoints_of(session)
    if not Path(branch.directory).is_dir():
        return  # somebody removed it by hand; its commits are archived with it
    if not branch.git_branch:
        now = await checkpoints.take(session, Reason.COMPARE)
        begin = await _beginning(checkpoints, branch)
        if begin is None or begin.tree != now.tree:
            raise BranchUnmerged("its files are not those that it began with, and a plain copy merges nowhere")
        return
    bench = await _bench(session, Reason.COMPARE, needs_target=False)
    try:
        commits, has_changes = await _in_thread(_unmerged, bench)
    except BranchRefused as error:
        # Not known counts as unmerged: then a person decides.
        raise BranchUnmerged("it cannot be found out whether all of the branch is merged") from error
    what = [f"{commits} commit{'' if commits == 1 else 's'} that no other branch has"] if commits else []
    what += ["changes that no commit has"] if has_changes else []
    if what:
        raise BranchUnmerged(f"the branch has {' and '.join(what)}")


async def finish_cut_merges(db: Database, checkpoints: SessionCheckpoints) -> None:
    """Finish merges and undos whose ref has moved, and note the others as not done; for the start."""
    for row in await rows.load_cut_merges(db):
        landing, now_ms = _landing(row), checkpoints.engine.now_ms()
        wanted = landing if row.status is MergeStatus.LANDING else landing.back
        try:
            branch = await rows.load_branch(db, row.session_id)
            parent = await asyncio.to_thread(open_repository, Path(branch.parent_directory)) if branch else None
            if branch is None or parent is None:
                continue
            point = await checkpoints.engine.load(branch.checkpoint)
            room = MergeRoom(await checkpoints.engine.store_of(point), parent, lands=True)
            has_moved = await asyncio.to_thread(room.tip, row.target) == wanted.new
            if has_moved:
                await asyncio.to_thread(bring_along, room, wanted, row.id)
        except (WorkdirError, OSError) as error:
            # The row stays as it is, so the next start tries again.
            log.warning("merge not finished", extra={"session": row.session_id, "why": type(error).__name__})
            continue
        if row.status is MergeStatus.LANDING:
            await db.write(_landed(row, now_ms) if has_moved else [_status(row, MergeStatus.FAILED, now_ms)])
        else:
            await db.write(_undone(row, now_ms) if has_moved else [_status(row, MergeStatus.LANDED, now_ms)])


# --- steps ----------------------------------------------------------------------------------------------


async def _bench(session: Session, reason: Reason, *, needs_target: bool = True) -> _Bench:
    branch, checkpoints = await branch_of(session), checkpoints_of(session)
    if not branch.git_branch:
        raise BranchRefused("its files are a plain copy without git, which cannot be merged")
    if needs_target and not branch.target:
        raise BranchRefused("it began while no git branch was checked out, so it has no target")
    point = await checkpoints.take(session, reason)
    parent = await asyncio.to_thread(open_repository, Path(branch.parent_directory))
    child = await asyncio.to_thread(open_repository, Path(branch.directory))
    if parent is None or child is None:
        raise BranchRefused("the repository of the branch is gone")
    now_s = session.around.clock.now_ms() // 1000
    store, title = await checkpoints.engine.store_of(point), session.snapshot.title
    return _Bench(branch, store, parent, child, point, now_s, title)


async def _in_thread(step: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """Run a blocking step. Its errors become `BranchRefused`, in the words of the step."""
    try:
        # Most steps run under the lock of a directory, and some write there.
        return await run_to_end(step, *arguments, **more)
    except GitFailed as error:
        log.warning("git failed", extra={"command": error.command, "code": error.code})
        raise BranchRefused("git refused; the log says why") from error
    except RefMoved as error:
        raise MergeOutdated from error
    except (WorkdirError, OSError) as error:
        raise BranchRefused(str(error) if isinstance(error, WorkdirError) else "the disk refused") from error


async def _beginning(checkpoints: SessionCheckpoints, branch: StoredBranch) -> Checkpoint | None:
    try:
        return await checkpoints.engine.load(branch.checkpoint)
    except CheckpointGone:
        return None


def _unmerged(bench: _Bench) -> tuple[int, bool]:
    """Return the number of commits that no other branch, tag or earlier merge has, and whether it is dirty."""
    branch = bench.branch
    # A squash leaves no common ancestor: what the last one took counts as merged.
    known = (branch.last_merged,) if branch.last_merged else ()
    others = (f"--exclude={branch.git_branch.removeprefix('refs/heads/')}", "--branches", "--tags", "--remotes")
    call = bench.child.call("rev-list", "--count", branch.git_branch, "--not", *known, *others)
    return int(run(call).text), has_uncommitted(bench.room(child=True), bench.point.commit)


def _preview(bench: _Bench, strategy: Strategy) -> MergeSeen:
    from sessions.merge_message import UNCOMMITTED, merge_message

    trial, wish = bench.room(), bench.wish(strategy)
    if len(trial.tip(wish.target) or "") > _SHA1_DIGITS:
        raise MergeImpossible("the repository has SHA-256 ids, which only git itself can merge; merge by hand")
    source = trial.tip(wish.source)
    uncommitted = has_uncommitted(bench.room(child=True), bench.point.commit)
    if uncommitted and source is not None:
        # A commit in our own store, so that the preview shows what the branch has not committed, too.
        tree = tree_to_commit(bench.room(child=True), bench.point.commit)
        source = trial.commit(tree, (source,), UNCOMMITTED, Signature(at_s=bench.now_s))
    seen = preview_merge(trial, wish, source)
    blocked: list[Blocked] = []
    if not seen.conflicts and seen.files:
        blocked = blocked_by(trial, Landing(wish.target, seen.target, seen.result))
    # A squash leaves the branch's commits out of the target: the earlier ones are in the last merge.
    since = wish.last_merged if strategy is Strategy.SQUASH and wish.last_merged else seen.target
    found = tuple(subjects(trial, since, seen.source))
    branch = wish.source.removeprefix("refs/heads/")
    # Everything that decides the result: if any of it changes, the merge is another one.
    facts = (seen.target, bench.point.tree, trial.tip(wish.source) or "", strategy, bench.branch.last_merged)
    return MergeSeen(
        branch=branch,
        target=wish.target.removeprefix("refs/heads/"),
        strategy=strategy,
        files=seen.files,
        conflicts=seen.conflicts,
        conflicted=seen.conflicted,
        blocked=tuple(blocked),
        subjects=found,
        has_uncommitted=uncommitted,
        digest=sha256("\0".join(facts).encode()).hexdigest()[:16],
        message=merge_message(strategy, branch, bench.title, found),
    )


def _written(bench: _Bench, strategy: Strategy, message: str) -> tuple[Landing, ObjectId]:
    """Commit what the branch has not committed, and write the merge; the target's ref has not moved yet."""
    from sessions.merge_message import in_progress

    child = bench.room(lands=True, child=True)
    head = child.tip("HEAD")
    signature = bench.room().author_of(head or "HEAD", bench.now_s)
    words = f"{in_progress(bench.branch.git_branch.removeprefix('refs/heads/'))}\n"
    source = commit_all(child, bench.point.commit, words, signature)
    room, wish = bench.room(lands=True), bench.wish(strategy, message)
    target = room.tip(wish.target)
    if target is None:
        raise BranchRefused("its target does not exist any more")
    return Landing(wish.target, target, write_merge(room, wish, target, source)), source


async def _land(
    db: Database, room: MergeRoom, landing: Landing, row: StoredMerge, now_ms: int
) -> list[FilePath]:
    try:
        await _in_thread(move_ref, room, landing)
    except (MergeOutdated, BranchRefused):
        # The ref has not moved, so nothing landed.
        await db.write([_status(row, MergeStatus.FAILED, now_ms)])
        raise
    left = await _in_thread(bring_along, room, landing, row.id)
    await db.write(_landed(row, now_ms))
    return left


async def _undo(db: Database, room: MergeRoom, back: Landing, row: StoredMerge, now_ms: int) -> list[FilePath]:
    try:
        await _in_thread(move_ref, room, back)
    except (MergeOutdated, BranchRefused) as error:
        await db.write([_status(row, MergeStatus.LANDED, now_ms)])
        raise BranchRefused("somebody committed to the target since") from error
    left = await _in_thread(bring_along, room, back, row.id)
    await db.write(_undone(row, now_ms))
    return left


async def _checkpoint(
    checkpoints: SessionCheckpoints, place: Place, session: Session, reason: Reason
) -> Checkpoint | None:
    """Take a checkpoint of the target's directory, whose lock is held; None if that fails."""
    try:
        note = Note(session.id, session.snapshot.last_turn or "", reason, "merge")
        return await checkpoints.engine.take_locked(place, note)
    except WorkdirError:
        return None


def _landing(row: StoredMerge) -> Landing:
    return Landing(row.target, ObjectId(row.old_commit), ObjectId(row.new_commit))


def _status(row: StoredMerge, status: MergeStatus, now_ms: int) -> Statement:
    return rows.set_merge_status(row.id, status, now_ms)


def _landed(row: StoredMerge, now_ms: int) -> list[Statement]:
    return [
        _status(row, MergeStatus.LANDED, now_ms),
        rows.set_last_merged(row.session_id, row.source_commit),
    ]


def _undone(row: StoredMerge, now_ms: int) -> list[Statement]:
    return [_status(row, MergeStatus.UNDONE, now_ms), rows.set_last_merged(row.session_id, row.merged_before)]

"""Branches with files of their own: make their directories, remove them, and finish what a crash cut.

The row comes before the directory, and the session after it. So a start knows every directory that was begun.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from faults import crash_point
from sessions import events as e
from sessions import rows
from sessions.checkpointing import SessionCheckpoints
from sessions.dependencies import Dependencies
from sessions.draft import Draft
from sessions.errors import BranchRefused, CheckpointRefused, IllegalMove
from sessions.model import SessionId, Trust
from sessions.session import Session
from sessions.session_port import SessionPort
from sessions.snapshot import Snapshot
from sessions.stored import BranchStatus, StoredBranch
from sessions.topics import Topic
from sessions.work_directory import BRANCHES
from storage import Database, run_to_end
from workdirs.checkpoint_model import Checkpoint, Note, Place, Reason
from workdirs.directories import (
    DirectoryWish,
    MadeDirectory,
    begin_branch_directory,
    branch_name,
    drop_branch_directory,
    find_left_over,
    finish_branch_directory,
    make_branch_directory,
    remove_branch_directory,
)
from workdirs.errors import WorkdirError
from workdirs.quoting import quoted
from workdirs.repository import open_repository, read_state
from workdirs.rows import load_newest

log = logging.getLogger(__name__)

_MOST_OF_A_NAME = 100
_MOST_NAMED = 5
_ARCHIVE = "refs/bridge/archive/"


@dataclass(frozen=True, slots=True)
class OwnCopy:
    """The directory of a new branch, with what the session's first change has to store.

    `set_up` are commands that would install its dependencies. None is run before somebody says so.
    """

    branch: StoredBranch
    made: MadeDirectory
    keeps_out_of: tuple[str, ...]
    set_up: tuple[str, ...] = ()

    def put_on(self, draft: Draft) -> None:
        """Put the copy on the draft that creates the session."""
        branch = self.branch
        draft.add(e.OwnCopyMade(branch.directory, branch.parent_directory, self.keeps_out_of))
        # The copy has the same content, and a decision is about content.
        draft.extra.append(rows.copy_trust(branch.parent_directory, branch.directory))
        words = f"This branch has its own copy of the files{_on(self.made.branch)}."
        if self.made.included:
            words += f" {self.made.included} ignored files came along, as .worktreeinclude says."
        if self.made.left_out:
            named = ", ".join(quoted(path, 60) for path in self.made.left_out[:_MOST_NAMED])
            words += f" Not copied: {len(self.made.left_out)} files ({named})."
        if self.set_up:
            words += f" Dependencies are not copied; {' and '.join(self.set_up)} would install them."
        draft.add(e.Noticed(Topic.OWN_COPY, words, about="; ".join(self.set_up)))
        draft.extra.append(rows.branch_made(branch))


class CopySource(Protocol):
    """The session whose files a copy begins with; for a copy of a project, the new session itself."""

    @property
    def id(self) -> SessionId: ...

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def around(self) -> Dependencies: ...


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The files of a project as the source of a copy: the copy's session has no parent, so it is its own."""

    id: SessionId
    snapshot: Snapshot
    around: Dependencies


async def make_own_copy(parent: CopySource, session_id: SessionId, title: str) -> OwnCopy:
    """Make a directory with the files of `parent` as they are now, for the session `session_id` to come.

    Raises `BranchRefused` if that is not possible; then nothing is left.
    """
    checkpoints = _checkpoints_in(parent.around)
    place = checkpoints.place(parent)
    begun: MadeDirectory | None = None
    # No restore or merge changes these files before the copy is whole.
    async with checkpoints.engine.locked(place.directory):
        try:
            branch = StoredBranch(
                session_id=session_id,
                parent_id=parent.id,
                name=branch_name(title.removesuffix("(branch)")),
                directory="",
                parent_directory=str(place.directory),
                git_branch="",
                target="",
                checkpoint="",
                last_merged="",
                status=BranchStatus.MAKING,
                made_ms=parent.around.clock.now_ms(),
            )
            branch = await asyncio.to_thread(_placed, parent.around.workspace_root, place, branch)
            # Before the directory: if this is cut, the next start finds it by the row and removes it.
            await parent.around.db.write([rows.insert_branch(branch)])
            crash_point("branch.row_stored")
            wanted = Path(branch.directory)
            begun = await run_to_end(begin_branch_directory, place.directory, wanted, wanted.name)
            made, point, target = await _filled(parent, place, branch, title, begun)
        except (WorkdirError, OSError) as error:
            # A directory that was never begun is not ours, whatever is there by now.
            if begun is None or not await asyncio.to_thread(_is_left_over, place.directory, begun):
                await parent.around.db.write([rows.delete_branch(session_id)])
            log.warning("no own copy", extra={"session": parent.id, "why": type(error).__name__})
            reason = str(error) if isinstance(error, WorkdirError) else "the disk refused"
            raise BranchRefused(f"{reason}; the branch can share the directory instead") from error
    git_branch = f"refs/heads/{made.branch}" if made.branch else ""
    # The history names the parent's files by absolute paths: Claude would edit those (measured).
    keeps_out_of = (*parent.snapshot.keeps_out_of, str(place.directory))
    set_up = await commands_to_set_up(parent.snapshot.trust, made.place)
    branch = replace(branch, git_branch=git_branch, target=target, checkpoint=point.id)
    return OwnCopy(branch, made, keeps_out_of, set_up)


async def _filled(
    parent: CopySource, place: Place, branch: StoredBranch, title: str, begun: MadeDirectory
) -> tuple[MadeDirectory, Checkpoint, str]:
    """Fill the directory of a branch while its first checkpoint is taken of the parent.

    Also returns the ref that the branch is merged into; empty without one. Looking and copying are one pass
    over the files. On an error nothing is left of the directory.
    """
    engine, directory = _checkpoints_in(parent.around).engine, Path(branch.directory)
    try:
        note = Note(parent.id, parent.snapshot.last_turn or "", Reason.BRANCH_POINT, title)
        point = await engine.take_locked(place, note, copy_to=directory)
        # The branch is compared with it as long as it lives, so it must not go by its age.
        await engine.pin(point)
        crash_point("branch.files_copied")
        store = await engine.store_of(point)
        # The list comes with the repository: it counts only where somebody trusted the project.
        includes = parent.snapshot.trust is Trust.TRUSTED
        wish = DirectoryWish(place.directory, directory, directory.name, store, point.commit, includes=includes)
        coverage = await asyncio.to_thread(store.coverage, point.commit)
        made = await run_to_end(finish_branch_directory, begun, wish, coverage)
        # Within the `try`: if git fails here, the finished directory must go as well.
        target = await asyncio.to_thread(_target, place.directory) if made.branch else ""
    except BaseException:
        # Also if the caller is cancelled again: half of a directory must not stay.
        await run_to_end(drop_branch_directory, place.directory, begun)
        raise
    return made, point, target


async def commands_to_set_up(trust: Trust, directory: Path) -> tuple[str, ...]:
    """Return the commands that install the dependencies of a copy; none in a project that is not trusted.

    They run scripts of the project and of its dependencies, so a person has to ask for them.
    """
    if trust is not Trust.TRUSTED:
        return ()
    from workdirs.manifests import setup_commands

    return await asyncio.to_thread(setup_commands, directory)


async def drop_own_copy(around: Dependencies, branch: StoredBranch) -> None:
    """Remove a directory whose session was not stored, and its row."""
    try:
        await asyncio.to_thread(remove_branch_directory, Path(branch.parent_directory), Path(branch.directory))
        # The row last: if the removal fails, the next start finds the directory by it.
        await around.db.write([rows.delete_branch(branch.session_id)])
    except (WorkdirError, OSError):
        log.warning("branch not cleared", extra={"session": branch.session_id})


async def remove_own_copy(session: Session) -> StoredBranch:
    """Remove the directory of an ended branch. Its files stay in a checkpoint, its commits under a ref.

    Raises `IllegalMove` unless the session has ended, `BranchRefused`, `CheckpointRefused`.
    """
    if session.snapshot.holds_slot or session.run is not None:
        raise IllegalMove("Removing the branch", session.snapshot.lifecycle)
    branch = await branch_of(session)
    checkpoints = checkpoints_of(session)
    place = checkpoints.place(session)
    async with checkpoints.engine.locked(place.directory):
        if place.directory.is_dir():
            # Files that no commit has are only here: they stay in this checkpoint.
            note = Note(session.id, session.snapshot.last_turn or "", Reason.BEFORE_REMOVAL, branch.name)
            try:
                await checkpoints.engine.pin(await checkpoints.engine.take_locked(place, note))
            except WorkdirError as error:
                raise CheckpointRefused(str(error)) from error
        # Before the removal: if it is cut, the next start finishes it.
        await session.around.db.write([rows.set_branch_status(session.id, BranchStatus.REMOVING)])
        await _removed(session.around.db, branch)
    return branch


async def remake_own_copy(session: SessionPort) -> bool:
    """Make the directory of a branch again if somebody deleted it, with the files of its newest checkpoint.

    Its git branch may get another name; commits of the old one stay under a ref. Return whether it was missing.
    Raises `BranchRefused` if it cannot be made.
    """
    branch, checkpoints = await branch_of(session), checkpoints_of(session)
    parent, place = Path(branch.parent_directory), Path(branch.directory)
    if place.is_dir():
        return False
    async with checkpoints.engine.locked(place):
        try:
            newest = await load_newest(session.around.db, branch.directory)
            point = newest or await checkpoints.engine.load(branch.checkpoint)
            wish = DirectoryWish(
                parent, place, place.name, await checkpoints.engine.store_of(point), point.commit
            )
            archive = f"{_ARCHIVE}{branch.session_id}"
            # git still lists the deleted directory as a work tree, and makes no second one in its place.
            await run_to_end(remove_branch_directory, parent, place, archive_ref=archive)
            made = await run_to_end(make_branch_directory, wish)
        except WorkdirError as error:
            raise BranchRefused(str(error)) from error
        except OSError as error:
            raise BranchRefused("the disk refused") from error
        git_branch = f"refs/heads/{made.branch}" if made.branch else ""
        await session.around.db.write([rows.branch_made(replace(branch, git_branch=git_branch))])
    return True


async def branch_of(session: SessionPort) -> StoredBranch:
    """Return the row of a session's own copy. Raises `BranchRefused` if it has none."""
    branch = await rows.load_branch(session.around.db, session.id)
    if branch is None or branch.status is not BranchStatus.MADE:
        raise BranchRefused("this session has no copy of the files of its own")
    return branch


async def finish_cut_branches(db: Database) -> None:
    """Clear directories whose session was never stored, and finish removals; for the start."""
    for branch in await rows.load_cut_branches(db):
        place = Path(branch.directory)
        try:
            if branch.status is BranchStatus.REMOVING:
                await _removed(db, branch)
            elif await rows.load_snapshot(db, branch.session_id) is None:
                if await asyncio.to_thread(find_left_over, Path(branch.parent_directory), place):
                    await asyncio.to_thread(remove_branch_directory, Path(branch.parent_directory), place)
                await db.write([rows.delete_branch(branch.session_id)])
        except (WorkdirError, BranchRefused, OSError) as error:
            log.warning("branch not finished", extra={"session": branch.session_id, "why": str(error)})


def checkpoints_of(session: SessionPort) -> SessionCheckpoints:
    """Return the checkpoints of the core. Raises `BranchRefused` if they are off."""
    return _checkpoints_in(session.around)


def _checkpoints_in(around: Dependencies) -> SessionCheckpoints:
    if around.checkpoints is None:
        raise BranchRefused("checkpoints are off, and a copy of the files is made from one")
    return around.checkpoints


async def _removed(db: Database, branch: StoredBranch) -> None:
    try:
        await run_to_end(
            remove_branch_directory,
            Path(branch.parent_directory),
            Path(branch.directory),
            archive_ref=f"{_ARCHIVE}{branch.session_id}",
        )
    except WorkdirError as error:
        raise BranchRefused(str(error)) from error
    await db.write([rows.set_branch_status(branch.session_id, BranchStatus.REMOVED)])


def _placed(workspace_root: Path, place: Place, branch: StoredBranch) -> StoredBranch:
    """Return the branch with a free place in the hidden directory of branches, and a name to match."""
    root = workspace_root.resolve()
    project = place.project
    inside = project.relative_to(root).as_posix() if project.is_relative_to(root) else project.name
    above = root / BRANCHES / inside.replace("/", "~")
    for number in range(1, _MOST_OF_A_NAME):
        name = branch.name if number == 1 else f"{branch.name}-{number}"
        directory = above / name
        # Not `exists`, which takes the place of a dangling link for free.
        with suppress(OSError):
            directory.lstat()
            continue
        return replace(branch, name=name, directory=str(directory))
    raise BranchRefused("too many branches have this name; choose another title")


def _is_left_over(parent: Path, begun: MadeDirectory) -> bool:
    """Whether a making that failed has left something. Its row stays then, and the next start clears it."""
    try:
        return find_left_over(parent, begun.place)
    except (WorkdirError, OSError):  # the disk or git that failed before may fail again
        return True


def _target(directory: Path) -> str:
    """Return the full ref that is checked out in `directory`; empty if HEAD is detached."""
    repository = open_repository(directory)
    name = read_state(repository).branch if repository is not None else ""
    return f"refs/heads/{name}" if name else ""


def _on(branch: str) -> str:
    return f", on the git branch {branch}" if branch else ""

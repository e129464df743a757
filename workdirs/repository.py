"""The user's repository at the root of a work tree: what it is and which state it is in.

Only calls that were measured to run none of the repository's programs are made; see `workdirs/git.py`.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from workdirs.errors import GitFailed, WorkdirError
from workdirs.git import GitCall, Kind, run
from workdirs.git_directory import find_git_directory
from workdirs.model import ObjectId


class Operation(StrEnum):
    """An operation of git that was begun and not ended. Until it is, the index belongs to it."""

    MERGE = "merge"
    REBASE = "rebase"
    CHERRY_PICK = "cherry-pick"
    REVERT = "revert"


_MARKS = {
    "MERGE_HEAD": Operation.MERGE,
    "rebase-merge": Operation.REBASE,
    "rebase-apply": Operation.REBASE,
    "CHERRY_PICK_HEAD": Operation.CHERRY_PICK,
    "REVERT_HEAD": Operation.REVERT,
}


class Repository(msgspec.Struct, frozen=True):
    """A user's repository. `git_dir` belongs to the work tree, `common_dir` to all its linked work trees."""

    work_tree: Path
    git_dir: Path
    common_dir: Path

    def call(
        self,
        *arguments: str | bytes,
        stdin: bytes = b"",
        index: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> GitCall:
        """Return a call of git about this repository."""
        return GitCall(
            Kind.THEIRS, self.git_dir, arguments, index=index, stdin=stdin, variables=variables or {}
        )


class RepositoryState(msgspec.Struct, frozen=True):
    """The state of a repository. `head` is None before its first commit; `branch` is empty if HEAD is detached.

    `is_locked`: another git has `index.lock`, or one that was killed has left it.
    """

    head: ObjectId | None = None
    branch: str = ""
    operation: Operation | None = None
    is_locked: bool = False

    @property
    def can_branch(self) -> bool:
        """Whether a linked work tree can begin here with the same state."""
        return self.head is not None and self.operation is None


def open_repository(work_tree: Path) -> Repository | None:
    """Return the repository whose root is `work_tree`; None if there is none, or if it cannot be trusted.

    Programs in the work tree can write to its `.git`, so that git outside would read or write the repository of
    another project. A `.git` file counts only if the repository that it names has a linked work tree registered
    at this place. A repository that borrows from elsewhere, by links or alternates, does not count.
    """
    mark = work_tree / ".git"
    if mark.is_symlink():
        return None
    found = find_git_directory(work_tree)
    if found is None:
        return None
    repository = Repository(work_tree, found.git_dir.resolve(), found.common_dir.resolve())
    in_place = repository.git_dir == repository.common_dir
    is_own = _is_registered(repository, mark) if mark.is_file() else in_place
    return repository if is_own and not _borrows(repository) else None


def read_state(repository: Repository) -> RepositoryState:
    """Return the state of the repository. Blocks for a few milliseconds; a broken one looks like a new one."""
    try:
        # One start of git says both, except before the first commit.
        both = run(
            repository.call("rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD"), codes=(0, 128)
        )
        head, _, branch = both.text.partition("\n") if both.code == 0 else ("", "", "")
        if not head:
            branch = run(repository.call("symbolic-ref", "-q", "HEAD"), codes=(0, 1)).text
    except GitFailed:
        return RepositoryState()
    # `git status` would tell, but it runs programs of the repository.
    operation = next((each for name, each in _MARKS.items() if (repository.git_dir / name).exists()), None)
    return RepositoryState(
        head=ObjectId(head) if head else None,
        branch="" if branch == "HEAD" else branch.removeprefix("refs/heads/"),
        operation=operation,
        is_locked=(repository.git_dir / "index.lock").exists(),
    )


def head_of(work_tree: Path) -> str:
    """Return HEAD of the repository at `work_tree` as `<commit> <ref>`; the ref is `HEAD` if it is detached.

    Empty without a repository, before its first commit, or if git cannot read it. Blocks for milliseconds.
    """
    repository = open_repository(work_tree)
    if repository is None:
        return ""
    try:
        answer = run(repository.call("rev-parse", "HEAD", "--symbolic-full-name", "HEAD"), codes=(0, 128))
    except WorkdirError:
        return ""
    return " ".join(answer.text.split("\n")) if answer.code == 0 else ""


def _is_registered(repository: Repository, mark: Path) -> bool:
    """Whether the repository lists the work tree of `mark`. Others cannot write to that list."""
    if repository.git_dir.parent != repository.common_dir / "worktrees":
        return False
    try:
        registered = (repository.git_dir / "gitdir").read_bytes()[:8192].strip()
        return Path(os.fsdecode(registered)).resolve() == mark.resolve()
    except (OSError, ValueError):
        return False


def _borrows(repository: Repository) -> bool:
    """Whether a link or a list of alternates in the repository may lead git elsewhere. Blocks for a moment."""
    common = repository.common_dir
    whole = (common / "refs", common / "logs", repository.git_dir / "refs", repository.git_dir / "logs")
    # Below `objects`, git makes only plain files, and there may be very many of them.
    named = ("", "objects", "objects/info", "objects/pack", "info", "worktrees")
    flat = (*(common / each for each in named), repository.git_dir)
    return (
        os.path.lexists(common / "objects/info/alternates")
        or any(_has_link(each, deep=False) for each in flat)
        or any(_has_link(each, deep=True) for each in whole)
    )


def _has_link(directory: Path, *, deep: bool) -> bool:
    """Whether a link lies in `directory`, or with `deep` anywhere below it."""
    try:
        with os.scandir(directory) as entries:
            return any(
                entry.is_symlink()
                or (deep and entry.is_dir(follow_symlinks=False) and _has_link(Path(entry.path), deep=True))
                for entry in entries
            )
    except FileNotFoundError:
        return False
    except OSError:
        # A directory that cannot be looked at is not trusted.
        return True

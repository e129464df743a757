"""Make and remove the directory of a branch: a work tree that begins with its parent's exact state.

In a repository it is a linked work tree with a git branch of its own: staged, unstaged, deleted and untracked
files are as in the parent, and `git status` says the same. Elsewhere it is a plain copy. A snapshot of
the parent copies the files while it looks at them (`workdirs/copying.py`), or they come from a checkpoint in
our own store: no program of the repository runs.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from faults import crash_point
from storage.files import make_directory
from workdirs.copying import copy_file
from workdirs.coverage import DIRECTORY, bits_of
from workdirs.errors import BadBranchName, GitFailed, PlaceTaken, RemovalFailed
from workdirs.git import run
from workdirs.including import included_files
from workdirs.model import Coverage, EntryMode, FilePath, ObjectId, WhyUncovered
from workdirs.paths import WorkTree, directories_of, is_storable
from workdirs.repository import Repository, open_repository, read_state
from workdirs.store import Store

MOST_COPIED_BYTES = 512 * 1024 * 1024
_WRITE_DEADLINE_S = 300.0
_OPEN = 0o055
"""Bits of a directory that others may list and enter."""
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_MOST_NAME = 40
# Such a part refers to a file beside the index, or to what somebody saw in its directory (gitformat-index(5),
# "Extensions"). A path may look like one: git is then started for nothing.
_PARTS_OF_AN_INDEX = (b"link", b"UNTR", b"FSMN")
# A checkpoint checks names itself, and stricter. git must not refuse a whole tree for one that Linux allows.
_ANY_NAME = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.protectNTFS",
    "GIT_CONFIG_VALUE_0": "false",
    "GIT_CONFIG_KEY_1": "core.protectHFS",
    "GIT_CONFIG_VALUE_1": "false",
}


class DirectoryWish(msgspec.Struct, frozen=True):
    """A directory to make at `place`, with the files of `snapshot`, a checkpoint of `parent` taken just now.

    With `includes`, the ignored files that the project's `.worktreeinclude` names are copied, too.
    """

    parent: Path
    place: Path
    name: str
    store: Store
    snapshot: ObjectId
    most_copied_bytes: int = MOST_COPIED_BYTES
    includes: bool = False


class MadeDirectory(msgspec.Struct, frozen=True):
    """A directory that was made. Without `branch` it is a plain copy; `base` is the commit that it began at.

    `left_out` are files that the parent has and this directory lacks.
    """

    place: Path
    branch: str = ""
    base: ObjectId | None = None
    left_out: tuple[FilePath, ...] = ()
    included: int = 0


@dataclass(slots=True)
class _Copies:
    """The files copied straight from the parent: the paths left out, and the bytes that are still allowed."""

    left_bytes: int
    left_out: list[FilePath] = field(default_factory=list)
    included: int = 0


def branch_name(title: str) -> str:
    """Return a name for a branch made of the ASCII letters and digits of `title`; `work` if it has none."""
    text = "".join(each if each in _NAME_CHARACTERS else "-" for each in title.lower())
    words = "-".join(part for part in text.split("-") if part)
    return words[:_MOST_NAME].strip("-") or "work"


def check_branch_name(name: str) -> None:
    """Raise `BadBranchName` unless `name` can be a part of a path and of a ref as it stands."""
    plain = 0 < len(name) <= _MOST_NAME + 10 and _NAME_CHARACTERS.issuperset(name)
    if not plain or name.startswith("-") or name.endswith("-"):
        raise BadBranchName(name)


def make_branch_directory(wish: DirectoryWish) -> MadeDirectory:
    """Make the directory from a checkpoint in the store. Blocks. On an error nothing of it is left.

    Raises `BadBranchName`, `PlaceTaken` if something lies at the place, `GitFailed`, `StoreMissing`, `OSError`.
    """
    begun = begin_branch_directory(wish.parent, wish.place, wish.name)
    try:
        coverage = _write_files(wish)
        return finish_branch_directory(begun, wish, coverage)
    except BaseException:
        drop_branch_directory(wish.parent, begun)
        raise


def begin_branch_directory(parent: Path, place: Path, name: str) -> MadeDirectory:
    """Make the directory without files, so that a snapshot of `parent` can copy them there.

    Blocks. Raises `BadBranchName`, `PlaceTaken`, `GitFailed`, `OSError`. The caller finishes or drops it.
    """
    check_branch_name(name)
    # `lexists`: a link that leads nowhere is something, too.
    if os.path.lexists(place):
        raise PlaceTaken(name)
    _make_parents(place)
    repository = open_repository(parent)
    if repository is not None and (state := read_state(repository)).can_branch and state.head is not None:
        return _linked(repository, place, name, state.head)
    place.mkdir(mode=0o700)
    return MadeDirectory(place)


def finish_branch_directory(begun: MadeDirectory, wish: DirectoryWish, coverage: Coverage) -> MadeDirectory:
    """Copy the files that the checkpoint names but does not hold, and the index. Blocks.

    Raises `GitFailed`, `OSError`. The caller drops the directory then.
    """
    copies = _copy_others(wish, coverage)
    if begun.branch and (repository := open_repository(wish.parent)) is not None:
        _copy_index(repository, wish.place)
    return replace(begun, left_out=tuple(copies.left_out), included=copies.included)


def drop_branch_directory(parent: Path, begun: MadeDirectory) -> None:
    """Remove a directory that was not finished, and its git branch. Blocks. Raises nothing."""
    repository = open_repository(parent)
    if begun.base is None or repository is None:
        shutil.rmtree(begun.place, ignore_errors=True)
        return
    with suppress(GitFailed):
        _drop(repository, begun.place, begun.branch, begun.base)


def find_left_over(parent: Path, place: Path) -> bool:
    """Whether a making that was killed has left something at `place`. `remove_branch_directory` clears it."""
    repository = open_repository(parent)
    registered = repository is not None and any(path == place for path, _ in _work_trees(repository))
    return registered or os.path.lexists(place)


def remove_branch_directory(parent: Path, place: Path, *, archive_ref: str = "") -> None:
    """Remove the directory of a branch; what it held must be in a checkpoint. Blocks.

    Its commits are kept under `archive_ref` unless another ref reaches them. Its git branch goes only then, and
    only if it was ours. A second call after a crash finishes the work. Raises `RemovalFailed`.
    """
    repository = open_repository(parent)
    branch = _branch_at(repository, place) if repository is not None else None
    _make_writable(place)
    if repository is not None and branch is not None:
        _unlink(repository, place, branch, archive_ref)
    elif place.is_dir() and not place.is_symlink():
        if (place / ".git").is_file():
            # A work tree whose repository does not know it: removing it by hand could lose commits.
            raise RemovalFailed(place.name, "its repository does not list it any more")
        try:
            shutil.rmtree(place)
        except OSError as error:
            raise RemovalFailed(place.name, error.strerror or "the system refused") from error


def _make_writable(place: Path) -> None:
    """Give the owner all rights to the directories below: caches of packages are read only.

    git forgets a work tree even if it cannot delete all of it, so this comes first.
    """
    _give_rights(place)
    for above, names, _ in os.walk(place):
        for name in names:
            _give_rights(Path(above, name))


def _give_rights(directory: Path) -> None:
    with suppress(OSError):  # the removal will say it
        found = directory.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_mode & 0o700 != 0o700:
            directory.chmod(stat.S_IMODE(found.st_mode) | 0o700)


# --- making ---------------------------------------------------------------------------------------------


def _make_parents(place: Path) -> None:
    """Make the two directories above `place`, real ones: the workspace is writable for Claude's tools."""
    for directory in (place.parent.parent, place.parent):
        make_directory(directory)
        # A session could have put a link here, and the directory would be made outside of the workspace.
        if directory.is_symlink():
            raise PlaceTaken(directory.name)


def _linked(repository: Repository, place: Path, name: str, head: ObjectId) -> MadeDirectory:
    branch = _free_branch(repository, name)
    try:
        run(repository.call("worktree", "add", "--no-checkout", "-q", "-b", branch, os.fspath(place), head))
        crash_point("branch.work_tree_added")
    except BaseException:
        with suppress(GitFailed):
            _drop(repository, place, branch, head)
        raise
    return MadeDirectory(place, branch, head)


def _free_branch(repository: Repository, name: str) -> str:
    """Return `bridge/<name>`, with a number if it is taken; `bridge-<name>` if a branch is called `bridge`."""
    taken = set(
        run(repository.call("for-each-ref", "--format=%(refname:short)", "refs/heads")).text.splitlines()
    )
    prefix = "bridge-" if "bridge" in taken else "bridge/"
    names = (prefix + name if number == 1 else f"{prefix}{name}-{number}" for number in range(1, 1000))
    for each in names:
        # git keeps a branch as a file, so `x` cannot be made beside `x/y`.
        if each not in taken and not any(other.startswith(f"{each}/") for other in taken):
            return each
    raise PlaceTaken(name)


def _write_files(wish: DirectoryWish) -> Coverage:
    """Write the files that the store has of the checkpoint."""
    store = wish.store
    coverage = store.coverage(wish.snapshot)
    index = store.directory / f"writing-{wish.place.name}.index"
    try:
        call = store.call("read-tree", "--reset", "-u", wish.snapshot, deadline_s=_WRITE_DEADLINE_S)
        run(replace(call, work_tree=wish.place, index=index, variables=_ANY_NAME))
    finally:
        # A killed git leaves its lock file, and the next writing would fail at it.
        for left in (index, index.with_name(f"{index.name}.lock")):
            left.unlink(missing_ok=True)
    _set_modes(wish, coverage)
    return coverage


def _copy_others(wish: DirectoryWish, coverage: Coverage) -> _Copies:
    """Copy the files that are too large for checkpoints, and the ignored ones that the project names."""
    large = [each.path for each in coverage.uncovered if each.why is WhyUncovered.TOO_LARGE]
    others = [each.path for each in coverage.uncovered if each.why is not WhyUncovered.TOO_LARGE]
    copies = _Copies(wish.most_copied_bytes, others)
    _copy(wish, large, copies)
    if wish.includes:
        copies.included = _copy(wish, included_files(wish.store, wish.parent), copies)
    _set_directory_modes(wish, coverage)
    return copies


def _set_modes(wish: DirectoryWish, coverage: Coverage) -> None:
    """Set the permission bits that git does not keep, where they are stricter than what git wrote."""
    usual_is_private = any(not bits & 0o044 for kind, bits in coverage.usual.items() if kind != DIRECTORY)
    if not usual_is_private and not coverage.modes:
        return
    tree = wish.store.tree(wish.snapshot)
    wanted = tree.items() if usual_is_private else ((p, tree[p]) for p in coverage.modes if p in tree)
    with WorkTree(wish.place) as work_tree:
        for path, entry in wanted:
            if entry.mode is not EntryMode.LINK:
                work_tree.set_bits(path, bits_of(path, entry.mode, coverage))


def _set_directory_modes(wish: DirectoryWish, coverage: Coverage) -> None:
    """Close the directories that are closed to others in the parent. The owner may still remove them."""
    bits = dict(coverage.directories)
    usual = coverage.usual.get(DIRECTORY, _OPEN)
    if usual & _OPEN != _OPEN:
        bits = {path: bits.get(path, usual) for path in directories_of(wish.store.tree(wish.snapshot))}
    with WorkTree(wish.place) as work_tree:
        for path, each in bits.items():
            if each & _OPEN != _OPEN and is_storable(path):  # a bundle may say anything
                with suppress(OSError):  # its files are not in the checkpoint
                    work_tree.set_bits(path, each & 0o777 | 0o700)


def _copy(wish: DirectoryWish, paths: Sequence[FilePath], copies: _Copies) -> int:
    """Copy files straight from the parent, up to the cap, and return how many; links are not copied."""
    copied = 0
    with WorkTree(wish.parent) as source, WorkTree(wish.place) as target:
        for path in paths:
            try:
                size = copy_file(source, target, path, copies.left_bytes)
            except FileExistsError:
                # The checkpoint has the file already.
                continue
            if size is None:
                copies.left_out.append(path)
            else:
                copied += 1
                copies.left_bytes -= size
    return copied


def _copy_index(repository: Repository, place: Path) -> None:
    """Give the new work tree its parent's index: what is staged there is staged here.

    The stat data in it belongs to other files, so git compares contents at its first look.
    """
    source = repository.git_dir / "index"
    linked = open_repository(place)
    if linked is None or not source.is_file():
        return
    # Under its final name only when it is whole: nothing finds half an index there after a kill.
    copy = linked.git_dir / "index.of-parent"
    # The file itself: a tree cannot hold conflicts, nor entries that are only intended (`git add -N`).
    content = source.read_bytes()
    copy.write_bytes(content)
    if any(part in content for part in _PARTS_OF_AN_INDEX):
        flat = ("--no-split-index", "--no-untracked-cache", "--no-fsmonitor")
        run(repository.call("update-index", *flat, index=copy))
    copy.replace(linked.git_dir / "index")
    if (place / ".gitmodules").is_file():
        _make_absent_submodules(linked)


def _make_absent_submodules(linked: Repository) -> None:
    """Make the empty directory of each submodule that the parent has not fetched: git misses it otherwise."""
    listed = run(linked.call("ls-files", "-s", "-z")).out.split(b"\0")
    with WorkTree(linked.work_tree) as tree:
        for line in listed:
            head, _, path = line.partition(b"\t")
            # 160000 is git's mode of a submodule.
            if head.startswith(b"160000") and is_storable(path):
                with suppress(OSError):  # its files are there, or a file that replaced it
                    directory, name = tree.parent(FilePath(path), create=True)
                    os.mkdir(name, 0o777, dir_fd=directory)


# --- removing -------------------------------------------------------------------------------------------


def _work_trees(repository: Repository) -> Iterator[tuple[Path, str]]:
    """Yield the linked work trees with their branches; the branch is empty if HEAD is detached."""
    listed = run(repository.call("worktree", "list", "--porcelain", "-z")).out
    for record in listed.split(b"\0\0"):
        fields = dict(line.partition(b" ")[::2] for line in record.split(b"\0") if line)
        if b"worktree" in fields:
            yield Path(os.fsdecode(fields[b"worktree"])), os.fsdecode(fields.get(b"branch", b""))


def _branch_at(repository: Repository, place: Path) -> str | None:
    """Return the full ref that is checked out at `place`; None if no work tree is registered there."""
    return next((branch for path, branch in _work_trees(repository) if path == place), None)


def _unlink(repository: Repository, place: Path, branch: str, archive_ref: str) -> None:
    head = _tip(repository, branch) if branch else None
    is_ours = branch.removeprefix("refs/heads/").startswith(("bridge/", "bridge-"))
    try:
        # The archive first: once the branch is gone, no ref keeps these commits.
        if head and is_ours and archive_ref and not _is_reached_elsewhere(repository, head, branch):
            run(repository.call("update-ref", archive_ref, head))
        if head and is_ours:
            _delete_branch(repository, branch, ObjectId(head))
        _remove_work_tree(repository, place)
    except GitFailed as error:
        raise RemovalFailed(place.name, "git refused to remove it") from error


def _remove_work_tree(repository: Repository, place: Path) -> None:
    # Without --force git looks for changes first, through the repository's filters. A checkpoint has them all.
    # Given once, the option does not remove a locked work tree.
    run(repository.call("worktree", "remove", "--force", "--force", os.fspath(place)))


def _delete_branch(repository: Repository, branch: str, head: ObjectId) -> None:
    """Delete the full ref `branch`, before its work tree: after a kill only the work tree tells its name."""
    # With the old value: git keeps the branch if somebody committed to it meanwhile.
    run(repository.call("update-ref", "-d", branch, head))


def _drop(repository: Repository, place: Path, branch: str, head: ObjectId) -> None:
    _delete_branch(repository, f"refs/heads/{branch}", head)
    _remove_work_tree(repository, place)


def _tip(repository: Repository, ref: str) -> str:
    return run(repository.call("rev-parse", "-q", "--verify", f"{ref}^{{commit}}"), codes=(0, 1)).text


def _is_reached_elsewhere(repository: Repository, commit: str, branch: str) -> bool:
    """Whether a branch, tag or remote branch other than `branch` reaches the commit."""
    listed = run(repository.call("for-each-ref", f"--contains={commit}", "--format=%(refname)")).text
    return any(ref != branch for ref in listed.splitlines())

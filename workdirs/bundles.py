"""Checkpoints as one file that git calls a bundle: written from a store, and taken into another one. Blocks.

A bundle may come from anywhere, so it goes into an empty store first, where everything in it is looked at.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from workdirs.directories import DirectoryWish, make_branch_directory
from workdirs.errors import BundleUnusable, GitFailed, StoreMissing
from workdirs.file_reading import Content, read_file
from workdirs.git import GitCall, run
from workdirs.model import Coverage, ObjectId
from workdirs.paths import WorkTree, is_storable
from workdirs.quoting import quoted
from workdirs.store import REFS, Store

_DEADLINE_S = 600.0
# A .gitmodules that git dislikes is a file like any other here: no submodule is ever fetched.
_FSCK = (
    # git checks the form of each object of a bundle, which anybody may have made.
    ("transfer.fsckObjects", "true"),
    ("fetch.unpackLimit", "1"),
    *(
        (f"fetch.fsck.gitmodules{what}", "ignore")
        for what in ("Url", "Name", "Path", "Update", "Symlink", "Parse", "Blob", "Missing", "Large")
    ),
)


@dataclass(frozen=True, slots=True)
class Bundled:
    """A checkpoint of a bundle: its ref there and its commit."""

    ref: str
    commit: ObjectId


def write_git_bundle(store: Store, checkpoints: Sequence[Bundled], target: Path) -> list[Bundled]:
    """Write the checkpoints that the store still has into a new file; return them. Raises `GitFailed`.

    Without any, no file is made.
    """
    there = [each for each in checkpoints if store.holds(each.ref, each.commit)]
    refs = sorted({each.ref for each in there})
    if refs:
        stdin = "".join(f"{ref}\n" for ref in refs).encode()
        call = store.call("bundle", "create", "-q", str(target), "--stdin", stdin=stdin, deadline_s=_DEADLINE_S)
        run(_with(call, (("pack.threads", "1"),)))
        # git makes it by the umask, and it holds the files of a project.
        target.chmod(0o600)
    return there


def check_git_bundle(file: Path, checkpoints: Sequence[Bundled], scratch: Path) -> dict[str, Coverage]:
    """Take the bundle into an empty store in `scratch`; return the coverage of its checkpoints by their refs.

    Raises `BundleUnusable` if git refuses it, a checkpoint is missing, or a path in one could leave its
    directory. The caller deletes `scratch`.
    """
    store = Store(scratch)
    store.prepare()
    take_in(store, file, {each.ref: each.ref for each in checkpoints})
    found = {}
    for each in checkpoints:
        # The facts of the bundle name this commit, and its ref may name another one.
        if not store.holds(each.ref, each.commit):
            raise BundleUnusable("a checkpoint in it is missing or another one")
        try:
            found[each.ref] = store.coverage(each.commit)
            paths = store.tree(each.commit)
        except (StoreMissing, KeyError, TypeError, AttributeError, ValueError) as error:
            raise BundleUnusable("a checkpoint in it cannot be read") from error
        # `fsckObjects` knows git's own rules for names only; those of a checkpoint are stricter.
        if not all(map(is_storable, paths)):
            raise BundleUnusable("a checkpoint in it has a path that no checkpoint can have")
    return found


def check_written_files(file: Path, checkpoint: Bundled, scratch: Path) -> None:
    """Write the files of a checkpoint of the bundle into `scratch`, and read each of them back.

    `check_git_bundle` must have accepted the bundle. Raises `BundleUnusable` if a file differs or is missing,
    `OSError`. The caller deletes `scratch`.
    """
    store, place, nowhere = Store(scratch / "store"), scratch / "files", scratch / "nowhere"
    store.prepare()
    take_in(store, file, {checkpoint.ref: checkpoint.ref})
    nowhere.mkdir()
    make_branch_directory(DirectoryWish(nowhere, place, "files", store, checkpoint.commit))
    with WorkTree(place) as written:
        for path, entry in store.tree(checkpoint.commit).items():
            found = read_file(written, path, sys.maxsize, patient=False)
            if not isinstance(found, Content) or found.known.blob.hex() != entry.blob:
                raise BundleUnusable(f"the file {quoted(path)} of it does not come back as it was")


def take_in(store: Store, file: Path, refs: dict[str, str]) -> None:
    """Take checkpoints of the bundle into a store under new refs (old to new). Raises `BundleUnusable`.

    The caller holds the store's lock. Doing it again changes nothing.
    """
    # Refs come from the bundle: a `:` or `+` in one would be a part of what git is asked to do.
    if not all(ref.startswith(REFS) and ref[len(REFS) :].replace("-", "").isalnum() for ref in refs):
        raise BundleUnusable("a checkpoint in it has an invalid name")
    names = [f"+{old}:{new}" for old, new in sorted(refs.items())]
    options = ("-q", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
    call = store.call("fetch", *options, str(file), *names, deadline_s=_DEADLINE_S)
    store.mark_writing()
    try:
        # A bundle is a file: the only transport that any call of ours needs.
        run(replace(call, settings=_FSCK, variables={"GIT_ALLOW_PROTOCOL": "file"}))
    except GitFailed as error:
        raise BundleUnusable("git cannot read it") from error
    # Only after success: what a failed fetch left is deleted by the next writer.
    store.unmark_writing()


def _with(call: GitCall, settings: tuple[tuple[str, str], ...]) -> GitCall:
    return replace(call, settings=settings)

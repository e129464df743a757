"""Says which paths the ignore rules of a checkpoint cover: its own `.gitignore` files, as they were then."""

import os
import tempfile
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec.structs import replace

from workdirs.git import run
from workdirs.git_directory import find_git_directory
from workdirs.model import Entry, EntryMode, FilePath
from workdirs.paths import WorkTree
from workdirs.people_settings import exclude_rules, people_rules
from workdirs.store import Store

_NAME = b".gitignore"


def ignored_by(
    store: Store,
    tree: Mapping[FilePath, Entry],
    nested: Collection[FilePath],
    paths: Collection[FilePath],
    work_tree: Path,
    excludes: Mapping[FilePath, str],
) -> set[FilePath]:
    """Return those of `paths` that the rules in `tree` ignore.

    Rules of the outer repository end at a nested one. The rules of the user and of `info/exclude` count
    as they were then, in `excludes`, and as they are now. Raises `GitFailed`, `StoreDamaged`.
    """
    if not paths:
        return set()
    # git reads no `.gitignore` that is a link.
    rules = [
        (path, entry.blob)
        for path, entry in tree.items()
        if path.rpartition(b"/")[2] == _NAME and entry.mode is not EntryMode.LINK
    ]
    # The innermost repository first: its rules count for a path, not those further out.
    roots = sorted(nested, key=len, reverse=True)
    by_root: dict[bytes, list[bytes]] = defaultdict(list)
    for path in paths:
        root = next((each + b"/" for each in roots if path.startswith(each + b"/")), b"")
        by_root[root].append(path[len(root) :])
    found, people = set[FilePath](), people_rules()
    with tempfile.TemporaryDirectory(dir=store.directory, prefix="rules-") as directory:
        with WorkTree(directory) as skeleton:
            for path, data in store.blobs(rules):
                _write_rule(skeleton, path, data)
        for root, names in by_root.items():
            then = os.fsencode(excludes.get(FilePath(root.rstrip(b"/")), ""))
            now = exclude_rules(people, find_git_directory(work_tree / os.fsdecode(root)))
            if not rules and not then and not now:
                continue
            place = Path(directory) / os.fsdecode(root)
            place.mkdir(parents=True, exist_ok=True)
            ignored = ignored_now(store, place, names, then + b"\n" + now)
            found.update(FilePath(root + name) for name in ignored)
    return found


def ignored_now(store: Store, place: Path, names: list[bytes], rules: bytes) -> list[bytes]:
    """Return those of `names` that the `.gitignore` files below `place` or `rules` cover."""
    if not names:
        return []
    # `--no-index`: by default, files that an index names are never called ignored.
    call = store.call("check-ignore", "--no-index", "-z", "--stdin", stdin=b"\0".join(names) + b"\0")
    with tempfile.NamedTemporaryFile(dir=store.directory, prefix="exclude-") as file:
        file.write(rules + b"\n")
        file.flush()
        # check-ignore has no option for one more file of rules; this setting is one.
        call = replace(call, work_tree=place, cwd=place, settings=(("core.excludesFile", file.name),))
        # Exit code 1: no rule covers any of the names.
        answer = run(call, codes=(0, 1))
    return [name for name in answer.out.split(b"\0") if name]


def _write_rule(skeleton: WorkTree, path: FilePath, data: bytes) -> None:
    directory, name = skeleton.parent(path, create=True)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)

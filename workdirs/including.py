"""Find the ignored files that a project wants in its branches: those that its `.worktreeinclude` names.

It has the syntax of `.gitignore`. Only files that match it and are ignored count: all others are in the branch
anyway. The file comes from the repository, so callers use it only for projects that somebody trusted.
"""

import os
import tempfile
from pathlib import Path

from msgspec.structs import replace

from workdirs.git import run
from workdirs.git_directory import find_git_directory
from workdirs.ignoring import ignored_now
from workdirs.model import FilePath
from workdirs.paths import WorkTree, is_storable
from workdirs.people_settings import exclude_rules, people_rules
from workdirs.store import Store

NAME = FilePath(b".worktreeinclude")
_MOST_BYTES = 64 * 1024
_MOST_FILES = 20_000


def included_files(store: Store, work_tree: Path) -> list[FilePath]:
    """Return the files, sorted; empty without a `.worktreeinclude`. Repositories inside are left out.

    Raises `GitFailed`, `GitTimedOut`, `GitSaidTooMuch`.
    """
    rules = _rules(work_tree)
    if not rules:
        return []
    with tempfile.NamedTemporaryFile(dir=store.directory, prefix="include-") as file:
        file.write(rules)
        file.flush()
        listing = store.call("ls-files", "--others", "--ignored", f"--exclude-from={file.name}", "-z")
        listing = replace(listing, work_tree=work_tree, cwd=work_tree, index=store.git_dir / "no-index")
        matching = [path for path in run(listing).out.split(b"\0") if path and is_storable(path)]
    ignored = exclude_rules(people_rules(), find_git_directory(work_tree))
    return sorted(FilePath(path) for path in ignored_now(store, work_tree, matching[:_MOST_FILES], ignored))


def _rules(work_tree: Path) -> bytes:
    try:
        with WorkTree(work_tree) as tree, os.fdopen(tree.open_file(NAME), "rb") as file:
            rules = file.read(_MOST_BYTES + 1)
    except OSError:
        return b""
    return rules if len(rules) <= _MOST_BYTES else b""

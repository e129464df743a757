"""Lists the files of a work tree as git would take them: all that no rule ignores. Opens none of them.

git lists with our own repository and an index that does not exist, so that of the user's configuration only the
ignore rules count. Repositories inside the work tree are listed like it. Files that the user's index knows are
listed even if a rule ignores them.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workdirs.errors import WorkdirError
from workdirs.git import GitCall, Kind, run
from workdirs.git_directory import GitDirectory, find_git_directory
from workdirs.model import FilePath, Uncovered, WhyUncovered
from workdirs.paths import is_storable
from workdirs.people_settings import exclude_rules, people_rules

TEMPORARY = ".claude-bridge-restoring-"
"""The prefix of the temporary files that a restore writes. No checkpoint takes them in."""
# Each one costs at least one start of git.
_MAX_NESTED = 64
_MAX_OUTPUT = 256 * 1024 * 1024
_DENIED = re.compile(r"warning: could not open directory '(.+)/': Permission denied")
_NOT_OPENED, _NO_ACCESS = "warning: could not open directory '", "warning: unable to access '"
_CUT_BYTES = 4095
"""git cuts its warnings here. Only a path longer than the system takes makes one so long."""
IndexKeys = dict[bytes, tuple[int, int, int]]
"""Nested repository (empty: the work tree itself) -> the state of its index file when it was read last."""


@dataclass(slots=True)
class Listing:
    """The files of a work tree, and what is known of the rest."""

    paths: list[FilePath] = field(default_factory=list)
    nested: list[FilePath] = field(default_factory=list)
    uncovered: list[Uncovered] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    """Directories that were not looked into, each with a `/` at its end: not seen is not deleted."""
    index_keys: IndexKeys = field(default_factory=dict)
    excludes: dict[FilePath, str] = field(default_factory=dict)
    """Nested repository (empty: the work tree itself) -> rules of the user's file and its `info/exclude`."""
    is_partial: bool = False


def list_files(store_git_dir: Path, work_tree: Path, seen_indexes: IndexKeys, deadline_s: float) -> Listing:
    """List `work_tree`. An index in the state that `seen_indexes` names is not read again.

    Raises `GitTimedOut`, `GitFailed`, `GitMissing`.
    """
    listing = Listing()
    people = people_rules()
    waiting = [b""]
    while waiting:
        root = waiting.pop()
        place = work_tree / os.fsdecode(root)
        repository = find_git_directory(place)
        if rules := exclude_rules(people, repository):
            listing.excludes[FilePath(root.rstrip(b"/"))] = os.fsdecode(rules)
        # Of two rules the later one wins, and git lets the repository's win.
        files = (people.path if people else None, repository.exclude if repository else None)
        excludes = [each for each in files if each is not None]
        for path in _others(store_git_dir, place, root, excludes, deadline_s, listing):
            if not path.endswith(b"/"):
                listing.paths.append(FilePath(path))
            elif len(listing.nested) < _MAX_NESTED and is_storable(path[:-1]):
                listing.nested.append(FilePath(path[:-1]))
                waiting.append(path)
            else:
                listing.uncovered.append(Uncovered(FilePath(path[:-1]), WhyUncovered.TOO_DEEP))
                listing.unreadable.append(path)
        if repository is not None:
            _add_index(repository, root, seen_indexes, listing, deadline_s)
    return listing


def _others(
    store_git_dir: Path,
    place: Path,
    root: bytes,
    excludes: Sequence[Path],
    deadline_s: float,
    listing: Listing,
) -> Iterator[bytes]:
    arguments = ["ls-files", "--others", "--exclude-standard", "-z", f"--exclude={TEMPORARY}*"]
    arguments += [f"--exclude-from={os.fspath(each)}" for each in excludes]
    answer = run(
        GitCall(
            Kind.OURS,
            store_git_dir,
            tuple(arguments),
            work_tree=place,
            cwd=place,
            index=store_git_dir / "no-index",
            deadline_s=deadline_s,
            max_output=_MAX_OUTPUT,
        )
    )
    for line in os.fsdecode(answer.err).splitlines():
        if denied := _DENIED.fullmatch(line):
            _not_seen(listing, root + os.fsencode(denied[1]), WhyUncovered.UNREADABLE)
        elif (is_cut := len(os.fsencode(line)) >= _CUT_BYTES) and line.startswith(_NOT_OPENED):
            # The last name is cut, so the directory above it is named.
            above = line.removeprefix(_NOT_OPENED).rpartition("/")[0]
            _not_seen(listing, root + os.fsencode(above), WhyUncovered.TOO_DEEP)
        elif not is_cut or not line.startswith(_NO_ACCESS):  # that one is about an ignore file as deep
            listing.is_partial = True  # a warning that nobody understood may mean anything
    for path in answer.out.split(b"\0"):
        if path:
            yield root + path


def _not_seen(listing: Listing, directory: bytes, why: WhyUncovered) -> None:
    listing.unreadable.append(directory + b"/")
    listing.uncovered.append(Uncovered(FilePath(directory), why))


def _add_index(
    repository: GitDirectory, root: bytes, seen: IndexKeys, listing: Listing, deadline_s: float
) -> None:
    """Add the files that the user's index knows: they count although a rule ignores them."""
    try:
        found = repository.index.stat()
    except OSError:
        return
    key = (found.st_mtime_ns, found.st_size, found.st_ino)
    if seen.get(root) == key:
        listing.index_keys[root] = key  # its files are known from the last time
        return
    try:
        # Their configuration is not needed to read an index, except where it is split or sparse.
        call = GitCall(
            Kind.THEIRS,
            repository.git_dir,
            ("ls-files", "-z"),
            deadline_s=deadline_s,
            max_output=_MAX_OUTPUT,
        )
        answer = run(call)
    except WorkdirError:
        listing.is_partial = True  # a damaged index: its files are covered unless a rule ignores them
        return
    listing.index_keys[root] = key
    known = set(listing.paths)
    for path in answer.out.split(b"\0"):
        if path and (whole := FilePath(root + path)) not in known:
            listing.paths.append(whole)

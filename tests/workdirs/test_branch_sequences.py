"""Any sequence of edits, commits, checkpoints, restores, branches, merges and kills against a model of files.

A kill is real: the act runs in a forked process that ends at one of the crash points, and the next act finds
what it left, as a start of the bridge does.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.workdirs.desk import Desk
from tests.workdirs.sequence_room import SequenceRoom, sequence_room
from workdirs import apply, directories
from workdirs.committing import commit_all
from workdirs.directories import (
    DirectoryWish,
    find_left_over,
    make_branch_directory,
    remove_branch_directory,
)
from workdirs.landing import Landing, blocked_by, bring_along, move_ref
from workdirs.merge_choices import Strategy
from workdirs.merge_room import MergeRoom, Signature
from workdirs.merging import MergeWish, preview_merge, write_merge
from workdirs.model import ObjectId, Snapshot
from workdirs.repository import open_repository
from workdirs.snapshot import take_snapshot

Files = dict[str, str]

_MAIN = "refs/heads/main"
_NAMES = st.sampled_from(["a", "b", "d/a", "d/e/b", "-x", os.fsdecode(b"\xff\n")])
_MOST_BRANCHES = 2
_KILLED = 7


@dataclass(frozen=True)
class Edit:
    """Write or delete a file of the parent (0) or of a branch."""

    place: int
    name: str
    deletes: bool


@dataclass(frozen=True)
class Commit:
    """Commit all in the parent."""


@dataclass(frozen=True)
class Checkpoint:
    """Keep the parent's files."""


@dataclass(frozen=True)
class Restore:
    """Put the parent's files back to one of the checkpoints."""

    number: int


@dataclass(frozen=True)
class Branch:
    """Make a branch; `killed`: a first try ends when the work tree is there."""

    killed: bool


@dataclass(frozen=True)
class Merge:
    """Squash a branch into the parent; at `killed_at` a step after the ref has moved, the process ends."""

    number: int
    killed_at: int | None


@dataclass(frozen=True)
class Remove:
    """Remove a branch."""

    number: int


Act = Edit | Commit | Checkpoint | Restore | Branch | Merge | Remove

_NUMBERS = st.integers(0, _MOST_BRANCHES - 1)
_KILLS = st.one_of(st.none(), st.integers(1, 4))
_EDITS = st.builds(Edit, st.integers(0, _MOST_BRANCHES), _NAMES, st.sampled_from([False, False, True]))
_ONE = st.one_of(
    _EDITS,
    st.builds(Commit),
    st.builds(Checkpoint),
    st.builds(Restore, st.integers(0, 3)),
    st.builds(Branch, st.booleans()),
    st.builds(Merge, _NUMBERS, _KILLS),
    st.builds(Remove, _NUMBERS),
).map(lambda act: [act])
_WORK_AND_MERGE = st.tuples(
    st.builds(Edit, st.just(1), _NAMES, st.sampled_from([False, False, True])),
    st.builds(Edit, st.just(1), _NAMES, st.just(value=False)),
    st.builds(Merge, st.just(0), _KILLS),
).map(list)
_EDIT_AND_COMMIT = st.tuples(st.builds(Edit, st.just(0), _NAMES, st.booleans()), st.builds(Commit)).map(list)


def _acts(most: int, *, killed: bool) -> st.SearchStrategy[list[Act]]:
    parts = st.lists(st.one_of(_ONE, _WORK_AND_MERGE, _EDIT_AND_COMMIT), min_size=3, max_size=most)
    return parts.map(lambda parts: [Branch(killed), *(act for part in parts for act in part)])


@dataclass
class _Branch:
    """A branch as the model knows it. `base` is what both sides had when it began or was last merged."""

    place: Path
    ref: str
    files: Files
    base: Files
    last: ObjectId | None = None


class _World:
    """A repository with its branches beside the model of all their files."""

    def __init__(self, home: Path, numbers: "count[int]") -> None:
        self.desk = Desk(home, numbers=numbers)
        self.head: Files = {"a": "a 0\n", "b": "b 0\n", "d/a": "d/a 0\n"}
        self.files = dict(self.head)
        self.saved: list[tuple[Snapshot, Files]] = []
        self.branches: list[_Branch] = []
        self.made = 0
        repository = open_repository(self.desk.root)
        assert repository is not None
        self.trial = MergeRoom(self.desk.store, repository)

    def act(self, act: Act) -> None:
        match act:
            case Edit(0, name, deletes):
                self._edit(self.desk.root, self.files, name, deletes=deletes)
            case Edit(number, name, deletes) if number <= len(self.branches):
                branch = self.branches[number - 1]
                self._edit(branch.place, branch.files, name, deletes=deletes)
            case Commit():
                self.desk.git("add", "-A")
                self.desk.git("commit", "-q", "--allow-empty", "-m", "work")
                self.head = dict(self.files)
            case Checkpoint():
                self.saved.append((self.desk.take(), dict(self.files)))
            case Restore(number) if self.saved:
                snapshot, files = self.saved[number % len(self.saved)]
                assert self.desk.restore(snapshot) == []
                self.files = dict(files)
            case Branch(killed) if len(self.branches) < _MOST_BRANCHES:
                self._branch(killed=killed)
            case Merge(number, killed_at) if number < len(self.branches):
                self._merge(self.branches[number], killed_at)
            case Remove(number) if number < len(self.branches):
                gone = self.branches.pop(number)
                remove_branch_directory(self.desk.root, gone.place, archive_ref="refs/bridge/archive/x")
                assert not gone.place.exists()
            case _:
                pass  # there is nothing of that number

    def check(self, *, asks_git: bool) -> None:
        assert _read(self.desk.root) == self.files
        for branch in self.branches:
            assert _read(branch.place) == branch.files
        listed = self.desk.root / ".git" / "worktrees"
        known = list(listed.iterdir()) if listed.is_dir() else []
        assert len(known) == len(self.branches), "no work tree is left behind"
        if asks_git:
            both = {*self.files, *self.head}
            edited = {name for name in both if self.files.get(name) != self.head.get(name)}
            assert len(self.desk.git("status", "--porcelain", "-uall").splitlines()) == len(edited)

    def _edit(self, root: Path, files: Files, name: str, *, deletes: bool) -> None:
        if deletes:
            if files.pop(name, None) is not None:
                (root / name).unlink()
            return
        self.made += 1
        # No two contents are alike, so that git finds no renames.
        files[name] = f"{self.made} {hash((self.made, 'x')):x}\n"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(files[name])

    def _branch(self, *, killed: bool) -> None:
        self.made += 1
        place = self.desk.home / ".b" / "work" / f"n{self.made}"
        wish = DirectoryWish(self.desk.root, place, place.name, self.desk.store, self.desk.take().commit)
        if killed:
            _ends_at(directories, 1, lambda: make_branch_directory(wish))
            assert find_left_over(self.desk.root, place)
            remove_branch_directory(self.desk.root, place)
            assert not find_left_over(self.desk.root, place)
        made = self.desk.branch(place)
        status = ("status", "--porcelain=v2", "-z")
        assert self.desk.git(*status, cwd=place) == self.desk.git(*status)
        self.branches.append(_Branch(place, f"refs/heads/{made.branch}", dict(self.files), dict(self.head)))

    def _merge(self, branch: _Branch, killed_at: int | None) -> None:
        child = open_repository(branch.place)
        assert child is not None
        wish = replace(self.desk.wish(), cache=branch.place.name, work_tree=branch.place)
        point = take_snapshot(wish).commit
        room = replace(self.trial, lands=True)
        source = commit_all(replace(room, repository=child), point, "work", Signature(at_s=1_700_000_000))
        merge = MergeWish(_MAIN, branch.ref, Strategy.SQUASH, "all", 1_700_000_000, branch.last)
        seen = preview_merge(self.trial, merge, source)
        wanted, conflicts = _merged(branch.base, branch.files, self.head)
        assert bool(seen.conflicts or seen.conflicted) == bool(conflicts)
        if conflicts:
            return
        changed = {name for name in {*wanted, *self.head} if wanted.get(name) != self.head.get(name)}
        assert {os.fsdecode(each.path) for each in seen.files} == changed
        in_the_way = {name for name in changed if self.files.get(name) != self.head.get(name)}
        landing = Landing(_MAIN, seen.target, write_merge(room, merge, seen.target, source))
        assert {os.fsdecode(each.path) for each in blocked_by(room, landing)} == in_the_way
        if in_the_way or not changed:
            return

        def land() -> None:
            move_ref(room, landing)
            bring_along(room, landing, "t")

        if killed_at is None:
            move_ref(room, landing)
        else:
            _ends_at(apply, killed_at, land)
        assert bring_along(room, landing, "t") == []
        for name in changed:
            if name in wanted:
                self.files[name] = wanted[name]
            else:
                self.files.pop(name, None)
        self.head, branch.base, branch.last = wanted, dict(branch.files), source


def _merged(base: Files, ours: Files, theirs: Files) -> tuple[Files, list[str]]:
    """Merge file by file: each content is one line, so two different changes of a file conflict."""
    merged: Files = {}
    conflicts = []
    for name in sorted({*base, *ours, *theirs}):
        was, here, there = base.get(name), ours.get(name), theirs.get(name)
        if here in (was, there):
            chosen = there
        elif there == was:
            chosen = here
        else:
            conflicts.append(name)
            continue
        if chosen is not None:
            merged[name] = chosen
    return merged, conflicts


def _read(root: Path) -> Files:
    found = {}
    for place in root.rglob("*"):
        name = place.relative_to(root)
        if name.parts[0] != ".git" and not place.is_dir():
            found[str(name)] = place.read_text()
    return found


def _ends_at(module: object, at: int, work: Callable[[], object]) -> None:
    """Do `work` in a process that ends without a word at its `at`-th crash point in `module`."""
    pid = os.fork()
    if pid == 0:
        left = at

        def crash_point(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(_KILLED)

        try:
            with patch.object(module, "crash_point", crash_point):
                work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, _KILLED)


def make_template(room: SequenceRoom) -> None:
    """Let each home of the room begin with a repository of three files."""
    room.template = room.directory / "template"
    desk = Desk(room.template)
    desk.git("init", "-q", "--template=")
    for name in ("a", "b", "d/a"):
        desk.write(name, f"{name} 0\n")
    desk.git("add", "-A")
    desk.git("commit", "-q", "-m", "base")


@pytest.fixture(scope="module")
def room() -> Iterator[SequenceRoom]:
    with sequence_room() as opened:
        make_template(opened)
        yield opened


def _play(acts: list[Act], room: SequenceRoom) -> None:
    with room.home() as home:
        world = _World(home, room.numbers)
        for act in acts:
            world.act(act)
            # Other acts of ours write nothing that git would show.
            world.check(asks_git=isinstance(act, Merge))
        world.check(asks_git=True)


_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.timeout(300)
@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=_QUIET)
@given(acts=_acts(7, killed=False))
def test_no_sequence_of_branches_and_merges_diverges_from_the_model(
    acts: list[Act], room: SequenceRoom
) -> None:
    _play(acts, room)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@settings(max_examples=2000, deadline=None, suppress_health_check=_QUIET)
@given(acts=_acts(30, killed=True))
def test_no_long_sequence_of_branches_and_merges_diverges_from_the_model(
    acts: list[Act], room: SequenceRoom
) -> None:
    _play(acts, room)

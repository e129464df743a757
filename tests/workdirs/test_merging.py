"""Merge of a branch: preview, compare-and-swap, files of a checkout, undo; nothing of the repository runs."""

import os
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest
from msgspec.structs import replace

from tests.workdirs.desk import Desk
from tests.workdirs.hostile_repository import make_hostile
from tests.workdirs.pair import TOPIC, Pair
from workdirs.changes import ChangeKind
from workdirs.committing import commit_all, has_uncommitted
from workdirs.directories import remove_branch_directory
from workdirs.errors import BranchGone, CommitRefused, MergeBlocked, MergeImpossible, RefMoved
from workdirs.landing import Blocked, blocked_by, bring_along, move_ref
from workdirs.merge_choices import Strategy, WhyBlocked
from workdirs.merge_output import ConflictKind
from workdirs.merge_room import Signature
from workdirs.merging import preview_merge, subjects, write_merge
from workdirs.model import FilePath
from workdirs.repository import open_repository


@pytest.fixture
def pair(desk: Desk) -> Pair:
    return Pair(desk)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_each_strategy_lands_in_a_clean_checkout_and_is_undone(pair: Pair, strategy: Strategy) -> None:
    desk = pair.desk
    base = pair.commit(desk.root, "elsewhere", c="c\n")
    pair.commit(pair.child, "first", a="one\n2\n3\n")
    (pair.child / "b").unlink()
    (pair.child / "run").write_text("x")
    (pair.child / "run").chmod(0o755)
    source = pair.commit(pair.child, "second")
    seen = preview_merge(pair.trial, pair.wish(strategy))
    assert [(each.path, each.kind) for each in seen.files] == [
        (b"a", ChangeKind.CHANGED),
        (b"b", ChangeKind.DELETED),
        (b"run", ChangeKind.CREATED),
    ]
    assert (seen.files[0].added, seen.files[0].removed) == (1, 1)
    assert subjects(pair.trial, seen.target, seen.source) == ["first", "second"]
    landing = pair.land(pair.wish(strategy))
    assert pair.status() == ""
    assert ((desk.root / "a").read_text(), (desk.root / "b").exists()) == ("one\n2\n3\n", False)
    assert (desk.root / "run").stat().st_mode & 0o111
    parents = desk.git("log", "-1", "--format=%P").split()
    assert (
        parents
        == {
            Strategy.SQUASH: [base],
            Strategy.MERGE: [base, source],
            Strategy.REBASE: [desk.git("rev-parse", "HEAD~1").strip()],
        }[strategy]
    )
    assert (
        desk.git("rev-list", "--count", "HEAD").strip()
        == {"squash": "3", "merge": "5", "rebase": "4"}[strategy]
    )
    desk.git("fsck", "--strict")
    back = landing.back
    assert blocked_by(pair.room, back) == []
    move_ref(pair.room, back)
    bring_along(pair.room, back, "t")
    assert (pair.status(), (desk.root / "b").read_text()) == ("", "b\n")
    assert desk.git("rev-parse", "HEAD").strip() == base


def test_squashed_worked_on_and_squashed_again_on_the_same_lines_is_clean(pair: Pair) -> None:
    first = pair.commit(pair.child, "first", a="one\n2\n3\n")
    pair.land(pair.wish())
    pair.commit(pair.desk.root, "meanwhile", c="c\n")
    second = pair.commit(pair.child, "second", a="uno\n2\n3\n")
    assert preview_merge(pair.trial, pair.wish()).conflicts, "without the last merge it conflicts with itself"
    pair.land(pair.wish(last=first))
    assert (pair.desk.root / "a").read_text() == "uno\n2\n3\n"
    assert preview_merge(pair.trial, pair.wish(last=second)).files == ()


def test_a_conflict_is_seen_before_anything_happens(pair: Pair) -> None:
    pair.commit(pair.desk.root, "ours", a="ours\n2\n3\n")
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n", b="fine\n")
    refs = pair.desk.git("for-each-ref")
    for strategy in Strategy:
        seen = preview_merge(pair.trial, pair.wish(strategy))
        assert [each.kind for each in seen.conflicts] == [ConflictKind.CONTENTS]
        assert seen.conflicted == (b"a",)
        with pytest.raises(MergeImpossible):
            write_merge(pair.room, pair.wish(strategy), seen.target, seen.source)
    assert pair.desk.git("for-each-ref") == refs
    assert pair.status() == ""


def _make_full_directory(root: Path) -> None:
    (root / "new").mkdir()
    (root / "new" / "mine").write_text("mine")


@pytest.mark.parametrize(
    ("disturb", "blocked"),
    [
        (lambda root: (root / "a").write_text("mine\n"), [Blocked(FilePath(b"a"), WhyBlocked.CHANGED)]),
        (lambda root: (root / "a").unlink(), [Blocked(FilePath(b"a"), WhyBlocked.CHANGED)]),
        (lambda root: (root / "a").chmod(0o755), [Blocked(FilePath(b"a"), WhyBlocked.CHANGED)]),
        (
            lambda root: (root / "new").write_text("untracked"),
            [Blocked(FilePath(b"new"), WhyBlocked.IN_THE_WAY)],
        ),
        (_make_full_directory, [Blocked(FilePath(b"new"), WhyBlocked.IN_THE_WAY)]),
        (lambda root: (root / "new" / "empty").mkdir(parents=True), []),
        (lambda root: (root / "new").symlink_to("/"), [Blocked(FilePath(b"new"), WhyBlocked.IN_THE_WAY)]),
        (lambda root: (root / "b").write_text("elsewhere\n"), []),
        (lambda root: (root / "other").write_text("untracked"), []),
    ],
)
def test_a_checkout_that_is_not_clean_where_it_matters_is_left_alone(
    pair: Pair, disturb: Callable[[Path], object], blocked: list[Blocked]
) -> None:
    root = pair.desk.root
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n", new="new\n")
    disturb(root)
    before = pair.desk.show(), pair.desk.git("for-each-ref", "refs/heads")
    landing = pair.prepare(pair.wish())
    assert blocked_by(pair.room, landing) == blocked
    assert (pair.desk.show(), pair.desk.git("for-each-ref", "refs/heads")) == before
    if not blocked:
        status = pair.status()
        pair.land(pair.wish())
        assert pair.status() == status, "an edit elsewhere is still there"
        assert (root / "new").read_text() == "new\n"


def test_staged_ignored_and_locked_files_block(pair: Pair) -> None:
    desk, root = pair.desk, pair.desk.root
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n", secret="from the branch\n")
    desk.write(".git/info/exclude", "secret\n")
    desk.write("secret", "mine")
    landing = pair.prepare(pair.wish())
    assert blocked_by(pair.room, landing) == [Blocked(FilePath(b"secret"), WhyBlocked.IN_THE_WAY)]
    (root / "secret").unlink()
    desk.write("a", "staged\n")
    desk.git("add", "a")
    desk.write("a", "1\n2\n3\n")
    assert blocked_by(pair.room, landing) == [Blocked(FilePath(b"a"), WhyBlocked.STAGED)]
    desk.git("reset", "-q")
    (root / ".git" / "index.lock").touch()
    with pytest.raises(MergeBlocked, match=r"index\.lock"):
        blocked_by(pair.room, landing)


def test_of_two_that_land_at_once_one_is_told(pair: Pair) -> None:
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n")
    one, two = pair.prepare(pair.wish(Strategy.SQUASH)), pair.prepare(pair.wish(Strategy.MERGE))
    move_ref(pair.room, one)
    with pytest.raises(RefMoved):
        move_ref(pair.room, two)
    assert pair.desk.git("rev-parse", "main").strip() == one.new
    bring_along(pair.room, one, "t")
    pair.commit(pair.desk.root, "worked on")
    with pytest.raises(RefMoved):
        move_ref(pair.room, one.back)


def test_a_landing_cut_after_the_ref_is_finished_and_may_be_repeated(pair: Pair) -> None:
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n", new="n\n")
    landing = pair.prepare(pair.wish())
    move_ref(pair.room, landing)
    (pair.desk.root / "a").write_text("theirs\n2\n3\n")  # half of the files came along
    for _ in range(2):
        assert bring_along(pair.room, landing, "t") == []
        assert pair.status() == ""


def test_a_file_edited_in_the_last_moment_is_left_alone(pair: Pair) -> None:
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n", new="n\n")
    landing = pair.prepare(pair.wish())
    move_ref(pair.room, landing)
    (pair.desk.root / "a").write_text("mine\n")
    assert bring_along(pair.room, landing, "t") == [b"a"]
    assert (pair.desk.root / "a").read_text() == "mine\n"


def test_a_target_that_nobody_has_checked_out_moves_alone(pair: Pair) -> None:
    pair.desk.git("checkout", "-q", "-b", "other")
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n")
    before = pair.desk.show()
    pair.land(pair.wish())
    assert pair.desk.show() == before
    assert pair.desk.git("show", "main:a") == "theirs\n2\n3\n"


def test_branches_that_are_gone_or_have_nothing_in_common(pair: Pair) -> None:
    with pytest.raises(BranchGone):
        preview_merge(pair.trial, replace(pair.wish(), source="refs/heads/nothing"))
    pair.desk.git("checkout", "-q", "--orphan", "island")
    pair.commit(pair.desk.root, "alone")
    with pytest.raises(MergeImpossible):
        preview_merge(pair.trial, replace(pair.wish(), target="refs/heads/island"))
    assert preview_merge(pair.trial, pair.wish()).files == ()


@pytest.mark.parametrize(
    ("attributes", "config", "name"),
    [
        ("*.psd filter=lfs\n", {}, "x.psd"),
        ("*.c ident\n", {}, "x.c"),
        ("*.txt eol=crlf\n", {}, "x.txt"),
        ("* text=auto\n", {"core.eol": "crlf"}, "x"),
        ("", {"core.autocrlf": "true"}, "x"),
    ],
)
def test_files_that_git_would_convert_block_the_checkout(
    desk: Desk, attributes: str, config: dict[str, str], name: str
) -> None:
    pair = Pair(desk, **{".gitattributes": attributes, "plain": "p\n"})
    for key, value in config.items():
        desk.git("config", key, value)
    pair.commit(pair.child, "theirs", **{name: "text\n"})
    landing = pair.prepare(pair.wish())
    assert blocked_by(pair.room, landing) == [Blocked(FilePath(name.encode()), WhyBlocked.FILTERED)]


def test_what_the_branch_has_not_committed_becomes_a_commit(pair: Pair) -> None:
    desk = pair.desk
    child = open_repository(pair.child)
    assert child is not None
    room = replace(pair.room, repository=child)
    assert not has_uncommitted(room, pair.take())
    (pair.child / "a").write_text("edited\n")
    (pair.child / "b").unlink()
    (pair.child / "new dir").mkdir()
    (pair.child / "new dir" / "n").write_text("new\n")
    snapshot = pair.take()
    assert has_uncommitted(room, snapshot)
    commit = commit_all(room, snapshot, "by the bridge", Signature("Ann <x>\n", "a@b", 1_700_000_000))
    assert desk.git("status", "--porcelain", cwd=pair.child) == ""
    assert desk.git("log", "-1", "--format=%H %an %s", TOPIC).strip() == f"{commit} Ann x by the bridge"
    assert commit_all(room, pair.take(), "again", Signature()) == commit
    desk.git("fsck", "--strict")
    pair.land(pair.wish())
    assert (desk.root / "new dir" / "n").read_text() == "new\n"


@pytest.mark.parametrize("why", ["filter", "crlf", "nested", "detached"])
def test_a_commit_is_refused_where_git_might_store_other_bytes(desk: Desk, why: str) -> None:
    pair = Pair(desk, **{".gitattributes": "*.f filter=x\n* text=auto\n", "plain": "p\n"})
    child = open_repository(pair.child)
    assert child is not None
    (pair.child / "plain").write_text("edited\n")
    match why:
        case "filter":
            (pair.child / "x.f").write_text("x")
        case "crlf":
            (pair.child / "plain").write_bytes(b"a\r\nb\r\n")
        case "nested":
            desk.git("init", "-q", "sub", cwd=pair.child)
            (pair.child / "sub" / "f").write_text("x")
        case _:
            desk.git("checkout", "-q", "--detach", cwd=pair.child)
    before = desk.git("for-each-ref")
    with pytest.raises(CommitRefused):
        commit_all(replace(pair.room, repository=child), pair.take(), "no", Signature())
    assert desk.git("for-each-ref") == before


def test_no_program_of_a_hostile_repository_runs(pair: Pair) -> None:
    desk = pair.desk
    marks = make_hostile(desk, desk.root)
    # Committed without git's own commands: those would run what is configured.
    room = replace(pair.room, repository=open_repository(pair.child) or pair.room.repository)
    (pair.child / "a").write_text("theirs\n2\n3\n")
    commit_all(room, pair.take(), "theirs", Signature())
    for strategy in Strategy:
        assert preview_merge(pair.trial, pair.wish(strategy)).files
    landing = pair.land(pair.wish(Strategy.MERGE))
    move_ref(pair.room, landing.back)
    bring_along(pair.room, landing.back, "t")
    remove_branch_directory(desk.root, pair.child, archive_ref="refs/bridge/archive/1")
    assert not marks.exists(), marks.read_text()


@pytest.mark.parametrize("ignored", [False, True])
def test_a_directory_that_becomes_a_file_lands_unless_it_holds_more(desk: Desk, ignored: bool) -> None:
    pair = Pair(desk, **{".gitignore": "*.log\n", "turns": "a file\n"})
    for root in (desk.root, pair.child):
        (root / "into").mkdir()
    pair.commit(desk.root, "a directory", **{"into/x": "x\n"})
    desk.git("reset", "-q", "--hard", "main", cwd=pair.child)
    (pair.child / "into" / "x").unlink()
    (pair.child / "into").rmdir()
    (pair.child / "turns").unlink()
    (pair.child / "turns").mkdir()
    pair.commit(pair.child, "swapped", into="now a file\n", **{"turns/in": "in\n"})
    if ignored:
        desk.write("into/y.log", "mine")
        blocked = blocked_by(pair.room, pair.prepare(pair.wish()))
        assert blocked == [Blocked(FilePath(b"into"), WhyBlocked.IN_THE_WAY)]
        return
    landing = pair.land(pair.wish())
    assert pair.status() == ""
    assert ((desk.root / "into").read_text(), (desk.root / "turns" / "in").read_text()) == (
        "now a file\n",
        "in\n",
    )
    assert blocked_by(pair.room, landing.back) == []
    move_ref(pair.room, landing.back)
    for _ in range(2):
        assert bring_along(pair.room, landing.back, "t") == []
        assert (pair.status(), (desk.root / "into" / "x").read_text()) == ("", "x\n")


def test_a_git_that_is_too_old_is_told(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = which("git")
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(f'#!/bin/sh\ncase "$*" in *--write-tree*) exit 129;; esac\nexec {git} "$@"\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    with pytest.raises(MergeImpossible, match=r"git 2\.38"):
        preview_merge(pair.trial, pair.wish())


@pytest.mark.parametrize("operation", ["merge", "cherry-pick", "revert", "rebase"])
def test_a_target_in_the_middle_of_an_operation_is_left_alone(pair: Pair, operation: str) -> None:
    pair.commit(pair.child, "theirs", b="theirs\n")
    mark = {"merge": "MERGE_HEAD", "cherry-pick": "CHERRY_PICK_HEAD", "revert": "REVERT_HEAD"}.get(operation)
    git_dir = pair.desk.root / ".git"
    if mark is None:
        (git_dir / "rebase-merge").mkdir()
    else:
        (git_dir / mark).write_text(pair.desk.git("rev-parse", "HEAD"))
    before, landing = pair.desk.show(), pair.prepare(pair.wish())
    with pytest.raises(MergeBlocked, match=operation):
        blocked_by(pair.room, landing)
    assert pair.desk.show() == before


def test_a_shallow_clone_merges(desk: Desk, tmp_path: Path) -> None:
    source = Desk(tmp_path / "source")
    source.git("init", "-q")
    for text in ("one\n", "two\n"):
        source.write("a", text)
        source.git("add", "-A")
        source.git("commit", "-q", "-m", text)
    desk.git("clone", "-q", "--depth", "1", f"file://{source.root}", str(desk.root), cwd=desk.home)
    pair = Pair(desk, b="b\n")
    pair.commit(pair.child, "work", a="three\n")
    pair.land(pair.wish())
    assert ((desk.root / "a").read_text(), pair.status()) == ("three\n", "")

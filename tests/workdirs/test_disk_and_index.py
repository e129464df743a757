"""Branches and merges where a disk keeps no modes, the index has marks of its own, or a rebase is going on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.workdirs.desk import Desk
from tests.workdirs.pair import MAIN, Pair
from workdirs.committing import commit_all, has_uncommitted, tree_to_commit
from workdirs.errors import CommitRefused, MergeBlocked
from workdirs.landing import Landing, blocked_by, bring_along, move_ref
from workdirs.merge_room import MergeRoom, Signature
from workdirs.model import ObjectId
from workdirs.repository import open_repository


@pytest.fixture
def pair(desk: Desk) -> Pair:
    return Pair(desk)


def _child(pair: Pair) -> MergeRoom:
    repository = open_repository(pair.child)
    assert repository is not None
    return replace(pair.room, repository=repository)


def _without_executable_bits(root: Path) -> None:
    """Let the files look as on a disk that has no such bit: all are executable."""
    for place in root.rglob("*"):
        if ".git" not in place.parts and place.is_file():
            place.chmod(0o755)


def _without_links(root: Path) -> None:
    """Let the links look as on a disk that has none: git wrote their targets as text."""
    for place in root.iterdir():
        if place.is_symlink():
            target = os.fspath(place.readlink())
            place.unlink()
            place.write_text(target)


@pytest.mark.parametrize(
    ("setting", "spoil"),
    [("core.fileMode", _without_executable_bits), ("core.symlinks", _without_links)],
)
def test_a_disk_without_modes_or_links_changes_none_in_a_commit_or_a_merge(
    desk: Desk, setting: str, spoil: Callable[[Path], None]
) -> None:
    pair = Pair(desk, a="a\n", b="b\n", **{"run.sh": "run\n"})
    for root in (desk.root, pair.child):
        (root / "run.sh").chmod(0o755)
        (root / "link").symlink_to("a")
    pair.commit(desk.root, "modes and a link")
    desk.git("reset", "-q", "--hard", "main", cwd=pair.child)
    desk.git("config", setting, "false")
    spoil(desk.root)
    spoil(pair.child)
    room = _child(pair)
    assert not has_uncommitted(room, pair.take())
    (pair.child / "a").write_text("work\n")
    (pair.child / "new").write_text("new\n")
    (pair.child / "b").unlink()
    snapshot = pair.take()
    wanted = tree_to_commit(room, snapshot)
    commit = commit_all(room, snapshot, "work", Signature())
    assert desk.git("rev-parse", f"{commit}^{{tree}}").strip() == wanted
    raw = desk.git("diff-tree", "-r", "--name-status", f"{commit}^", commit).split()
    assert raw == ["M", "a", "D", "b", "A", "new"]
    assert desk.git("ls-tree", commit, "link", "run.sh").split()[0::4] == ["120000", "100755"]
    pair.land(pair.wish())
    assert (pair.status(), (desk.root / "new").read_text()) == ("", "new\n")
    assert (desk.root / "link").is_symlink() == (setting == "core.fileMode")


@pytest.mark.parametrize("mark", ["conflict", "assume-unchanged", "skip-worktree"])
def test_a_commit_is_refused_where_the_index_says_more_than_files(pair: Pair, mark: str) -> None:
    desk = pair.desk
    if mark == "conflict":
        (pair.child / "a").write_text("stashed\n")
        desk.git("stash", "-q", cwd=pair.child)
        pair.commit(pair.child, "other", a="other\n")
        with pytest.raises(Exception, match="stash"):
            desk.git("stash", "pop", cwd=pair.child)
    else:
        desk.git("update-index", f"--{mark}", "a", cwd=pair.child)
        (pair.child / "a").write_text("only mine\n")
    (pair.child / "b").write_text("work\n")
    before = desk.git("for-each-ref")
    with pytest.raises(CommitRefused):
        commit_all(_child(pair), pair.take(), "no", Signature())
    assert desk.git("for-each-ref") == before


@pytest.mark.parametrize("how", ["conflict", "update-refs"])
def test_a_branch_that_is_being_rebased_is_no_target(pair: Pair, how: str) -> None:
    """HEAD is detached meanwhile, so that the branch looks like one that nobody has checked out."""
    desk = pair.desk
    pair.commit(pair.child, "work", b="theirs\n")
    desk.git("checkout", "-q", "-b", "top")
    pair.commit(desk.root, "ours", a="ours\n")
    desk.git("checkout", "-q", "-b", "upper")
    pair.commit(desk.root, "upper", c="c\n")
    desk.git("checkout", "-q", "main")
    pair.commit(desk.root, "main", a="main\n")
    options, branch = (("--update-refs",), "upper") if how == "update-refs" else ((), "top")
    desk.git("checkout", "-q", branch)
    with pytest.raises(Exception, match="rebase"):
        desk.git("rebase", "-q", *options, "main")
    wish = replace(pair.wish(), target="refs/heads/top")
    with pytest.raises(MergeBlocked, match="being rebased"):
        blocked_by(pair.room, pair.prepare(wish))
    pair.land(replace(wish, target=MAIN))
    desk.git("checkout", "-q", "--theirs", "a")
    desk.git("add", "a")
    desk.git("-c", "core.editor=true", "rebase", "--continue")
    desk.git("rev-parse", "top")


def test_a_merge_keeps_the_bits_of_the_files_it_replaces_and_new_ones_follow_the_umask(pair: Pair) -> None:
    root = pair.desk.root
    for name, bits in (("a", 0o600), ("b", 0o444)):
        (root / name).chmod(bits)
    for name, bits in (("a", 0o755), ("b", 0o644)):
        (pair.child / name).chmod(bits)
    (pair.child / "run").write_text("run\n")
    (pair.child / "run").chmod(0o755)
    pair.commit(pair.child, "theirs", a="theirs\n", b="b2\n", plain="plain\n")
    old = os.umask(0o077)
    try:
        pair.land(pair.wish())
    finally:
        os.umask(old)
    found = {name: (root / name).stat().st_mode & 0o777 for name in ("a", "b", "run", "plain")}
    assert found == {"a": 0o700, "b": 0o444, "run": 0o700, "plain": 0o600}
    assert pair.status() == ""


def test_an_edit_in_the_second_of_gits_last_look_is_still_seen_after_a_merge(pair: Pair) -> None:
    """git tells such a file by its content, as long as the index is not younger than the file."""
    desk, file, index = pair.desk, pair.desk.root / "b", pair.desk.root / ".git" / "index"
    for key, value in (("core.trustctime", "false"), ("core.checkStat", "minimal")):
        desk.git("config", key, value)
    pair.commit(pair.child, "theirs", a="theirs\n2\n3\n")
    second_ns = 1_700_000_000 * 1_000_000_000
    os.utime(file, ns=(second_ns, second_ns))
    desk.git("update-index", "--refresh")
    file.write_text("c\n")
    for path in (file, index):
        os.utime(path, ns=(second_ns, second_ns))
    look = ("--no-optional-locks", "status", "--porcelain")
    assert desk.git(*look) == " M b\n"
    pair.land(pair.wish())
    assert desk.git(*look) == " M b\n"


def test_an_undo_of_a_mode_change_is_the_mode_before(pair: Pair) -> None:
    (pair.child / "b").chmod(0o755)
    pair.commit(pair.child, "executable")
    landing: Landing = pair.land(pair.wish())
    assert (pair.desk.root / "b").stat().st_mode & 0o777 == 0o755
    move_ref(pair.room, landing.back)
    assert bring_along(pair.room, landing.back, "t") == []
    assert ((pair.desk.root / "b").stat().st_mode & 0o777, pair.status()) == (0o644, "")
    assert ObjectId(pair.desk.git("rev-parse", "main").strip()) == landing.old


def _split_index(desk: Desk) -> None:
    desk.git("update-index", "--split-index")


def _sparse_checkout(desk: Desk) -> None:
    desk.git("sparse-checkout", "set", "d")


def _sparse_index(desk: Desk) -> None:
    desk.git("sparse-checkout", "set", "--sparse-index", "d")


def _hidden_in_the_index(desk: Desk) -> None:
    desk.git("update-index", "--assume-unchanged", "b")
    desk.write("b", "hidden\n")
    desk.git("update-index", "--skip-worktree", "d/in")
    (desk.root / "d" / "in").unlink()


def _absent_submodule(desk: Desk) -> None:
    other = Desk(desk.home / "other")
    other.git("init", "-q")
    other.write("x")
    other.git("add", "-A")
    other.git("commit", "-q", "-m", "x")
    desk.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "lib/sub")
    desk.git("commit", "-q", "-m", "a submodule")
    desk.git("submodule", "--quiet", "deinit", "-f", "lib/sub")


def _conflict_of_a_stash(desk: Desk) -> None:
    desk.write("a", "stashed\n")
    desk.git("stash", "-q")
    desk.write("a", "other\n")
    desk.git("commit", "-q", "-a", "-m", "other")
    with pytest.raises(Exception, match="stash"):
        desk.git("stash", "pop")


def _bisecting(desk: Desk) -> None:
    for message in ("two", "three"):
        desk.git("commit", "-q", "--allow-empty", "-m", message)
    desk.git("bisect", "start", "HEAD", "HEAD~2")


def _rules_elsewhere(desk: Desk) -> None:
    (desk.home / "rules").write_text("*.global\n")
    desk.git("config", "core.excludesFile", str(desk.home / "rules"))
    (desk.root / ".git" / "info" / "exclude").write_text("*.excluded\n")
    for name in ("x.global", "x.excluded"):
        desk.write(name)


def _mode_only(desk: Desk) -> None:
    (desk.root / "a").chmod(0o755)
    desk.git("update-index", "--chmod=+x", "b")


@pytest.mark.parametrize(
    "state",
    [
        _split_index,
        _sparse_checkout,
        _sparse_index,
        _hidden_in_the_index,
        _absent_submodule,
        _conflict_of_a_stash,
        _bisecting,
        _rules_elsewhere,
        _mode_only,
    ],
)
def test_a_branch_says_of_itself_whatever_git_says_of_its_parent(
    desk: Desk, state: Callable[[Desk], None]
) -> None:
    desk.git("init", "-q")
    for name in ("a", "b", "d/in", "e/f/out"):
        desk.write(name, f"{name}\n")
    desk.git("add", "-A")
    desk.git("commit", "-q", "-m", "base")
    state(desk)
    desk.write("d/in2", "staged\n")
    desk.git("add", "d/in2")
    desk.write("untracked", "u\n")
    index = (desk.root / ".git" / "index").read_bytes()
    place = desk.home / ".branches" / "work" / "try"
    made = desk.branch(place)
    assert made.branch
    assert (desk.root / ".git" / "index").read_bytes() == index
    status = ("status", "--porcelain=v2", "-z", "--untracked-files=all")
    assert desk.git(*status, cwd=place) == desk.git(*status)

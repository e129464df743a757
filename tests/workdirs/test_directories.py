"""The directory of a branch: the parent's exact state, no program of the repository, no loss on removal."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workdirs.desk import Desk
from tests.workdirs.hostile_repository import make_hostile
from workdirs import copying
from workdirs.directories import (
    DirectoryWish,
    MadeDirectory,
    branch_name,
    check_branch_name,
    make_branch_directory,
    remove_branch_directory,
)
from workdirs.errors import BadBranchName, PlaceTaken, RemovalFailed
from workdirs.file_reading import blob_id
from workdirs.git import GitCall, environment
from workdirs.model import ObjectId
from workdirs.repository import head_of, open_repository, read_state


def _branch(desk: Desk, name: str = "try", *, from_store: bool = False) -> MadeDirectory:
    place = desk.home / ".branches" / "work" / name
    if from_store:
        return make_branch_directory(DirectoryWish(desk.root, place, name, desk.store, desk.take().commit))
    return desk.branch(place)


def _status(desk: Desk, root: Path) -> str:
    return desk.git("status", "--porcelain=v2", "--untracked-files=all", cwd=root)


def _commit(desk: Desk, message: str = "one", root: Path | None = None) -> str:
    desk.git("add", "-A", cwd=root)
    desk.git("commit", "-q", "--allow-empty", "-m", message, cwd=root)
    return desk.git("rev-parse", "HEAD", cwd=root).strip()


def _dirty(desk: Desk) -> str:
    """Make a repository with a change of every kind. Return its HEAD."""
    desk.git("init", "-q")
    for name in ("staged", "edited", "both", "deleted", "gone", "renamed", "mode", "crlf.txt", "dir/in"):
        desk.write(name, f"{name}\n" * 20)
    desk.write(".gitignore", "ignored\n*.log\n")
    desk.write(".gitattributes", "*.txt text=auto\n")
    desk.root.joinpath("link").symlink_to("edited")
    head = _commit(desk)
    desk.write("staged", "new\n")
    desk.git("add", "staged")
    desk.write("both", "first\n")
    desk.git("add", "both")
    desk.write("both", "second\n")
    desk.write("edited", "edited\n")
    desk.git("rm", "-q", "deleted")
    (desk.root / "gone").unlink()
    desk.git("mv", "renamed", "renamed-to")
    desk.write("mode", "mode\n" * 20, 0o755)
    desk.write("crlf.txt", "crlf.txt\r\n" * 20)
    desk.write('untracked \n"name"', "u")
    desk.write(b"\xff\xfe", "bytes")
    desk.write("added-later", "x")
    desk.git("add", "--intent-to-add", "added-later")
    desk.write("ignored", "secret")
    desk.write("key", "private", 0o600)
    desk.write("sub/x", "in a nested repository")
    return head


@pytest.mark.parametrize("way", ["copied", "known and copied", "from the store"])
def test_a_branch_has_the_status_and_files_of_its_parent_whose_index_stays_as_it_is(
    desk: Desk, way: str
) -> None:
    head = _dirty(desk)
    if way == "known and copied":
        desk.take()
        desk.git("update-index", "--split-index", "--untracked-cache")
    desk.git("init", "-q", cwd=desk.write("nested/file", "n").parent)
    before, status = (desk.root / ".git" / "index").read_bytes(), _status(desk, desk.root)
    made = _branch(desk, from_store=way == "from the store")
    assert (desk.root / ".git" / "index").read_bytes() == before
    assert (made.branch, made.base, made.left_out) == ("bridge/try", head, ())
    # A nested repository of the parent is plain files here: git lists them one by one.
    assert _status(desk, made.place).replace("? nested/file\n", "? nested/\n") == status
    files = desk.show()
    del files[b"ignored"]
    assert desk.show(made.place) == files
    assert desk.git("rev-parse", "HEAD", cwd=made.place).strip() == head
    assert desk.git("symbolic-ref", "HEAD", cwd=made.place).strip() == "refs/heads/bridge/try"
    _commit(desk, "in the branch", made.place)
    assert desk.git("rev-parse", "HEAD").strip() == head
    desk.sound()


@pytest.mark.parametrize("state", ["none", "unborn", "merging", "bare", "linked", "forged"])
def test_where_git_cannot_branch_the_directory_is_a_plain_copy(desk: Desk, state: str) -> None:
    desk.write("f", "content")
    desk.write("private", "p", 0o600)
    match state:
        case "unborn":
            desk.git("init", "-q")
        case "merging":
            desk.git("init", "-q")
            _commit(desk)
            desk.git("checkout", "-q", "-b", "other")
            desk.write("f", "other")
            _commit(desk)
            desk.git("checkout", "-q", "main")
            desk.write("f", "ours")
            _commit(desk)
            with pytest.raises(Exception, match="merge"):
                desk.git("merge", "-q", "other")
        case "bare":
            desk.git("init", "-q", "--bare")
        case "linked" | "forged":
            other = desk.home / "other"
            other.mkdir()
            desk.git("init", "-q", cwd=other)
            _commit(desk, root=other)
            if state == "linked":
                (desk.root / ".git").symlink_to(other / ".git")
            else:
                (desk.root / ".git").write_text(f"gitdir: {other / '.git'}\n")
        case _:
            pass
    made = _branch(desk)
    assert (made.branch, made.base) == ("", None)
    assert not (made.place / ".git").exists()
    shown = desk.show()
    shown.pop(b".git", None)
    assert desk.show(made.place) == shown


def test_a_branch_of_a_branch_is_a_work_tree_of_the_same_repository(desk: Desk) -> None:
    _dirty(desk)
    first = _branch(desk)
    repository = open_repository(first.place)
    assert repository is not None
    assert read_state(repository).branch == "bridge/try"
    second = desk.branch(first.place.with_name("two"), first.place)
    assert _status(desk, second.place) == _status(desk, first.place)


def test_a_detached_head_a_branch_called_bridge_and_taken_names(desk: Desk) -> None:
    desk.git("init", "-q")
    desk.write("f")
    head = _commit(desk)
    desk.git("checkout", "-q", "--detach")
    assert _branch(desk, "a").branch == "bridge/a"
    with pytest.raises(PlaceTaken):
        _branch(desk, "a")
    desk.git("branch", "bridge/b")
    assert _branch(desk, "b").branch == "bridge/b-2"
    for name in ("bridge/a", "bridge/b", "bridge/b-2"):
        desk.git("update-ref", "-d", f"refs/heads/{name}")
    desk.git("branch", "bridge")
    made = _branch(desk, "c")
    assert (made.branch, made.base) == ("bridge-c", head)


def test_files_over_the_cap_of_checkpoints_are_copied_up_to_a_cap_of_their_own(desk: Desk) -> None:
    desk.caps = type(desk.caps)(max_file_bytes=100)
    desk.git("init", "-q")
    desk.write("big", "b" * 1_000)
    _commit(desk)
    desk.write("dir/bigger", "c" * 5_000)
    os.mkfifo(desk.root / "pipe")
    made = _branch(desk)
    assert _status(desk, made.place) == _status(desk, desk.root)
    assert (made.place / "dir" / "bigger").read_text() == "c" * 5_000
    place = made.place.with_name("small")
    assert b"dir/bigger" in desk.branch(place, most_copied_bytes=2_000).left_out
    assert (place / "big").exists()


def test_a_file_that_grew_over_the_cap_or_cannot_be_read_any_more_comes_as_far_as_it_is_known(
    plain_desk: Desk,
) -> None:
    desk = plain_desk
    desk.caps = type(desk.caps)(max_file_bytes=100)
    desk.write("grew", "small")
    desk.write("locked/in", "known")
    desk.write("locked-file", "known too")
    desk.take()
    desk.write("grew", "b" * 1_000)
    for name in ("locked", "locked-file"):
        (desk.root / name).chmod(0)
    try:
        made = _branch(desk)
    finally:
        (desk.root / "locked").chmod(0o755)
    assert (made.place / "grew").read_text() == "b" * 1_000
    assert (made.place / "locked" / "in").read_text() == "known"
    assert (made.place / "locked-file").read_text() == "known too"
    assert sorted(made.left_out) == [b"locked", b"locked-file"]


def test_files_that_change_while_they_are_copied_are_as_the_checkpoint_holds_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = desk.home / "outside"
    outside.mkdir()
    (outside / "in").write_text("a secret")

    def swap() -> None:
        (desk.root / "swapped").rename(desk.home / "moved")
        (desk.root / "swapped").symlink_to(outside)

    changes: dict[str, Callable[[], object]] = {
        "appended": lambda: desk.write("appended", "longer than before"),
        "cut": lambda: desk.write("cut", "t"),
        "deleted": (desk.root / "deleted").unlink,
        "rewritten": lambda: desk.write("rewritten", "TEXT"),
        "same": swap,
    }
    for path in (*changes, "swapped/in"):
        desk.write(path)
        os.utime(desk.root / path, (1, 1))  # so that the time of a second write is another one
    desk.take()
    copy_range = copying._copy_range

    def copy_and_change(source: int, target: int, size: int) -> None:
        copy_range(source, target, size)
        if change := changes.pop(Path(f"/proc/self/fd/{source}").readlink().name, None):
            change()

    monkeypatch.setattr(copying, "_copy_range", copy_and_change)
    made = _branch(desk)
    assert changes == {}
    here = {path: (made.place / os.fsdecode(path)).read_text() for path in desk.show(made.place)}
    wanted = {b"appended": "longer than before", b"cut": "t", b"rewritten": "TEXT", b"same": "text"}
    assert here == wanted
    monkeypatch.undo()
    held = desk.store.tree(ObjectId("refs/checkpoints/c1"))
    assert {path: entry.blob for path, entry in held.items() if path in wanted} == {
        path: blob_id(text.encode()).hex() for path, text in wanted.items()
    }


def test_no_program_of_a_hostile_repository_runs(desk: Desk) -> None:
    desk.git("init", "-q")
    desk.write("a.f", "one\n")
    desk.write("a.p", "two\n")
    _commit(desk)
    nested = desk.write("nested/x.f", "n").parent
    desk.git("init", "-q", cwd=nested)
    marks = make_hostile(desk, desk.root)
    make_hostile(desk, nested)
    desk.write("a.f", "changed\n")
    desk.write("b.p", "new\n")
    made = _branch(desk)
    assert made.branch
    assert (made.place / "a.f").read_text() == "changed\n"
    remove_branch_directory(desk.root, made.place, archive_ref="refs/bridge/archive/1")
    assert not made.place.exists()
    assert not marks.exists(), marks.read_text()


def test_a_missing_commit_is_fetched_from_nowhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """git fetches what a partial clone lacks, with a program that the repository names."""
    desk.git("init", "-q")
    desk.write("a")
    _commit(desk)
    marks = desk.home / "ran"
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "evil",
        "remote.evil.url": str(desk.root),
        "remote.evil.promisor": "true",
        "remote.evil.uploadpack": f"touch {marks}; false",
        "protocol.allow": "always",
    }.items():
        desk.git("config", key, value)
    (desk.root / ".git" / "refs" / "heads" / "main").write_text("1234567890" * 4 + "\n")
    head_of(desk.root)
    assert _branch(desk).branch == ""
    with pytest.raises(Exception, match="rev-parse"):
        desk.git("rev-parse", "HEAD^{tree}")
    assert marks.exists(), "the user's own git fetches it"
    marks.unlink()
    # git before 2.39.4 does not know this variable; the other one has to do.
    monkeypatch.setattr("workdirs.git.environment", _without("GIT_NO_LAZY_FETCH"))
    assert _branch(desk, "old-git").branch == ""
    assert not marks.exists()


def _without(name: str) -> Callable[[GitCall], dict[str, str]]:
    return lambda call: {key: value for key, value in environment(call).items() if key != name}


def test_removal_keeps_commits_that_nothing_else_reaches_and_can_be_repeated(desk: Desk) -> None:
    _dirty(desk)
    kept, plain = _branch(desk, "kept"), _branch(desk, "plain")
    commit = _commit(desk, "only here", kept.place)
    for made in (kept, plain):
        for _ in range(2):
            remove_branch_directory(desk.root, made.place, archive_ref=f"refs/bridge/archive/{made.place.name}")
        assert not made.place.exists()
    refs = desk.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert f"refs/bridge/archive/kept {commit}" in refs
    assert not [ref for ref in refs if "archive/plain" in ref or "heads/bridge" in ref]


@pytest.mark.parametrize("with_git", [True, False])
def test_directories_that_are_read_only_are_removed_too(plain_desk: Desk, with_git: bool) -> None:
    """Go's module cache is one."""
    desk = plain_desk
    desk.write("a")
    if with_git:
        desk.git("init", "-q")
        _commit(desk)
    outside = desk.home / "outside"
    outside.mkdir(mode=0o500)
    made = _branch(desk)
    assert bool(made.branch) == with_git
    closed = made.place / "cache" / "deep" / "x"
    closed.parent.mkdir(parents=True)
    closed.write_text("x")
    (closed.parent / "link").symlink_to(outside)
    for directory in (closed.parent, closed.parent.parent):
        directory.chmod(0o555)
    remove_branch_directory(desk.root, made.place)
    assert not made.place.exists()
    assert outside.stat().st_mode & 0o777 == 0o500


def test_removal_never_deletes_a_work_tree_that_its_repository_does_not_know(desk: Desk) -> None:
    _dirty(desk)
    made = _branch(desk)
    (desk.root / ".git").rename(desk.home / "moved")
    with pytest.raises(RemovalFailed):
        remove_branch_directory(desk.root, made.place)
    assert (made.place / "edited").exists()


def test_a_failure_in_the_middle_leaves_nothing(desk: Desk) -> None:
    _dirty(desk)
    refs = desk.git("for-each-ref")
    place = desk.home / ".branches" / "work" / "try"
    missing = type(desk.take().commit)("0" * 40)
    with pytest.raises(Exception, match="stored"):
        make_branch_directory(DirectoryWish(desk.root, place, "try", desk.store, missing))
    assert not place.exists()
    assert desk.git("for-each-ref") == refs
    assert len(desk.git("worktree", "list").splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "-x", "x-", "a b", "ä", "x" * 60, "a\nb", "a.lock", "@{", "~"]
)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(BadBranchName):
        check_branch_name(name)
    check_branch_name(branch_name(name))


def test_names_are_made_of_titles() -> None:
    assert branch_name("Fix the Build: (part 2)!") == "fix-the-build-part-2"
    assert branch_name("修复") == "work"


def test_ignored_files_come_along_if_the_project_names_them_and_is_trusted(desk: Desk) -> None:
    desk.git("init", "-q")
    desk.write(".gitignore", "*.local\n/cache/\n.env\n")
    desk.write(".worktreeinclude", "*.local\ncache/keep*\n/plain\n!no.local\nup\n../outside\n")
    desk.write("plain", "not ignored")
    _commit(desk)
    for name in (".env", "a.local", "deep/b.local", "no.local", "cache/keep1", "cache/other"):
        desk.write(name, name, 0o600)
    (desk.root / "link.local").symlink_to("/etc/passwd")
    desk.git("init", "-q", cwd=desk.write("nested/c").parent)
    place = desk.home / ".branches" / "work" / "trusted"
    wish = DirectoryWish(desk.root, place, "trusted", desk.store, desk.take().commit, includes=True)
    made = make_branch_directory(wish)
    came = set(desk.show(place))
    assert {b"a.local", b"deep/b.local", b"cache/keep1", b"plain"} <= came
    assert not {b".env", b"no.local", b"cache/other", b"link.local"} & came
    assert made.included == 3
    assert made.left_out == (b"link.local",)
    assert (place / "a.local").stat().st_mode & 0o777 == 0o600
    assert not (_branch(desk, "other").place / "a.local").exists()
    assert _status(desk, place).replace("? nested/c\n", "? nested/\n") == _status(desk, desk.root)

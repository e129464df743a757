"""A snapshot holds the whole work tree, whatever lies in it, and nothing makes it fail as a whole."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.workdirs.desk import Desk, paths
from workdirs import file_reading
from workdirs.errors import CheckpointFailed, WhyNoCheckpoint
from workdirs.model import Caps, FilePath, Uncovered, WhyUncovered
from workdirs.taking import take, take_in_process


def test_a_tree_has_the_id_that_git_gives_it(desk: Desk) -> None:
    desk.write("a/b.txt")
    desk.write("run.sh", mode=0o755)
    desk.write("a.b", "")
    (desk.root / "link").symlink_to("a/b.txt")
    snapshot = desk.take()
    desk.git("init", "-q")
    desk.git("add", "-A")
    assert desk.git("write-tree").strip() == snapshot.tree
    desk.sound()


def test_the_store_is_readable_by_its_owner_only(desk: Desk) -> None:
    for number in range(150):  # more than fast-import unpacks
        desk.write(f"f{number}", f"text {number}")
    desk.take()
    desk.write("f0", "other")
    desk.take()
    with desk.store.locked():
        desk.store.pack()
    desk.write("f1", "other")
    desk.take()
    open_to_others = [path for path in desk.store.directory.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_an_unchanged_tree_makes_no_new_commit_and_a_change_does(desk: Desk) -> None:
    file = desk.write("a")
    first = desk.take()
    again = desk.take()
    assert (again.commit, again.ref, again.is_new) == (first.commit, first.ref, False)
    file.touch()
    assert desk.take().commit == first.commit  # another time, the same bytes
    file.chmod(0o600)
    assert desk.take().commit != first.commit
    file.unlink()
    assert desk.take().coverage.files == 0
    desk.sound()


def test_without_its_cache_a_snapshot_is_the_same(desk: Desk) -> None:
    for number in range(30):
        desk.write(f"d{number % 3}/f{number}", f"text {number}")
    first = desk.take()
    desk.store.cache("main").unlink()
    assert desk.take().tree == first.tree
    desk.store.cache("main").write_bytes(b"damaged")
    assert desk.take().tree == first.tree
    desk.sound()


def test_files_of_a_repository_without_a_commit_are_in(desk: Desk) -> None:
    desk.write("a")
    (desk.root / "n" / "deeper").mkdir(parents=True)
    for place in ("n", "n/deeper"):
        desk.git("init", "-q", cwd=desk.root / place)
        desk.write(f"{place}/file")
    desk.write("n/.gitignore", "*.log\n")
    desk.write("n/x.log")
    snapshot = desk.take()
    assert paths(snapshot, desk) == {b"a", b"n/.gitignore", b"n/file", b"n/deeper/file"}
    assert set(snapshot.coverage.nested) == {b"n", b"n/deeper"}
    desk.git("-c", "user.name=A", "add", ".", cwd=desk.root / "n" / "deeper")
    desk.git("commit", "-qm", "x", cwd=desk.root / "n" / "deeper")
    assert desk.take().tree == snapshot.tree  # with a commit it is the same


def test_any_name_round_trips_and_one_that_git_reserves_is_named(desk: Desk) -> None:
    names = [
        b"\xff\xfe",
        b"new\nline",
        b"-f",
        b":colon",
        b'quo"te',
        b"back\\slash",
        b" blank ",
        b"tab\t",
        "ü".encode(),
    ]
    for name in names:
        desk.write(b"d/" + name, name)
    desk.write(".GIT/x")
    desk.write("e/.git /x")
    snapshot = desk.take()
    assert paths(snapshot, desk) == {b"d/" + name for name in names}
    assert {(each.path, each.why) for each in snapshot.coverage.uncovered} == {
        (b".GIT/x", WhyUncovered.RESERVED_NAME),
        (b"e/.git /x", WhyUncovered.RESERVED_NAME),
    }
    assert desk.store.coverage(snapshot.commit).uncovered  # kept with the commit


def test_a_fifo_in_a_files_place_is_named_and_the_old_content_stays(desk: Desk) -> None:
    file = desk.write("a", "old")
    desk.write("b")
    first = desk.take()
    file.unlink()
    os.mkfifo(file)
    second = desk.take()
    assert second.coverage.uncovered == [Uncovered(FilePath(b"a"), WhyUncovered.SPECIAL)]
    assert second.tree == first.tree


def test_a_file_over_the_cap_is_named_with_its_size(desk: Desk) -> None:
    desk.caps = Caps(max_file_bytes=1000)
    desk.write("small", b"x" * 1000)
    desk.write("large", b"x" * 1001)
    snapshot = desk.take()
    assert paths(snapshot, desk) == {b"small"}
    assert snapshot.coverage.uncovered == [Uncovered(FilePath(b"large"), WhyUncovered.TOO_LARGE, 1001)]


def test_unreadable_is_not_deleted(plain_desk: Desk) -> None:
    desk = plain_desk
    desk.write("d/a")
    file = desk.write("b")
    first = desk.take()
    (desk.root / "d").chmod(0)
    file.chmod(0)
    during = desk.take()
    (desk.root / "d").chmod(0o755)
    file.chmod(0o644)
    assert during.tree == first.tree == desk.take().tree
    assert {each.path for each in during.coverage.uncovered} == {b"d", b"b"}
    assert not during.coverage.is_partial


def test_known_files_stay_in_when_a_rule_ignores_them_later(desk: Desk) -> None:
    desk.write("a")
    desk.write("b")
    desk.take()
    desk.write(".gitignore", "*\n")
    desk.write("new")
    (desk.root / "b").unlink()
    assert paths(desk.take(), desk) == {b"a"}


def test_files_of_the_users_index_are_in_though_ignored(desk: Desk) -> None:
    desk.git("init", "-q")
    desk.write(".gitignore", "*.cfg\n")
    desk.write("kept.cfg")
    desk.write("other.cfg")
    desk.git("add", "-f", "kept.cfg")
    (desk.root / ".git" / "info").mkdir(exist_ok=True)
    (desk.root / ".git" / "info" / "exclude").write_text("*.private\n")
    desk.write("x.private")
    for _ in range(2):
        assert paths(desk.take(), desk) == {b".gitignore", b"kept.cfg"}


@pytest.mark.parametrize("state", ["merge", "locked", "unborn", "bare", "damaged index", "damaged config"])
def test_no_state_of_the_users_repository_stops_a_checkpoint(desk: Desk, state: str) -> None:
    desk.git("init", "-q", *(["--bare", ".git"] if state == "bare" else []))
    desk.write("a")
    if state in ("merge", "locked", "damaged index"):
        desk.git("add", "a")
        desk.git("commit", "-qm", "x")
    git_dir = desk.root / ".git"
    if state == "merge":
        (git_dir / "MERGE_HEAD").write_text(desk.git("rev-parse", "HEAD"))
    elif state == "locked":
        (git_dir / "index.lock").touch()
    elif state == "damaged index":
        (git_dir / "index").write_bytes(b"damaged")
    elif state == "damaged config":
        (git_dir / "config").write_bytes(b"[core\n\0")
    assert paths(desk.take(), desk) == {b"a"}


def test_a_file_that_is_appended_to_all_the_time_is_named_as_moving(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = desk.write("server.log", "line\n" * 1000)
    for number in range(20):
        desk.write(f"f{number}", f"text {number}")
    read = file_reading._read_up_to

    def read_while_it_grows(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if os.path.samestat(os.fstat(descriptor), log.stat()):
            with log.open("ab") as file:
                file.write(b"another line\n")
        return data

    monkeypatch.setattr(file_reading, "_read_up_to", read_while_it_grows)
    for snapshot in [desk.take() for _ in range(3)]:
        assert list(snapshot.coverage.moving) == [b"server.log"]
        assert len(paths(snapshot, desk)) == 21
        blob = desk.store.tree(snapshot.commit)[FilePath(b"server.log")].blob
        ((_, data),) = desk.store.blobs([(FilePath(b"server.log"), blob)])
        assert log.read_bytes().startswith(data)
    monkeypatch.undo()
    assert desk.take().coverage.moving == []
    desk.sound()


def test_too_many_files_are_refused_with_their_number(desk: Desk) -> None:
    desk.caps = Caps(max_files=3)
    for number in range(4):
        desk.write(f"f{number}")
    with pytest.raises(CheckpointFailed, match="4 files") as refused:
        desk.take()
    assert refused.value.why is WhyNoCheckpoint.TOO_MANY_FILES


def test_a_full_store_is_refused_but_not_for_an_unchanged_tree(desk: Desk) -> None:
    desk.write("a")
    desk.take()
    desk.caps = Caps(max_store_bytes=1)
    assert not desk.take().is_new
    desk.write("a", "other")
    with pytest.raises(CheckpointFailed) as refused:
        desk.take()
    assert refused.value.why is WhyNoCheckpoint.STORE_FULL


def test_one_snapshot_does_not_take_more_than_all_may_take(desk: Desk) -> None:
    desk.caps = Caps(max_store_bytes=400_000)
    for number in range(30):
        desk.write(f"f{number}", os.urandom(100_000))
    with pytest.raises(CheckpointFailed) as refused:
        desk.take()
    assert refused.value.why is WhyNoCheckpoint.STORE_FULL
    assert desk.store.size() < 700_000
    desk.store.sweep()
    assert desk.store.size() < 100_000


async def test_a_process_of_its_own_takes_the_same_snapshot(desk: Desk) -> None:
    desk.write(b"d/\xff", mode=0o600)
    os.mkfifo(desk.root / "fifo")
    desk.caps = Caps(max_file_bytes=1000)
    desk.write("large", b"x" * 1001)
    first = await take_in_process(desk.wish())
    again = await take(desk.wish())
    assert (again.tree, again.coverage) == (first.tree, first.coverage)
    desk.caps = Caps(max_files=0)
    with pytest.raises(CheckpointFailed) as refused:
        await take_in_process(desk.wish())
    assert refused.value.why is WhyNoCheckpoint.TOO_MANY_FILES


async def test_a_look_that_hangs_is_given_up(desk: Desk) -> None:
    os.mkfifo(desk.root / ".gitignore")  # git waits for somebody to write into it
    wish = desk.wish()
    msgspec.structs.force_setattr(wish, "deadline_s", 0.3)
    with pytest.raises(CheckpointFailed) as refused:
        await take(wish)
    assert refused.value.why is WhyNoCheckpoint.TOO_SLOW


@pytest.mark.parametrize("place", ["snapshot.before_commit", "snapshot.after_commit"])
def test_a_killed_snapshot_leaves_nothing_that_disturbs_the_next(desk: Desk, place: str) -> None:
    desk.write("a")
    desk.take()
    for number in range(200):
        desk.write(f"f{number}", os.urandom(100))
    code = (
        "import sys, pickle; from workdirs.snapshot import take_snapshot; "
        "take_snapshot(pickle.load(sys.stdin.buffer))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(desk.wish()),
        env={**os.environ, "CLAUDE_BRIDGE_CRASH_AT": place},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 137
    if place == "snapshot.before_commit":  # as fast-import leaves it if it is killed, too
        (desk.store.git_dir / "objects" / "pack" / "tmp_pack_x").touch()
    snapshot = desk.take()
    assert snapshot.coverage.files == 201
    left = [
        path.name for path in desk.store.git_dir.rglob("*") if path.name.startswith(("tmp_", "fast_import"))
    ]
    assert left == ([] if place == "snapshot.before_commit" else left)
    desk.sound()


@pytest.mark.parametrize(("name", "depth"), [("n" * 14, 300), ("m" * 200, 25)])
def test_a_path_longer_than_the_system_takes_is_named_and_stays(desk: Desk, name: str, depth: int) -> None:
    desk.write("a", "old")
    above = os.open(desk.root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=above)
        below = os.open(name, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    leaf = os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=above)
    os.close(leaf)
    snapshot = desk.take()
    assert not snapshot.coverage.is_partial
    assert [(each.why, each.path[:1]) for each in snapshot.coverage.uncovered] == [
        (WhyUncovered.TOO_DEEP, name[:1].encode())
    ]
    desk.write("a", "new")
    assert desk.restore(snapshot) == []
    assert (desk.root / "a").read_text() == "old"
    os.stat("leaf", dir_fd=above)
    os.close(above)
    subprocess.run(["rm", "-rf", desk.root / name], check=True)  # pytest's own clean-up recurses

"""A restore puts back exactly the target, loses nothing that no checkpoint holds, and can be killed."""

import os
import shutil
import subprocess
from hashlib import sha256

import pytest

from tests.workdirs.desk import Desk
from workdirs.errors import StoreDamaged
from workdirs.model import Caps, FilePath
from workdirs.plan import Delete, Left, SetMode, WhyLeft, Write, clashing_names
from workdirs.restoring import apply_restore


def _name(path: str) -> FilePath:
    return FilePath(path.encode())


def test_bytes_come_back_whatever_attributes_say(desk: Desk) -> None:
    desk.git("init", "-q")
    rules = (
        "* text=auto",
        "*.u16 working-tree-encoding=UTF-16",
        "*.c ident",
        "*.psd filter=lfs diff=lfs",
        "*.e eol=crlf",
    )
    desk.write(".gitattributes", "\n".join(rules) + "\n")
    for setting in ("clean", "smudge"):
        desk.git("config", f"filter.lfs.{setting}", "false")
    desk.git("config", "core.autocrlf", "true")
    desk.write("a.txt", b"one\r\ntwo\r\n")
    desk.write("b.u16", "Grüße\n".encode("utf-16"))
    desk.write("c.c", b"/* $Id$ */\n")
    desk.write("d.psd", bytes(range(256)))
    desk.write("e.e", b"one\ntwo\n")
    desk.write("f.sh", b"#!/bin/sh\n", 0o755)
    before = desk.show()
    target = desk.take()
    for path in before:
        (desk.root / os.fsdecode(path)).unlink()
    assert desk.restore(target) == []
    assert desk.show() == before


def test_what_changed_type_comes_back(desk: Desk) -> None:
    desk.write("file-to-directory")
    desk.write("directory-to-file/a/b")
    desk.write("file-to-link", "x")
    (desk.root / "link-to-file").symlink_to("nowhere")
    desk.write("link-loop")
    (desk.root / "absolute").symlink_to("/etc/hostname")
    desk.write(b"\xff\n-name")
    desk.write("Case")
    before = desk.show()
    target = desk.take()
    for path in ("file-to-directory", "file-to-link", "link-to-file", "link-loop", "absolute", "Case"):
        (desk.root / path).unlink()
    (desk.root / os.fsdecode(b"\xff\n-name")).unlink()
    desk.write("file-to-directory/x/y")
    (desk.root / "directory-to-file" / "a" / "b").unlink()
    (desk.root / "directory-to-file" / "a").rmdir()
    (desk.root / "directory-to-file").rmdir()
    desk.write("directory-to-file", "now a file")
    (desk.root / "file-to-link").symlink_to("elsewhere")
    desk.write("link-to-file", "now a file")
    (desk.root / "link-loop").symlink_to("link-loop")
    desk.write("case", "another")
    assert desk.restore(target) == []
    assert desk.show() == before


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o700, 0o664])
def test_permission_bits_come_back(desk: Desk, mode: int) -> None:
    for number in range(3):
        desk.write(f"usual{number}")
    desk.write("key", "secret", mode)
    desk.write("other", "x", mode)
    before = desk.show()
    target = desk.take()
    (desk.root / "key").unlink()
    (desk.root / "other").chmod(0o644)
    plan = desk.plan(desk.take(), target)
    assert {type(step) for step in plan.steps} <= {Write, SetMode}
    assert desk.restore(target) == []
    assert desk.show() == before
    assert desk.restore(target) == []
    assert desk.plan(desk.take(), target).is_empty


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_directory_that_is_made_again_has_its_bits(desk: Desk, umask: int) -> None:
    for path in ("closed/keys/id", "open/x", "fixed/x"):
        desk.write(path)
    bits = {"closed": 0o711, "closed/keys": 0o700, "open": 0o755, "fixed": 0o555}
    for path, each in sorted(bits.items(), reverse=True):
        (desk.root / path).chmod(each)
    target = desk.take()
    (desk.root / "fixed").chmod(0o755)
    for path in ("closed", "open", "fixed"):
        shutil.rmtree(desk.root / path)
    old = os.umask(umask)
    try:
        assert desk.restore(target) == []
        place = desk.home / "copy"
        desk.branch(place)
    finally:
        os.umask(old)
    assert {path: (desk.root / path).stat().st_mode & 0o777 for path in bits} == bits
    assert (desk.root / "closed" / "keys" / "id").stat().st_mode & 0o777 == 0o644
    # In a branch its owner has to be able to remove it.
    assert {(place / path).stat().st_mode & 0o777 for path in ("closed/keys",)} == {0o700}
    assert (place / "fixed").stat().st_mode & 0o700 == 0o700


def test_a_file_that_is_mounted_from_elsewhere_is_left_and_the_rest_is_restored(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        desk.write(name, "old")
    target = desk.take()
    for name in ("a", "b", "c"):
        desk.write(name, "new")
    mounted = os.fspath(desk.root / "b")
    if subprocess.run(["mount", "--bind", mounted, mounted], capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount")
    try:
        assert desk.restore(target) == [Left(FilePath(b"b"), WhyLeft.NOT_WRITABLE)]
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert [(desk.root / name).read_text() for name in ("a", "b", "c")] == ["old", "new", "old"]


def test_what_the_targets_rules_ignore_is_kept(desk: Desk) -> None:
    desk.write(".gitignore", ".env\nbuild/\n")
    desk.write("n/.gitignore", "*.log\n")
    desk.write(".env", "old")
    target = desk.take()
    desk.write(".gitignore", "")
    desk.write("n/.gitignore", "")
    desk.write(".env", "new")
    desk.write("build/x")
    desk.write("n/y.log")
    desk.write("n/z.txt")
    left = desk.restore(target)
    assert {(each.path, each.why) for each in left} == {
        (path, WhyLeft.IGNORED) for path in (b".env", b"build/x", b"n/y.log")
    }
    assert (desk.root / ".env").read_text() == "new"
    assert (desk.root / ".gitignore").read_text() == ".env\nbuild/\n"
    assert not (desk.root / "n" / "z.txt").exists()


def test_rules_of_info_exclude_count_as_they_were(desk: Desk) -> None:
    nested = desk.root / "nested"
    nested.mkdir()
    for root in (desk.root, nested):
        desk.git("init", "-q", cwd=root)
        (root / ".git" / "info" / "exclude").write_text("# secrets\n*.secret\n")
        (root / "x.secret").write_text("old")
        (root / "a").write_text("a")
    target = desk.take()
    for root in (desk.root, nested):
        (root / ".git" / "info" / "exclude").write_text("")
        (root / "x.secret").write_text("new")
    left = desk.restore(target)
    paths = (b"nested/x.secret", b"x.secret")
    assert left == [Left(FilePath(path), WhyLeft.IGNORED) for path in paths]
    assert [(desk.root / os.fsdecode(path)).read_text() for path in paths] == ["new", "new"]


def test_what_no_checkpoint_holds_is_neither_deleted_nor_overwritten(desk: Desk) -> None:
    desk.caps = Caps(max_file_bytes=1000)
    for path in ("ignored", "large", "fifo", "d/a", "place", "above/a", "kept"):
        desk.write(path, "old")
    target = desk.take()
    for path in ("ignored", "large", "fifo", "place", "kept"):
        (desk.root / path).unlink()
    for path in ("d", "above"):
        (desk.root / path / "a").unlink()
        (desk.root / path).rmdir()
    desk.take()  # from here on the names are unknown
    desk.write(".gitignore", "ignored\nd\nplace/\nabove\n")
    desk.write("ignored", "new")
    desk.write("large", b"x" * 1001)
    os.mkfifo(desk.root / "fifo")
    desk.write("d", "a file where the target has a directory")
    desk.write("place/b", "a directory where the target has a file")
    (desk.root / "above").symlink_to(desk.home)
    before = desk.show()
    left = {each.path: each.why for each in desk.restore(target)}
    assert left == {
        b"ignored": WhyLeft.IN_THE_WAY,
        b"large": WhyLeft.UNCOVERED,
        b"fifo": WhyLeft.IN_THE_WAY,
        b"d/a": WhyLeft.IN_THE_WAY,
        b"place": WhyLeft.IN_THE_WAY,
        b"above/a": WhyLeft.IN_THE_WAY,
    }
    after = desk.show()
    assert after.pop(b"kept")
    before.pop(b".gitignore")
    assert after == before
    assert not (desk.home / "a").exists()


def test_a_file_that_changes_after_the_safety_checkpoint_is_left(desk: Desk) -> None:
    for path in ("a", "b", "c"):
        desk.write(path, "old")
    target = desk.take()
    for path in ("a", "b"):
        desk.write(path, "newer")
    (desk.root / "c").unlink()
    desk.write("d")
    plan = desk.plan(desk.take(), target)
    desk.write("a", "written by somebody meanwhile")
    desk.write("c", "made by somebody meanwhile")
    (desk.root / "d").unlink()
    applied = apply_restore(desk.store, desk.root, "main", plan, "t")
    assert sorted(applied.left, key=lambda each: each.path) == [
        Left(_name(path), WhyLeft.CHANGED_MEANWHILE) for path in ("a", "c", "d")
    ]
    assert [(path, (desk.root / path).read_text()) for path in ("a", "b", "c")] == [
        ("a", "written by somebody meanwhile"),
        ("b", "old"),
        ("c", "made by somebody meanwhile"),
    ]


def test_a_directory_that_became_a_link_leads_nothing_outside(desk: Desk) -> None:
    desk.write("src/a", "old")
    desk.write("src/b", "old")
    before = desk.show()
    target = desk.take()
    for path in ("a", "b"):
        (desk.root / "src" / path).unlink()
    (desk.root / "src").rmdir()
    outside = desk.home / "outside"
    outside.mkdir()
    (outside / "a").write_text("outside")
    (desk.root / "src").symlink_to(outside)
    assert desk.restore(target) == []
    assert desk.show() == before
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("a", "outside")]


def test_a_directory_that_may_not_be_written_to_is_left_and_the_rest_is_restored(plain_desk: Desk) -> None:
    desk = plain_desk
    for path in ("closed/a", "open/a"):
        desk.write(path, "old")
    target = desk.take()
    for path in ("closed/a", "open/a"):
        desk.write(path, "new")
    (desk.root / "closed").chmod(0o555)
    plan = desk.plan(desk.take(), target)
    applied = apply_restore(desk.store, desk.root, "main", plan, "t")
    (desk.root / "closed").chmod(0o755)
    assert applied.left == [Left(_name("closed/a"), WhyLeft.NOT_WRITABLE)]
    assert (desk.root / "open" / "a").read_text() == "old"


def test_only_the_scope_is_touched(desk: Desk) -> None:
    for path in ("mine", "yours"):
        desk.write(path, "old")
    target = desk.take()
    for path in ("mine", "yours"):
        desk.write(path, "newer")
    desk.write("made by you")
    assert desk.restore(target, scope={_name("mine")}) == []
    assert (desk.root / "mine").read_text() == "old"
    assert (desk.root / "yours").read_text() == "newer"
    assert (desk.root / "made by you").exists()


def test_undo_is_the_restore_of_the_safety_checkpoint(desk: Desk) -> None:
    desk.write("a", "one")
    desk.write("d/b", "two", 0o600)
    target = desk.take()
    desk.write("a", "changed")
    (desk.root / "d" / "b").unlink()
    (desk.root / "d").rmdir()
    desk.write("e/f/g", "new")
    before = desk.show()
    safety = desk.take()
    desk.restore(target)
    assert not (desk.root / "e").exists()
    desk.restore(safety)
    assert desk.show() == before


def test_a_nested_repositorys_files_come_back_and_its_git_directory_is_untouched(desk: Desk) -> None:
    (desk.root / "n").mkdir()
    desk.git("init", "-q", cwd=desk.root / "n")
    desk.write("n/a", "old")
    git_dir = desk.show(desk.root / "n" / ".git")
    target = desk.take()
    desk.write("n/a", "new")
    desk.write("n/b", "new")
    assert desk.restore(target) == []
    assert (desk.root / "n" / "a").read_text() == "old"
    assert not (desk.root / "n" / "b").exists()
    assert desk.show(desk.root / "n" / ".git") == git_dir


def test_a_damaged_store_restores_nothing_in_part(desk: Desk) -> None:
    for number in range(5):
        desk.write(f"f{number}", f"old {number}")
    target = desk.take()
    for number in range(5):
        desk.write(f"f{number}", "new")
    before = desk.show()
    plan = desk.plan(desk.take(), target)
    blob = desk.store.tree(target.commit)[_name("f3")].blob
    loose = desk.store.git_dir / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"damaged")
    with pytest.raises(StoreDamaged, match="f3"):
        apply_restore(desk.store, desk.root, "main", plan, "t")
    assert desk.show() == before
    loose.unlink()
    with pytest.raises(StoreDamaged, match="f3"):
        apply_restore(desk.store, desk.root, "main", plan, "t")
    assert desk.show() == before


def test_steps_and_left_paths_are_named(desk: Desk) -> None:
    desk.write("changed", "old")
    desk.write("deleted", "old")
    target = desk.take()
    desk.write("changed", "new")
    (desk.root / "deleted").unlink()
    desk.write("created")
    plan = desk.plan(desk.take(), target)
    assert [(type(step), step.path) for step in plan.steps] == [
        (Write, b"changed"),
        (Delete, b"created"),
        (Write, b"deleted"),
    ]


def test_names_that_differ_in_case_only_clash_where_case_does_not_count() -> None:
    names = [_name(name) for name in ("a/B", "a/b", "A/c", "d", "Straße", "STRASSE")]
    assert clashing_names(names) == {_name(name) for name in ("a/B", "a/b", "Straße", "STRASSE")}


def test_packing_and_deleted_refs_free_what_nobody_holds(desk: Desk) -> None:
    taken = []
    for _ in range(12):
        desk.write("a", os.urandom(50_000))
        taken.append(desk.take())
    with desk.store.locked():
        desk.store.delete_refs([each.ref for each in taken[:-2]])
        desk.store.pack()
    assert desk.store.size() < 3 * 55_000
    desk.sound()
    desk.restore(taken[-2])
    assert not desk.store.holds(taken[0].ref, taken[0].commit)


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "d/c")])
@pytest.mark.parametrize("deletes", [False, True])
def test_all_names_of_one_file_are_put_back(desk: Desk, names: tuple[str, ...], deletes: bool) -> None:
    if not deletes:
        for name in names:
            desk.write(name, "old")
    target = desk.take()
    first = desk.write(names[0], "new")
    for name in names[1:]:
        (desk.root / name).unlink(missing_ok=True)
        (desk.root / name).parent.mkdir(exist_ok=True)
        (desk.root / name).hardlink_to(first)
    assert desk.restore(target) == []
    assert {name: text for name, (_, _, text) in desk.show().items()} == {
        name.encode(): sha256(b"old").hexdigest() for name in (() if deletes else names)
    }

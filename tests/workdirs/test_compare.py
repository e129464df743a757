"""Two checkpoints are compared by file and by line, without a program of the repository."""

import os

from tests.workdirs.desk import Desk
from workdirs.changes import ChangeKind, PathChange
from workdirs.compare import compare, unified_diff
from workdirs.model import FilePath


def test_each_change_has_its_kind_and_lines(desk: Desk) -> None:
    desk.write("changed", "one\ntwo\nthree\n")
    desk.write("deleted", "one\n")
    desk.write("binary", b"\0\1\2")
    desk.write("mode", "x\n")
    desk.write("same")
    old = desk.take()
    desk.write("changed", "one\n2\nthree\nfour\n")
    (desk.root / "deleted").unlink()
    desk.write("binary", b"\0\3")
    desk.write("mode", "x\n", 0o755)
    desk.write(b":new\n\xff", "a\nb\n")
    new = desk.take()
    assert compare(desk.store, old.commit, new.commit) == [
        PathChange(b":new\n\xff", ChangeKind.CREATED, 2, 0),
        PathChange(b"binary", ChangeKind.CHANGED, None, None),
        PathChange(b"changed", ChangeKind.CHANGED, 2, 1),
        PathChange(b"deleted", ChangeKind.DELETED, 0, 1),
        PathChange(b"mode", ChangeKind.CHANGED, 0, 0),
    ]
    assert compare(desk.store, old.commit, old.commit) == []


def test_a_diff_is_of_the_chosen_files_and_no_pattern_is_one(desk: Desk) -> None:
    for name in ("*", "a", "b"):
        desk.write(name, "old\n")
    old = desk.take()
    for name in ("*", "a", "b"):
        desk.write(name, "new\n")
    new = desk.take()
    whole = unified_diff(desk.store, old.commit, new.commit)
    assert whole is not None
    assert whole.count("-old\n+new\n") == 3
    one = unified_diff(desk.store, old.commit, new.commit, [FilePath(b"*")])
    assert one is not None
    assert one.count("-old\n+new\n") == 1
    assert unified_diff(desk.store, old.commit, new.commit, max_bytes=100) is None


def test_no_program_of_the_repository_runs(desk: Desk) -> None:
    desk.git("init", "-q")
    mark = desk.home / "ran"
    program = desk.home / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    for setting in (
        *("core.fsmonitor", "filter.x.clean", "filter.x.smudge", "filter.x.process", "diff.x.textconv"),
        *("diff.x.command", "diff.external", "merge.x.driver", "gpg.program"),
    ):
        desk.git("config", setting, os.fspath(program))
    desk.git("config", "core.hooksPath", os.fspath(desk.home / "hooks"))
    (desk.home / "hooks").mkdir()
    for hook in (
        "post-index-change",
        "reference-transaction",
        "post-checkout",
        "pre-commit",
        "fsmonitor-watchman",
    ):
        (desk.home / "hooks" / hook).symlink_to(program)
    (desk.root / "nested").mkdir()
    desk.git("clone", "-q", "--bare", ".", "../origin.git")
    desk.git("init", "-q", "nested")
    (desk.root / "nested" / ".git" / "config").write_bytes((desk.root / ".git" / "config").read_bytes())
    desk.write("nested/a", "old\n")
    desk.write(".gitattributes", "* filter=x diff=x merge=x\n")
    desk.write("a", "old\n")
    mark.unlink(missing_ok=True)
    old = desk.take()
    desk.write("a", "new\n")
    desk.write("nested/a", "new\n")
    new = desk.take()
    assert len(compare(desk.store, old.commit, new.commit)) == 2
    assert unified_diff(desk.store, old.commit, new.commit) is not None
    assert not desk.plan(new, old).is_empty
    assert desk.restore(old) == []
    assert not mark.exists()
    desk.git("status")
    assert mark.exists()  # the user's own git runs it: the trap is live

"""The removal of a branch that is cut anywhere leaves nothing in the person's repository after the next one."""

from typing import Any

import pytest

from tests.workdirs.desk import Desk
from workdirs.directories import remove_branch_directory
from workdirs.git import GitCall, run


@pytest.mark.parametrize("point", range(1, 5))
def test_a_removal_that_is_cut_before_any_call_of_git_leaves_no_branch_after_the_next_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, point: int
) -> None:
    desk.git("init", "-q")
    desk.git("commit", "-q", "--allow-empty", "-m", "one")
    made = desk.branch(desk.home / ".branches" / "work" / "try")
    desk.git("commit", "-q", "--allow-empty", "-m", "only here", cwd=made.place)
    commit = desk.git("rev-parse", "HEAD", cwd=made.place).strip()
    archive, calls = "refs/bridge/archive/1", []

    def dies(call: GitCall, **more: Any) -> Any:
        if call.command in ("update-ref", "worktree") and "list" not in call.arguments:
            calls.append(call.arguments)
            if len(calls) == point:
                raise KeyboardInterrupt
        return run(call, **more)

    with monkeypatch.context() as patch:
        patch.setattr("workdirs.directories.run", dies)
        if point < 4:
            with pytest.raises(KeyboardInterrupt):
                remove_branch_directory(desk.root, made.place, archive_ref=archive)
        else:
            remove_branch_directory(desk.root, made.place, archive_ref=archive)
            assert len(calls) == 3, "a call that this test does not cut"
    remove_branch_directory(desk.root, made.place, archive_ref=archive)
    assert not made.place.exists()
    refs = desk.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert f"{archive} {commit}" in refs
    assert not [ref for ref in refs if "heads/bridge" in ref]

"""A branch's own files are removed by people and rules, and never with work that is nowhere else."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

import api as c
from sessions.errors import BranchRefused, BranchUnmerged
from sessions.model import Lifecycle
from sessions.retention import RetentionRules
from sessions.session import Session
from tests.sessions.own_copies import Work, checkpoints, git, work
from tests.sessions.running_core import running_core

__all__ = ["work"]

pytestmark = pytest.mark.timeout(180)


async def test_removing_ends_the_session_and_keeps_files_and_commits(work: Work) -> None:
    work.repository()
    core = work.core
    parent = await core.session()
    await core.ask(parent, "demo:text one")
    branch = await work.branch(parent)
    copy = Path(branch.snapshot.work_directory)
    (copy / "kept").write_text("only here")
    git(copy, "add", "kept")
    git(copy, "commit", "-q", "-m", "only here")
    await core.ask(branch, "demo:text two")
    with pytest.raises(BranchUnmerged, match="1 commit that no other branch has"):
        await core.do(c.RemoveBranch(session_id=branch.id))
    (copy / "a").write_text("edited")
    with pytest.raises(BranchUnmerged, match=r"1 commit .* and changes that no commit has"):
        await core.do(c.RemoveBranch(session_id=branch.id))
    await core.do(c.RemoveBranch(session_id=branch.id, even_unmerged=True))
    assert branch.snapshot.lifecycle is Lifecycle.ENDED
    assert not copy.exists()
    refs = git(work.root, "for-each-ref", "--format=%(refname)")
    assert f"refs/bridge/archive/{branch.id}" in refs
    assert "bridge/try-it" not in refs
    kept = await core.do(c.ListCheckpoints(session_id=branch.id))
    assert kept.checkpoints[0].reason == "before_removal"
    assert (await core.do(c.ListBranches(session_id=parent.id))).branches == ()
    with pytest.raises(BranchRefused):
        await core.do(c.RemoveBranch(session_id=branch.id))


async def _removed(work: Work, branch: Session) -> None:
    await work.core.do(c.RemoveBranch(session_id=branch.id))


async def _deleted_by_a_rule(work: Work, branch: Session) -> None:
    await branch.end("enough")
    await work.core.manager.retention.apply()


@pytest.mark.parametrize("remove", [_removed, _deleted_by_a_rule])
async def test_only_a_branch_whose_work_is_elsewhere_goes_by_itself(
    tmp_path: Path, remove: Callable[[Work, Session], Awaitable[None]]
) -> None:
    policy = checkpoints(tmp_path)
    rules = RetentionRules(max_ended=0)
    async with running_core(tmp_path / "core", checkpoints=policy, retention=rules) as core:
        work = Work(core)
        work.repository()
        parent = await core.session()
        await core.ask(parent, "demo:text one")
        branches = [await work.branch(parent, title) for title in ("fresh", "merged", "dirty", "committed")]
        places = [Path(each.snapshot.work_directory) for each in branches]
        (places[1] / "new").write_text("new")
        await work.merge(branches[1])
        (places[2] / "new").write_text("new")
        git(places[3], "commit", "-q", "--allow-empty", "-m", "mine")
        for branch in branches:
            with suppress(BranchUnmerged):
                await remove(work, branch)
        assert [place.exists() for place in places] == [False, False, True, True]
        left = (await core.do(c.ListBranches(session_id=parent.id))).branches
        assert {each.name for each in left} == {"dirty", "committed"}
        git(work.root, "merge", "-q", "bridge/committed")
        await remove(work, branches[3])
        assert not places[3].exists()


async def test_a_plain_copy_goes_by_itself_only_as_it_began(work: Work) -> None:
    (work.root / "a").write_text("a\n")
    parent = await work.core.session()
    await work.core.ask(parent, "demo:text one")
    branch, other = await work.branch(parent, "one"), await work.branch(parent, "two")
    (Path(branch.snapshot.work_directory) / "b").write_text("b\n")
    with pytest.raises(BranchUnmerged, match="plain copy"):
        await work.core.do(c.RemoveBranch(session_id=branch.id))
    await work.core.do(c.RemoveBranch(session_id=other.id))
    assert not Path(other.snapshot.work_directory).exists()

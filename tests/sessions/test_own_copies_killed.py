"""A bridge that dies while a branch is made or merged leaves all of it or nothing."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

import api as c
from faults import EXIT_CODE, VARIABLE
from sessions import rows
from sessions.rows.ai_requests import AskedAside, request_asked
from sessions.stored import BranchStatus, Purpose
from storage import Statement
from tests.sessions.own_copies import Work, checkpoints, git
from tests.sessions.running_core import running_core

pytestmark = pytest.mark.timeout(180)


async def test_a_request_that_a_kill_cut_is_noted_at_the_next_start(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:
        session = await core.session()
        asked = AskedAside(Purpose.DIGEST, "?", "", "")
        await core.db.write([request_asked("r", session.id, asked, 1)])
    async with running_core(tmp_path / "core") as core:
        assert await core.db.read("SELECT status FROM ai_requests") == [("failed",)]


async def test_a_making_or_a_merge_that_was_cut_is_cleared_or_finished_at_the_start(
    tmp_path: Path,
) -> None:
    home, policy = tmp_path / "core", checkpoints(tmp_path)
    async with running_core(home, checkpoints=policy) as core:
        work = Work(core)
        work.repository()
        parent = await core.session()
        await core.ask(parent, "demo:text one")
        branch = await work.branch(parent)
        copy = Path(branch.snapshot.work_directory)
        (copy / "a").write_text("theirs\n2\n3\n")
        await work.merge(branch)
        # As if the process had ended in the middle: the ref has moved, the files have not come along.
        await core.db.write([Statement("UPDATE merges SET status = 'landing'")])
        (work.root / "a").write_text("1\n2\n3\n")
        # The checkpoint of another one is gone: it holds up neither the start nor the next one.
        gone = "'01890000-0000-7000-8000-00000000000e'"
        await core.db.write(
            [
                Statement(
                    f"INSERT INTO branches SELECT {gone}, parent_id, 'gone', directory || '-gone',"
                    " parent_directory, '', '', 'gone', '', 'made', 1 FROM branches LIMIT 1"
                ),
                Statement(
                    f"INSERT INTO merges SELECT ' first', {gone}, target, strategy, old_commit, new_commit,"
                    " source_commit, merged_before, by_user, 'landing', 1, NULL FROM merges LIMIT 1"
                ),
            ]
        )
        known = await rows.load_branch(core.db, branch.id)
        assert known is not None
        orphan = copy.with_name("orphan")
        git(work.root, "worktree", "add", "-q", "-b", "bridge/orphan", str(orphan))
        await core.db.write(
            [
                Statement(
                    "INSERT INTO branches SELECT '01890000-0000-7000-8000-00000000000f', parent_id, 'orphan',"
                    " ?, parent_directory, '', '', checkpoint, '', 'making', 1 FROM branches LIMIT 1",
                    (str(orphan),),
                )
            ]
        )
    async with running_core(home, checkpoints=policy) as core:
        assert (work.root / "a").read_text() == "theirs\n2\n3\n"
        assert git(work.root, "status", "--porcelain") == ""
        merges = await core.db.read("SELECT status FROM merges ORDER BY id")
        assert merges == [("landing",), ("landed",)]
        assert not orphan.exists()
        assert "bridge/orphan" not in git(work.root, "for-each-ref")
        left = await core.db.read("SELECT name, status FROM branches ORDER BY made_ms DESC")
        assert [tuple(each) for each in left] == [("try-it", BranchStatus.MADE), ("gone", BranchStatus.MADE)]


@pytest.mark.parametrize(
    ("point", "branches", "merges"),
    [
        ("branch.row_stored", [], []),
        ("branch.files_copied", [], []),
        ("merge.row_stored", ["made"], ["failed"]),
        ("merge.ref_moved", ["made"], ["landed"]),
    ],
)
async def test_a_crash_at_any_step_leaves_all_of_a_branch_or_a_merge_or_nothing(
    tmp_path: Path, point: str, branches: list[str], merges: list[str]
) -> None:
    command = [sys.executable, "-m", "tests.sessions.branching_process", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, VARIABLE: point})
    assert await process.wait() == EXIT_CODE
    async with running_core(tmp_path / "core", checkpoints=checkpoints(tmp_path)) as core:
        work = Work(core)
        assert [str(row[0]) for row in await core.db.read("SELECT status FROM branches")] == branches
        assert [str(row[0]) for row in await core.db.read("SELECT status FROM merges")] == merges
        assert git(work.root, "status", "--porcelain") == ""
        has_landed = merges == ["landed"]
        assert (work.root / "a").read_text() == ("theirs\n2\n3\n" if has_landed else "1\n2\n3\n")
        assert len(git(work.root, "worktree", "list").splitlines()) == 1 + len(branches)
        assert len(git(work.root, "for-each-ref", "refs/heads").splitlines()) == 1 + len(branches)
        (newest, *_) = (await core.do(c.QuerySessions())).sessions
        session = await core.manager.get_session(newest.id)
        if not branches:
            assert Path((await work.branch(session)).snapshot.work_directory).name == "try-it"
        elif not has_landed:
            await work.merge(session)
            assert (work.root / "a").read_text() == "theirs\n2\n3\n"

"""SIGKILL at each step of a backup, an end and a restore: the next start finishes the act or undoes it."""

import asyncio
import os
from pathlib import Path

import pytest

import api as c
from sessions.model import Lifecycle
from tests.nursery import fork_program
from tests.service.test_backups import ADMIN, OWNER, found, policy_in, work
from tests.sessions.running_core import RunningCore, running_core

POINTS = [
    *("backup.begun", "end.begun", "end.session_ended", "bundle.written:2", "end.bundled", "end.moved"),
    *("bundle_restore.session", "restore.begun", "bundle_restore.directory"),
]
MORE = [
    *("bundle.written", "backup.made", "end.checkpoint", "end.written", "backup.begun:2", "backup.made:2"),
    *("bundle_restore.files", "bundle_restore.checkpoints", "restore.applied"),
]


@pytest.mark.parametrize("point", [*POINTS, *(pytest.param(each, marks=pytest.mark.soak) for each in MORE)])
async def test_nothing_is_half_done_after_a_kill_at_any_step(tmp_path: Path, point: str) -> None:
    home = tmp_path / "core"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLAUDE_BRIDGE_CRASH_AT": point}
    program = await fork_program("tests.service.archiving_process", str(home), environment=environment)
    async with asyncio.timeout(60):
        assert await program.ended == 137, point
    async with running_core(home, checkpoints=policy_in(home)) as core:
        await core.service.finish_cut_acts()
        await whole(core)


async def whole(core: RunningCore) -> None:
    """Assert that every act is either done or undone."""
    listed = (await core.service.perform(ADMIN, c.QuerySessions(include_ended=True))).sessions
    first = min(listed, key=lambda each: each.id)
    folder = await core.service.perform(OWNER, c.ReadFolder(session_id=first.id))
    is_over = first.lifecycle is Lifecycle.ENDED
    assert (folder.is_ended, folder.is_archived, folder.is_ending) == (is_over, is_over, False)
    assert [
        each.parent.name for each in (core.directory / "projects/default/sessions").glob(f"*/{folder.name}")
    ] == ["archive" if is_over else "active"]
    backups = (await core.service.perform(ADMIN, c.ListBackups())).backups
    assert [each.kind for each in backups].count(c.BackupKind.SESSION) == int(is_over)
    for each in backups:
        assert (await core.service.perform(ADMIN, c.VerifyBackup(backup_id=each.id))).backup.damage == ""
    root = core.directory / "backups"
    names = {f"{each.id}-backup.zip" if each.kind is c.BackupKind.SESSION else each.id for each in backups}
    assert {str(each.relative_to(root)) for each in (*root.glob("sessions/*"), *root.glob("daily/*"))} == names
    assert await core.db.read("SELECT 1 FROM backups WHERE status <> 'made'") == []
    assert await core.db.read("SELECT 1 FROM bundle_restores WHERE status <> 'restored'") == []
    assert [each for each in (core.directory / "workspaces").iterdir() if not any(each.iterdir())] == []
    assert list((core.directory / "backups/incoming").glob("directory-*")) == []
    original = found(work(core))
    for other in listed:
        if other.id != first.id:
            assert found(work(core, other.project)) == original

"""Restores of bundles that meet an unforeseen error or a cancel: no start fails, and no upload is lost."""

from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import pytest

import api as c
from tests.service.test_backups import OWNER, fill, made, policy_in, work
from tests.sessions.running_core import RunningCore, running_core


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core", checkpoints=policy_in(tmp_path / "core")) as core:
        yield core


async def bundle(core: RunningCore) -> bytes:
    folder = await made(core)
    fill(work(core))
    await core.service.perform(OWNER, c.TakeCheckpoint(session_id=folder.session_id))
    info = await core.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    return (core.directory / "backups" / f"{info.id}-backup.zip").read_bytes()


async def rows(core: RunningCore) -> list[tuple[object, ...]]:
    return [tuple(each) for each in await core.db.read("SELECT status, trouble FROM bundle_restores")]


async def test_an_unforeseen_error_of_a_restore_is_recorded_in_its_row(core: RunningCore) -> None:
    data = await bundle(core)
    with patch("service.bundle_restoring._write_files", side_effect=TypeError):
        await core.service.perform(OWNER, c.ImportSession(channel_id="c", data=data))
    assert await rows(core) == [("failed", "an unexpected error, which the log describes")]


async def test_a_start_goes_on_after_a_restore_that_cannot_be_recorded(core: RunningCore) -> None:
    data = await bundle(core)
    with patch("service.bundle_restoring._finish", side_effect=KeyError):
        with pytest.raises(KeyError):
            await core.service.perform(OWNER, c.ImportSession(channel_id="c", data=data))
        await core.service.finish_cut_acts()
    assert await rows(core) == [("restoring", "")]

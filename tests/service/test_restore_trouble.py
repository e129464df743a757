"""Restores of bundles that meet an unforeseen error or a cancel: no start fails, and no upload is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import pytest

import api as c
from archives.bundle import write_bundle
from archives.manifest import Manifest
from service import ServiceParts
from service.backup_round import drill_if_due
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


async def test_a_drill_names_a_bundle_without_facts_and_ends(core: RunningCore) -> None:
    folder = await made(core)
    info = await core.service.perform(OWNER, c.BackUpSession(session_id=folder.session_id))
    head = Manifest(kind="session", name="x", made_ms=0, entries=())
    write_bundle(core.directory / "backups" / f"{info.id}-backup.zip", [], head)
    # Its hash differs from the row, too: the drill itself is asked here.
    with patch("service.backup_round.verify", return_value=""):
        async with asyncio.timeout(60):
            await drill_if_due(ServiceParts(core.manager))
    [drilled] = (await core.service.perform(OWNER, c.ListBackups())).backups
    assert drilled.damage == "It cannot be restored: facts.json: it is missing"


async def test_a_cancelled_restore_keeps_its_upload_for_the_next_start(core: RunningCore) -> None:
    data = await bundle(core)
    begun = asyncio.Event()

    async def last_for_ever(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    incoming = core.directory / "backups" / "incoming"
    with patch("service.bundle_restoring._write_files", last_for_ever):
        act = asyncio.create_task(core.service.perform(OWNER, c.ImportSession(channel_id="c", data=data)))
        await begun.wait()
        act.cancel()
        with pytest.raises(asyncio.CancelledError):
            await act
    [upload] = incoming.glob("*.zip")
    left_over = incoming / "of-no-restore.zip"
    left_over.write_bytes(data)
    await core.service.finish_cut_acts()
    assert await rows(core) == [("restored", "")]
    assert not upload.exists()
    assert not left_over.exists()

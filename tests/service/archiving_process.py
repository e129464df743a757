"""A bridge that backs up, ends and restores a session below the directory it is given, until it is killed."""

import asyncio
from pathlib import Path

import api as c
from tests.service.test_backups import ADMIN, OWNER, ended, fill, made, policy_in, work
from tests.sessions.running_core import running_core

IMPORTED_LATE = (
    "service.session_folders",
    "service.ending",
    "service.backing_up",
    "service.whole_backup",
    "service.bundle_restoring",
    "service.checkpointing",
    "yaml",
)


async def main(home: Path) -> None:
    async with running_core(home, checkpoints=policy_in(home)) as core:
        folder = await made(core)
        fill(work(core))
        await core.service.perform(OWNER, c.TakeCheckpoint(session_id=folder.session_id))
        await core.service.perform(ADMIN, c.BackUpAll())
        over = await ended(core, folder)
        await core.service.perform(OWNER, c.RestoreBackup(backup_id=over.backup, channel_id="c"))


def run(home: str) -> None:
    asyncio.run(main(Path(home)))

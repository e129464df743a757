"""Writes a project of a daily backup or milestone into a new directory of the workspace."""

import asyncio

import msgspec

import api as c
from archives.bundle import sha256_of
from service.backup_places import backups_directory, whole_of
from service.backup_rows import StoredBackup
from service.bundling import BundledCheckpoint
from service.checkpoint_import import check_checkpoints, import_checkpoints, write_files
from service.new_project import new_project
from service.parts import ServiceParts
from service.whole_backup import OWNER, PROJECTS, BackedUpProject
from sessions.errors import BackupRefused
from workdirs.checkpoint_model import Reason
from workdirs.errors import WorkdirError


async def restore_project(parts: ServiceParts, backup: StoredBackup, project: str) -> c.RestoredProject:
    """Write a project as it was into a new directory; see `RestoreProject`."""
    if backup.info.kind is c.BackupKind.SESSION:
        raise BackupRefused("this is the backup of a session: restore it without a project")
    taken = parts.manager.checkpoints
    if taken is None:
        raise BackupRefused("checkpoints are switched off, so files of projects cannot be restored")
    directory = whole_of(parts, backup.info)
    try:
        found = msgspec.json.decode((directory / PROJECTS).read_bytes(), type=list[BackedUpProject])
    except (OSError, ValueError, RecursionError) as error:
        raise BackupRefused("the list of projects in this backup cannot be read") from error
    chosen = next((each for each in found if each.name == project), None)
    if chosen is None:
        names = ", ".join(each.name for each in found[:20]) or "none"
        raise BackupRefused(f"this backup has no such project; it has: {names}")
    point = BundledCheckpoint(
        ref=chosen.ref,
        commit=chosen.commit,
        tree=chosen.tree,
        reason=Reason.BACKUP,
        label=backup.info.id,
        turn_id="",
        files=chosen.files,
        uncovered=0,
        is_partial=False,
        is_pinned=False,
        made_ms=chosen.made_ms,
    )
    file = directory / chosen.file
    root = parts.manager.policy.workspace_root
    try:
        await asyncio.to_thread(sha256_of, file)  # gone or unreadable: said before anything is written
        await check_checkpoints(file, [point], backups_directory(parts) / "incoming")
        # A project's name must not begin with a dot, so a branch comes back as a project of its own.
        origin = project.removeprefix(".branches/")
        async with new_project(root, backups_directory(parts) / "incoming", "", origin) as name:
            place = taken.place_of((root / name).resolve())
            # With the new name: an earlier restore of the same backup must not count as this one.
            owner = f"{OWNER} {backup.info.id} {name}"
            last = await import_checkpoints(taken, place, file, [point], owner, {})
            return c.RestoredProject(name, await write_files(taken, place, last, owner))
    except (WorkdirError, OSError) as error:
        why = str(error) if isinstance(error, WorkdirError) else error.strerror or "the disk refused"
        raise BackupRefused(f"the project was not restored: {why}") from error

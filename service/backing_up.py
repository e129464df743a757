"""Carries out the commands of `api/backing_up.py`. A backup is a row first, then files, then the row again."""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import api as c
from api.access import Action, Actor, Role, may
from archives.bundle import TEMPORARY, sha256_of
from archives.errors import ArchiveError
from archives.manifest import Manifest
from archives.names import slug_of
from archives.rotation import BackupRules, Kept, due
from faults import crash_point
from service import backup_rows as rows
from service.backup_places import (
    SUFFIX,
    backup_id_of,
    backups_directory,
    file_of,
    free_id,
    size_of,
    whole_of,
)
from service.backup_rows import BackupStatus, StoredBackup
from service.bundling import SCRATCH, bundle_session
from service.folder_facts import FolderFacts, local_time
from service.parts import ServiceParts
from service.session_folders import ensure_folder, refresh
from service.session_info import session_facts, session_info
from sessions.errors import BackupRefused, SessionError
from sessions.session import Session
from storage.files import make_directory
from workdirs.errors import WorkdirError

log = logging.getLogger(__name__)

_MOST_LISTED = 200


async def back_up(parts: ServiceParts, actor: Actor, command: c.BackingUpCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring names."""
    match command:
        case c.ListBackups():
            return await _list(parts, actor, command)
        case c.BackUpAll():
            return (await daily_backup(parts, command.label)).info
        case c.VerifyBackup():
            return await _verify(parts, await allowed(parts, actor, command.backup_id))
        case c.RestoreBackup():
            from service.bundle_restoring import restore_bundle

            backup = await allowed(parts, actor, command.backup_id)
            return session_info(parts.manager, await restore_bundle(parts, actor, backup, command))
        case c.RestoreProject():
            from service.project_restoring import restore_project

            return await restore_project(parts, await known(parts, command.backup_id), command.project)
        case c.PlanRotation():
            return _report(await _due(parts), applied=False)
        case c.ApplyRotation():
            return _report(await rotate(parts), applied=True)
        case _:
            assert_never(command)


# --- making -----------------------------------------------------------------------------------------------


async def back_up_session(parts: ServiceParts, session: Session) -> c.BackupInfo:
    """Write the session's bundle as it is now; see `BackUpSession`."""
    await ensure_folder(parts, session)
    facts = await refresh(parts, session.id)
    return (await make_session_backup(parts, session, facts)).info


async def export_bundle(parts: ServiceParts, session: Session) -> c.ExportedFile:
    """Return the session's bundle as it is now; see `ExportBundle`."""
    await ensure_folder(parts, session)
    facts = await refresh(parts, session.id)
    root = backups_directory(parts)
    try:
        await asyncio.to_thread(make_directory, root)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=root) as scratch:
            target = Path(scratch) / "bundle.zip"
            await bundle_session(parts, session, facts, target)
            data = await asyncio.to_thread(target.read_bytes)
    except (OSError, WorkdirError) as error:
        raise refused(error) from error
    return c.ExportedFile(f"{facts.folder.name}{SUFFIX}", data)


async def make_session_backup(parts: ServiceParts, session: Session, facts: FolderFacts) -> StoredBackup:
    """Write the bundle of a session whose facts are these. One that was cut is made again, under its id.

    Raises `BackupRefused`.
    """
    # No other call may take the same id between the look at the ids and the row.
    async with parts.folder_locks.of("backups"):
        cut = [
            each for each in await rows.load_cut_backups(parts.manager.db) if each.info.session_id == session.id
        ]
        # The end of this session was killed in the middle: its backup is made again, not a second one.
        if cut:
            info = cut[0].info
        else:
            backup_id = free_id(f"sessions/{facts.folder.name}", await rows.load_ids(parts.manager.db))
            info = c.BackupInfo(
                id=backup_id,
                kind=c.BackupKind.SESSION,
                name=facts.folder.name,
                session_id=session.id,
                project=facts.folder.project,
                made_ms=parts.manager.now_ms(),
            )
            await parts.manager.db.write([rows.insert_backup(StoredBackup(info, session.snapshot.user_id))])
    crash_point("backup.begun")
    target = file_of(parts, info)
    try:
        manifest = await bundle_session(parts, session, facts, target)
        return await made(parts, info, manifest)
    except (OSError, WorkdirError) as error:
        await parts.manager.db.write([rows.delete_backup(info.id)])
        raise refused(error) from error


async def daily_backup(parts: ServiceParts, label: str = "") -> StoredBackup:
    """Back up everything: as a milestone with this label, else as a daily one. Raises `BackupRefused`."""
    from service.whole_backup import write_whole_backup

    words = " ".join(label.split())[: c.MAX_LABEL]
    day = local_time(parts.manager.now_ms()).strftime("%Y-%m-%d")
    wanted = f"milestones/{slug_of(words, 'milestone')}" if words else f"daily/{day}"
    async with parts.folder_locks.of("backups"):
        backup_id = free_id(wanted, await rows.load_ids(parts.manager.db))
        info = c.BackupInfo(
            id=backup_id,
            kind=c.BackupKind.MILESTONE if words else c.BackupKind.DAILY,
            name=backup_id.partition("/")[2],
            label=words,
            made_ms=parts.manager.now_ms(),
        )
        await parts.manager.db.write([rows.insert_backup(StoredBackup(info))])
    crash_point("backup.begun")
    try:
        manifest, trouble = await write_whole_backup(parts, info, whole_of(parts, info))
        return await made(parts, info, manifest, trouble)
    except (OSError, WorkdirError, ArchiveError) as error:
        # Files before the row: without it, no start would find and clear them.
        await asyncio.to_thread(shutil.rmtree, whole_of(parts, info), ignore_errors=True)
        await parts.manager.db.write([rows.delete_backup(info.id)])
        raise refused(error) from error


async def made(parts: ServiceParts, info: c.BackupInfo, manifest: Manifest, trouble: str = "") -> StoredBackup:
    """Store that a backup is whole, and return it."""
    place = file_of(parts, info)
    digest = await asyncio.to_thread(sha256_of, place)
    size = await asyncio.to_thread(size_of, parts, info)
    done = rows.backup_made(info.id, digest, size, len(manifest.entries), trouble)
    await parts.manager.db.write([done])
    crash_point("backup.made")
    return await known(parts, info.id)


async def clear_cut_backups(parts: ServiceParts) -> None:
    """Clear the backups that were cut while they were made, and finish removals; for the start."""
    # Those of cut ends are made already: `finish_cut_acts` begins with the ends.
    for cut in await rows.load_cut_backups(parts.manager.db):
        try:
            await asyncio.to_thread(_remove_files, parts, cut.info)
        except OSError:  # the bridge starts, and the others are cleared
            log.exception("backup not cleared", extra={"backup": cut.info.id})
            continue
        await parts.manager.db.write([rows.delete_backup(cut.info.id)])
    try:
        await asyncio.to_thread(_sweep, backups_directory(parts))
    except OSError:
        log.exception("left-over files of backups not removed")


# --- looking ----------------------------------------------------------------------------------------------


async def _list(parts: ServiceParts, actor: Actor, command: c.ListBackups) -> c.BackupList:
    await adopt_found(parts)
    found: list[c.BackupInfo] = []
    limit = max(1, min(command.limit, _MOST_LISTED))
    for backup in await rows.load_backups(parts.manager.db, kind=command.kind or ""):
        if len(found) == limit:
            break
        if await _may(parts, actor, backup):
            found.append(backup.info)
    waiting = await _due(parts) if actor.role is Role.ADMIN else []
    return c.BackupList(tuple(found), len(waiting), sum(each.info.size_bytes for each in waiting))


async def adopt_found(parts: ServiceParts) -> None:
    """Store the backups that lie in the directory and have no row, as after a loss of the database."""
    ids = await rows.load_ids(parts.manager.db)
    for backup in await asyncio.to_thread(_found, parts, ids):
        await parts.manager.db.write([rows.insert_backup(backup)])


def _found(parts: ServiceParts, ids: set[str]) -> list[StoredBackup]:
    from archives.bundle_reading import read_manifest
    from archives.manifest import NAME, from_json

    adopted: list[StoredBackup] = []
    root = backups_directory(parts)
    places = [*root.glob("sessions/*.zip"), *root.glob(f"daily/*/{NAME}"), *root.glob(f"milestones/*/{NAME}")]
    for place in sorted(places):
        backup_id = backup_id_of(root, place)
        if backup_id in ids or not place.is_file():
            continue
        try:
            manifest = from_json(place.read_bytes()) if place.name == NAME else read_manifest(place)
            kind = c.BackupKind(manifest.kind)
        # A foreign or damaged file is no backup, and stays where it is.
        except (ArchiveError, OSError, ValueError):
            continue
        info = c.BackupInfo(
            id=backup_id,
            kind=kind,
            name=manifest.name[:200],
            label=manifest.facts.get("label", "")[: c.MAX_LABEL],
            session_id="",
            project=manifest.facts.get("project", "")[:200],
            size_bytes=place.stat().st_size if kind is c.BackupKind.SESSION else manifest.size,
            files=len(manifest.entries),
            made_ms=manifest.made_ms,
        )
        # The directory is the bridge's own, so the claims of a manifest in it are believed.
        user = manifest.facts.get("user", "")
        adopted.append(StoredBackup(info, user, sha256_of(place), BackupStatus.MADE))
    return adopted


async def known(parts: ServiceParts, backup_id: str) -> StoredBackup:
    """Return a backup that was made. Raises `BackupRefused` for an unknown id."""
    found = await rows.load_backup(parts.manager.db, backup_id)
    if found is None:
        await adopt_found(parts)
        found = await rows.load_backup(parts.manager.db, backup_id)
    if found is None or found.status is not BackupStatus.MADE:
        raise BackupRefused("there is no such backup; /backup list names them")
    return found


async def allowed(parts: ServiceParts, actor: Actor, backup_id: str) -> StoredBackup:
    """Return a backup that the actor may use. Any other one is refused as an unknown id is."""
    found = await known(parts, backup_id)
    if not await _may(parts, actor, found):
        raise BackupRefused("there is no such backup; /backup list names them")
    return found


async def _may(parts: ServiceParts, actor: Actor, backup: StoredBackup) -> bool:
    """Whether the actor may manage the session of the backup; daily ones and milestones are an admin's."""
    if actor.role is Role.ADMIN:
        return True
    if backup.info.kind is not c.BackupKind.SESSION or actor.role is not Role.USER:
        return False
    try:
        session = await parts.manager.get_session(backup.info.session_id)
    # Its session is deleted: it still belongs to the person who had it.
    except SessionError:
        return bool(backup.user_id) and backup.user_id == actor.user_id
    return may(actor, Action.MANAGE, await session_facts(session))


async def _verify(parts: ServiceParts, backup: StoredBackup) -> c.VerifiedBackup:
    damage = await verify(parts, backup)
    await parts.manager.db.write([rows.backup_verified(backup.info.id, damage, parts.manager.now_ms())])
    info = (await known(parts, backup.info.id)).info
    return c.VerifiedBackup(info, info.files, info.size_bytes)


async def verify(parts: ServiceParts, backup: StoredBackup) -> str:
    """Read every byte of a backup. Return a sentence about damage, or nothing."""
    return await asyncio.to_thread(_damage, parts, backup)


def _damage(parts: ServiceParts, backup: StoredBackup) -> str:
    from archives.manifest import from_json

    place = file_of(parts, backup.info)
    try:
        if sha256_of(place) != backup.sha256:
            return "It has changed since it was made: its hash differs."
        # The hash covers every byte of the ZIP. Unpacking it as well would prove nothing more.
        if backup.info.kind is c.BackupKind.SESSION:
            return ""
        for entry in from_json(place.read_bytes()).entries:
            if sha256_of(place.parent / entry.path) != entry.sha256:
                return f"{entry.path} has changed since it was made: its hash differs."
    except FileNotFoundError:
        return "A file of it is gone."
    except (OSError, ArchiveError) as error:
        return f"It cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})."
    return ""


# --- rotation ---------------------------------------------------------------------------------------------


async def rotate(parts: ServiceParts) -> list[StoredBackup]:
    """Remove the backups that are due; return them."""
    removed = await _due(parts)
    for each in removed:
        # The row first: after a kill the next start removes the rest, and nobody is offered half a backup.
        await parts.manager.db.write([rows.backup_removing(each.info.id)])
        crash_point("backup.removing")
        await asyncio.to_thread(_remove_files, parts, each.info)
        await parts.manager.db.write([rows.delete_backup(each.info.id)])
    return removed


async def _due(parts: ServiceParts) -> list[StoredBackup]:
    found = {each.info.id: each for each in await rows.load_backups(parts.manager.db)}
    keeping = parts.backup_keeping
    rules = BackupRules(keeping.daily, keeping.weekly, keeping.sessions_days)
    kept = [Kept(each.info.id, each.info.kind.value, local_time(each.info.made_ms)) for each in found.values()]
    return [found[each] for each in due(kept, rules, local_time(parts.manager.now_ms()))]


def _report(found: Sequence[StoredBackup], *, applied: bool) -> c.RotationReport:
    size = sum(each.info.size_bytes for each in found)
    return c.RotationReport(tuple(each.info for each in found), size, applied)


def _remove_files(parts: ServiceParts, info: c.BackupInfo) -> None:
    if info.kind is c.BackupKind.SESSION:
        file_of(parts, info).unlink(missing_ok=True)
    else:
        shutil.rmtree(whole_of(parts, info), ignore_errors=True)


def _sweep(root: Path) -> None:
    for left in (*root.glob(f"{SCRATCH}*"), *root.glob(f"*/{SCRATCH}*"), *root.glob(f"*/*/{SCRATCH}*")):
        shutil.rmtree(left, ignore_errors=True)
    for left in (*root.glob(f"*/{TEMPORARY}*"), *root.glob(f"*/*/{TEMPORARY}*")):
        left.unlink(missing_ok=True)


def refused(error: Exception) -> BackupRefused:
    """Return the refusal for an error of the disk, of git or of an archive."""
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        return BackupRefused(f"the backup was not made, and nothing is left of it: {why.lower()}")
    return BackupRefused(str(error))

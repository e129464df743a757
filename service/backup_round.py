"""The daily round of backups: make the one that is due, rotate, and once a month restore some for a test."""

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

import msgspec

import api as c
from archives.bundle_reading import check_bundle, read_entry
from archives.errors import ArchiveError, BundleRefused
from service import backup_rows as rows
from service.backing_up import daily_backup, rotate, verify
from service.backup_places import backups_directory, file_of, whole_of
from service.backup_rows import StoredBackup
from service.bundling import FACTS, SCRATCH, BundledSession
from service.checkpoint_import import unpack_checkpoints
from service.folder_facts import local_time
from service.parts import ServiceParts
from service.whole_backup import FILES, PROJECTS, BackedUpProject
from storage.files import make_directory
from workdirs.bundles import Bundled, check_git_bundle, check_written_files
from workdirs.errors import WorkdirError
from workdirs.model import ObjectId

log = logging.getLogger(__name__)

DRILL_EVERY = timedelta(days=30)
COPIED_WITHIN = timedelta(days=3)


async def backup_round(parts: ServiceParts, at: time) -> None:
    """Make the daily backup if its time has passed since the last one; then rotate, and drill once a month.

    Raises `BackupRefused`.
    """
    now = local_time(parts.manager.now_ms())
    daily = await rows.load_backups(parts.manager.db, kind=c.BackupKind.DAILY)
    if not is_due([local_time(each.info.made_ms) for each in daily], now, at):
        return
    # The new one first: if it fails, rotation removes nothing.
    made = await daily_backup(parts)
    removed = await rotate(parts)
    facts = {"backup": made.info.id, "bytes": made.info.size_bytes, "removed": len(removed)}
    log.info("daily backup", extra=facts)
    await drill_if_due(parts)


async def copy_new(parts: ServiceParts) -> None:
    """Copy the backups elsewhere that were not copied yet, oldest first; only those of the last days.

    Each is tried once: its exit code is in its row, and doctor tells it.
    """
    if parts.copy_elsewhere is None:
        return
    for backup in reversed(await rows.load_backups(parts.manager.db)):
        info = backup.info
        age = timedelta(milliseconds=parts.manager.now_ms() - info.made_ms)
        if info.copied_code is not None or age > COPIED_WITHIN:
            continue
        is_file = info.kind is c.BackupKind.SESSION
        # It can take hours, so it runs here in the upkeep: no backup and no end of a session waits for it.
        code = await parts.copy_elsewhere(file_of(parts, info) if is_file else whole_of(parts, info))
        await parts.manager.db.write([rows.backup_copied(info.id, code, parts.manager.now_ms())])
        if code != 0:
            log.warning("BACKUP_COMMAND failed", extra={"backup": info.id, "code": code})


def is_due(made: Sequence[datetime], now: datetime, at: time) -> bool:
    """Whether no backup was made since the last time of day `at`. Those of the future do not count. Pure."""
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    last = today if today <= now else today - timedelta(days=1)
    return not any(last <= each <= now for each in made)


async def drill_if_due(parts: ServiceParts) -> None:
    """Restore the newest backup of each kind into a scratch directory, if none was for a month."""
    now_ms = parts.manager.now_ms()
    found = await rows.load_backups(parts.manager.db)
    last = max((each.info.drilled_ms or 0 for each in found), default=0)
    if timedelta(milliseconds=now_ms - last) < DRILL_EVERY:
        return
    for kind in c.BackupKind:
        newest = next((each for each in found if each.info.kind is kind), None)
        if newest is None:
            continue
        # Hashes first: they say that the file is as it was made, the drill that it can be taken apart.
        damage = await verify(parts, newest) or await asyncio.to_thread(_drill, parts, newest)
        await parts.manager.db.write([rows.backup_verified(newest.info.id, damage, now_ms, drilled=True)])
        level = logging.WARNING if damage else logging.INFO
        log.log(level, "backup drilled", extra={"backup": newest.info.id, "damage": damage})


def _drill(parts: ServiceParts, backup: StoredBackup) -> str:
    """Read and restore everything of a backup into a scratch directory. Return a sentence about damage."""
    root = backups_directory(parts)
    make_directory(root)
    try:
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=root) as scratch:
            if backup.info.kind is c.BackupKind.SESSION:
                _drill_session(file_of(parts, backup.info), Path(scratch))
            else:
                _drill_whole(whole_of(parts, backup.info), Path(scratch))
    # The last two are of JSON whose bytes are no UTF-8, or that nests too deeply.
    except (ArchiveError, WorkdirError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"It cannot be restored: {error}"
    except OSError as error:
        return f"It could not be restored for a test: {error.strerror or type(error).__name__}."
    return ""


def _drill_session(bundle: Path, scratch: Path) -> None:
    manifest = check_bundle(bundle)
    # A `StopIteration` cannot leave a thread: its waiter would wait for ever.
    described = next((each for each in manifest.entries if each.path == FACTS), None)
    if described is None:
        raise BundleRefused(FACTS, "it is missing")
    facts = msgspec.json.decode(read_entry(bundle, described), type=BundledSession)
    if facts.checkpoints and unpack_checkpoints(bundle, manifest, scratch / "checkpoints"):
        wanted = [Bundled(each.ref, ObjectId(each.commit)) for each in facts.checkpoints]
        check_git_bundle(scratch / "checkpoints", wanted, scratch / "store")
        _write_out(scratch / "checkpoints", wanted[-1], scratch)


def _drill_whole(directory: Path, scratch: Path) -> None:
    check_bundle(directory / FILES)
    projects = msgspec.json.decode((directory / PROJECTS).read_bytes(), type=list[BackedUpProject])
    for number, each in enumerate(projects):
        wanted = [Bundled(each.ref, ObjectId(each.commit))]
        # A store for each: a bundle must be whole without what another one brings.
        check_git_bundle(directory / each.file, wanted, scratch / f"store-{number}")
        _write_out(directory / each.file, wanted[0], scratch)


def _write_out(file: Path, checkpoint: Bundled, scratch: Path) -> None:
    """Write the files of a checkpoint as a restore would, compare them, and delete them again."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=scratch) as place:
        check_written_files(file, checkpoint, Path(place))

"""Makes a session of a bundle: it goes on in conversation and files, under new ids, and names its origin.

Everything in the bundle is looked at before anything is written. The row of the restore is stored with the
session, so the files of a cut restore are finished at the next start.
"""

import asyncio
import logging
import re
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

import api as c
from api.access import Actor
from archives.bundle import is_bundle_name
from archives.bundle_reading import check_bundle, read_entry
from archives.errors import ArchiveError, BundleRefused
from archives.manifest import Manifest
from archives.names import is_readable_id, project_directory
from faults import crash_point
from service import backup_rows
from service.backup_places import backups_directory, file_of
from service.backup_rows import StoredBackup
from service.bundling import CHECKPOINTS, FACTS, FOLDER, SCRATCH, SESSION, BundledSession
from service.checkpoint_import import check_checkpoints, import_checkpoints, unpack_checkpoints, write_files
from service.folder_facts import folder_on_disk
from service.new_project import new_project, sweep_unused
from service.parts import ServiceParts
from service.session_folders import refresh
from sessions.archive import read_archive
from sessions.archive_trial import refuse_costly
from sessions.draft import Draft
from sessions.errors import BackupRefused, FolderRefused, SessionError
from sessions.events import Noticed
from sessions.importing import imported_id
from sessions.rows import folders as rows
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.stored_folders import EndStatus, StoredArtifact, StoredFolder, StoredNote
from sessions.topics import Topic
from storage import AnyStatement
from storage.files import make_directory
from workdirs.errors import WorkdirError

log = logging.getLogger(__name__)

T = TypeVar("T")
_RESTORED = re.compile(r"-restored(-[0-9]+)?$")
_INCOMING = "incoming"


async def restore_bundle(
    parts: ServiceParts, actor: Actor, backup: StoredBackup, command: c.RestoreBackup
) -> Session:
    """Make a session of a session's backup; see `RestoreBackup`."""
    if backup.info.kind is not c.BackupKind.SESSION:
        raise BackupRefused("this is no backup of a session; /backup restore with a project takes one of those")
    wish = NewSession(actor.user_id, command.channel_id, key=command.key, project=command.project)
    return await restore_from(parts, file_of(parts, backup.info), wish)


async def restore_uploaded(parts: ServiceParts, data: bytes, wish: NewSession) -> Session:
    """Make a session of a bundle that somebody handed in. Raises `BackupRefused`, `PlaceTaken`."""
    incoming = backups_directory(parts) / _INCOMING
    place = await asyncio.to_thread(_keep_incoming, incoming, data)
    is_needed = False

    def keep() -> None:
        nonlocal is_needed
        is_needed = True

    try:
        session = await restore_from(parts, place, wish, keep)
    except BaseException:
        # A cancel after the row leaves the rest to the next start, which needs the file.
        if not is_needed:
            place.unlink(missing_ok=True)
        raise
    await asyncio.to_thread(place.unlink, missing_ok=True)
    return session


async def restore_from(
    parts: ServiceParts, source: Path, wish: NewSession, before_row: Callable[[], None] = lambda: None
) -> Session:
    """Make a session of the bundle `source`, a file below the backups. Raises `BackupRefused`, `PlaceTaken`.

    `before_row` is called just before the row is stored that lets the next start finish the restore.
    """
    try:
        manifest, facts, data = await asyncio.to_thread(_checked, source)
        await refuse_costly(data)
        await asyncio.to_thread(read_archive, data)
        await _check_files(parts, source, manifest, facts)
    except (ArchiveError, WorkdirError) as error:
        raise BackupRefused(str(error).rstrip(".")) from error
    except OSError as error:
        raise BackupRefused(f"the backup cannot be read: {error.strerror or 'the disk refused'}") from error
    root = parts.manager.policy.workspace_root
    incoming = backups_directory(parts) / _INCOMING
    async with new_project(root, incoming, wish.project, facts.project) as project:
        crash_point("bundle_restore.directory")
        name = await _free_name(parts, project, facts.name)
        # Relative to the backups: the data directory may lie elsewhere at the next start.
        relative = source.relative_to(backups_directory(parts)).as_posix()

        # In the transaction that makes the session: none is without the row that finishes its files.
        def more(draft: Draft) -> None:
            before_row()
            draft.extra.extend(_rows(draft, facts, name, project))
            draft.extra.append(backup_rows.insert_bundle_restore(draft.snapshot.id, relative, draft.at_ms))

        wanted = NewSession(wish.user_id, wish.channel_id, key=wish.key, project=project)
        session = await parts.manager.maker.from_archive(data, wanted, more)
    crash_point("bundle_restore.session")
    await _finish(parts, session, source)
    return session


async def finish_cut_restores(parts: ServiceParts) -> None:
    """Finish the restores that the end of the last process cut; for the start."""
    incoming = backups_directory(parts) / _INCOMING
    await asyncio.to_thread(sweep_unused, parts.manager.policy.workspace_root, incoming)
    cuts = await backup_rows.load_cut_bundle_restores(parts.manager.db)
    await asyncio.to_thread(_sweep_uploads, incoming, {Path(cut.source).name for cut in cuts})
    for cut in cuts:
        source = backups_directory(parts) / cut.source
        try:
            await _finish(parts, await parts.manager.get_session(cut.session_id), source)
        except SessionError as error:
            log.warning("restore not finished", extra={"session": cut.session_id, "why": type(error).__name__})
        except Exception:
            # The bridge starts, and the other restores are finished. The next start needs the file.
            log.exception("restore not finished", extra={"session": cut.session_id})
            continue
        # An upload is kept for its restore only.
        if source.parent.name == _INCOMING:
            with suppress(OSError):
                source.unlink(missing_ok=True)


async def _finish(parts: ServiceParts, session: Session, source: Path) -> None:
    """Write the folder and the files of a session that was made of a bundle. Doing it again changes nothing."""
    trouble = ""
    try:
        # Looked at once more: after a start, nobody knows whether the file is still the same.
        manifest, facts, _ = await asyncio.to_thread(_checked, source)
        await _write_notes(parts, session, source, manifest)
        await _write_files(parts, session, source, manifest, facts)
        crash_point("bundle_restore.files")
        await refresh(parts, session.id)
    except (ArchiveError, WorkdirError, FolderRefused, OSError) as error:
        trouble = str(error) if not isinstance(error, OSError) else error.strerror or "the disk refused"
    # Recorded like any trouble: a bundle that is tried again would end every later start the same way.
    except Exception:
        log.exception("files of a restore not written", extra={"session": session.id})
        trouble = "an unexpected error, which the log describes"
    done = backup_rows.bundle_restored(session.id, trouble, parts.manager.now_ms())
    # End and notice in one transaction, so neither is there twice.
    async with session.change() as draft:
        draft.extra.append(done)
        if trouble:
            words = f"The conversation is back; its files are not all there: {trouble.rstrip('.')}."
            draft.add(Noticed(Topic.RESTORED, words))


# --- reading ----------------------------------------------------------------------------------------------


def _checked(source: Path) -> tuple[Manifest, BundledSession, bytes]:
    """Look at the whole bundle; return its manifest, facts and export. Raises `BundleRefused`."""
    manifest = check_bundle(source)
    if manifest.kind != "session":
        raise BundleRefused("", "this is no bundle of a session")
    entries = {each.path: each for each in manifest.entries}
    for name in (FACTS, SESSION):
        if name not in entries:
            raise BundleRefused(name, "it is missing")
    try:
        facts = msgspec.json.decode(read_entry(source, entries[FACTS]), type=BundledSession)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(FACTS, "a part of it does not have the form of a bundle") from error
    # It becomes a part of a path.
    if not is_readable_id(facts.name):
        raise BundleRefused(FACTS, "the session's id is invalid")
    if not all(is_bundle_name(each.file) and "/" not in each.file for each in facts.notes):
        raise BundleRefused(FACTS, "a note has an invalid file name")
    if not (0 <= facts.number <= 1_000_000 and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", facts.day)):
        raise BundleRefused(FACTS, "the session's day or number is invalid")
    return manifest, facts, read_entry(source, entries[SESSION])


async def _check_files(parts: ServiceParts, source: Path, manifest: Manifest, facts: BundledSession) -> None:
    if not facts.checkpoints:
        return
    scratch = backups_directory(parts) / _INCOMING
    await asyncio.to_thread(make_directory, scratch)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=scratch) as place:
        file = Path(place) / CHECKPOINTS
        if not await asyncio.to_thread(unpack_checkpoints, source, manifest, file):
            raise BundleRefused(CHECKPOINTS, "it is missing")
        await check_checkpoints(file, facts.checkpoints, scratch)


def _keep_incoming(incoming: Path, data: bytes) -> Path:
    make_directory(incoming)
    descriptor, name = tempfile.mkstemp(suffix=".zip", dir=incoming)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor)
        file.write(data)
    return Path(name)


def _sweep_uploads(incoming: Path, needed: Collection[str]) -> None:
    """Delete the uploads that no restore needs: their acts ended before they had a row."""
    for upload in incoming.glob("*.zip"):
        if upload.name not in needed:
            with suppress(OSError):  # the next start tries again
                upload.unlink(missing_ok=True)


# --- writing ----------------------------------------------------------------------------------------------


async def _free_name(parts: ServiceParts, project: str, origin: str) -> str:
    beginning = f"{_RESTORED.sub('', origin)}-restored"
    taken = await rows.load_taken_names(parts.manager.db, project_directory(project), beginning)
    number, name = 1, beginning
    while name in taken:
        number += 1
        name = f"{beginning}-{number}"
    return name


def _rows(draft: Draft, facts: BundledSession, name: str, project: str) -> list[AnyStatement]:
    session_id = draft.snapshot.id
    folder = StoredFolder(
        session_id=session_id,
        project=project,
        directory=project_directory(project),
        day=facts.day,
        number=facts.number,
        name=name,
        focus=facts.focus[: c.MAX_FOCUS],
        origin=facts.name,
        began_ms=draft.at_ms,
    )
    notes = [
        StoredNote(session_id, each.kind, each.title, each.text, each.author_id, each.made_ms, file=each.file)
        for each in facts.notes[: c.MAX_NOTES]
    ]
    artifacts = {
        each.path: StoredArtifact(each.path, each.kind, each.added, each.removed) for each in facts.artifacts
    }
    summary = facts.summary[: c.MAX_SUMMARY]
    return [
        rows.insert_restored_folder(folder),
        *rows.insert_restored_notes(notes),
        *rows.store_artifacts(session_id, dict(artifacts), ""),
        rows.store_draft(session_id, EndStatus.DRAFTED, summary, "", draft.at_ms),
    ]


async def _write_notes(parts: ServiceParts, session: Session, source: Path, manifest: Manifest) -> None:
    """Write the notes and decisions as people left them, before the views are written from rows."""
    folder = await rows.load_folder(parts.manager.db, session.id)
    if folder is None:
        return
    place = folder_on_disk(parts, folder)
    wanted = [
        each for each in manifest.entries if each.path.startswith((f"{FOLDER}notes/", f"{FOLDER}decisions/"))
    ]

    def write() -> None:
        place.write({each.path.removeprefix(FOLDER): read_entry(source, each) for each in wanted})

    await asyncio.to_thread(write)


async def _write_files(
    parts: ServiceParts, session: Session, source: Path, manifest: Manifest, facts: BundledSession
) -> None:
    if not facts.checkpoints:
        return
    taken = session.around.checkpoints
    if taken is None:
        raise FolderRefused("checkpoints are switched off, so they stay in the bundle")
    scratch = backups_directory(parts) / _INCOMING
    await asyncio.to_thread(make_directory, scratch)
    # The ids that the import gave to the turns: a checkpoint finds its own again.
    turns = {each.turn_id: imported_id(session.id, each.turn_id) for each in facts.checkpoints if each.turn_id}
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=scratch) as place:
        file = Path(place) / CHECKPOINTS
        await asyncio.to_thread(unpack_checkpoints, source, manifest, file)
        last = await import_checkpoints(taken, taken.place(session), file, facts.checkpoints, session.id, turns)
    crash_point("bundle_restore.checkpoints")
    await write_files(taken, taken.place(session), last, session.id)

"""Carries out the commands of `api/folders.py`: rows first, then the files that show them."""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import assert_never

from msgspec.structs import replace

import api as c
from api.access import Action, Actor, may
from archives.folder import TRACKING, SessionFolder
from archives.names import project_directory, slug_of
from service.backup_rows import load_backups
from service.folder_facts import (
    FolderFacts,
    artifacts_of,
    folder_info,
    folder_on_disk,
    load_facts,
    projects_directory,
)
from service.folder_views import note_text, tracking, views_of
from service.parts import ServiceParts
from service.session_info import session_facts
from sessions.errors import FolderRefused, SessionError
from sessions.folders import new_folder
from sessions.rows import folders as rows
from sessions.session import Session
from sessions.stored_folders import FolderPlace, StoredArtifact, StoredFolder, StoredNote
from storage import Database, run_to_end
from storage.files import make_directory, write_whole
from workdirs.changes import ChangeKind
from workdirs.errors import WorkdirError

log = logging.getLogger(__name__)

_TITLE_CHARS = 80
_LISTED_IN_TRACKING = 1_000


async def fold(parts: ServiceParts, session: Session, actor: Actor, command: c.FoldersCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring names."""
    match command:
        case c.SetFocus():
            return await start_session(parts, session, command.focus)
        case c.ReadFolder():
            return await read_folder(parts, session)
        case c.AddNote():
            return await _add_note(parts, session, actor, command)
        case c.ListNotes():
            return await _list_notes(parts, session)
        case c.TrackArtifacts():
            return await track_artifact(parts, session, command.paths)
        case c.ReadArtifacts():
            await take_in_changes(parts, session.id)
            return artifacts_of(tuple(await rows.load_artifacts(parts.manager.db, session.id)))
        case c.DraftEnd() | c.ProposeEnd() | c.EndSession():
            from service.ending import end

            return await end(parts, session, actor, command)
        case _:
            assert_never(command)


async def start_session(parts: ServiceParts, session: Session, focus: str) -> c.FolderInfo:
    """Give the session a focus, a readable id and a folder; see `SetFocus`."""
    words = c.focus_words(focus)
    await ensure_folder(parts, session, words)
    await parts.manager.db.write([rows.set_focus(session.id, words)])
    return await shown(parts, await refresh(parts, session.id))


async def read_folder(parts: ServiceParts, session: Session) -> c.FolderInfo:
    """Return the folder of the session; see `ReadFolder`."""
    folder = await rows.load_folder(parts.manager.db, session.id)
    if folder is None:
        return c.FolderInfo(session.id, axes=parts.folder_rules.axes)
    await take_in_changes(parts, session.id)
    facts = await load_facts(parts.manager.db, folder, parts.manager.now_ms())
    return await shown(parts, facts)


async def shown(parts: ServiceParts, facts: FolderFacts) -> c.FolderInfo:
    """Return the folder as faces show it, with its newest bundle."""
    made = await load_backups(parts.manager.db, session_id=facts.folder.session_id)
    info = folder_info(facts, parts.folder_rules.axes)
    return replace(info, backup=made[0].info.id) if made else info


async def track_artifact(parts: ServiceParts, session: Session, paths: Sequence[str]) -> c.Artifacts:
    """Count `paths` among the session's artifacts; see `TrackArtifacts`."""
    await ensure_folder(parts, session)
    root = Path(session.snapshot.work_directory)
    named = [await asyncio.to_thread(_checked_path, root, each) for each in paths[: c.MOST_ARTIFACTS]]
    # Under the lock up to the write: it stores how far changes were read, and must not set that back.
    async with parts.folder_locks.of(f"artifacts {session.id}"):
        known = await _take_in_changes(parts.manager.db, session.id)
        # Checkpoints know better whether a file was created or changed, so theirs stand.
        new = {path: StoredArtifact(path, ChangeKind.CHANGED) for path in named if path not in known}
        folder = await _folder(parts, session.id)
        await parts.manager.db.write(rows.store_artifacts(session.id, new, folder.tracked_through))
    facts = await refresh(parts, session.id)
    return artifacts_of(facts.artifacts)


async def list_active(parts: ServiceParts, actor: Actor, command: c.ListFolders) -> c.FolderList:
    """Return the folders that the actor may view; see `ListFolders`."""
    db = parts.manager.db
    found: list[c.FolderInfo] = []
    place = FolderPlace.ARCHIVE if command.archived else FolderPlace.ACTIVE
    directory = project_directory(command.project) if command.project is not None else ""
    for folder in await rows.load_folders(db, directory=directory, place=place):
        if len(found) >= max(1, min(command.limit, c.MOST_FOLDERS)):
            break
        try:
            session = await parts.manager.get_session(folder.session_id)
        except SessionError:
            continue  # deleted: its bundle is in the list of backups
        if may(actor, Action.VIEW, await session_facts(session)):
            facts = await load_facts(db, folder, parts.manager.now_ms())
            found.append(await shown(parts, facts))
    return c.FolderList(tuple(found))


# --- rows -------------------------------------------------------------------------------------------------


async def ensure_folder(parts: ServiceParts, session: Session, focus: str = "") -> StoredFolder:
    """Return the session's folder; give it one, named after `focus` or its title, if it has none."""
    known = await rows.load_folder(parts.manager.db, session.id)
    if known is not None:
        return known
    await parts.manager.db.write([new_folder(session.snapshot, focus, parts.manager.now_ms())])
    # Read again: another call may have stored it first.
    return await _folder(parts, session.id)


async def take_in_changes(parts: ServiceParts, session_id: str) -> dict[bytes, StoredArtifact]:
    """Take the changes of new checkpoints into the artifacts, and return all of them by path."""
    # One at a time: two calls would count the same changes twice.
    async with parts.folder_locks.of(f"artifacts {session_id}"):
        return await _take_in_changes(parts.manager.db, session_id)


async def _take_in_changes(db: Database, session_id: str) -> dict[bytes, StoredArtifact]:
    """Do `take_in_changes`; the caller holds the lock of the artifacts."""
    known = {each.path: each for each in await rows.load_artifacts(db, session_id)}
    folder = await rows.load_folder(db, session_id)
    if folder is None:
        return known
    changes = await rows.load_new_changes(db, session_id, folder.tracked_through)
    if not changes:
        return known
    differing: dict[bytes, StoredArtifact | None] = {}
    for _, path, kind, added, removed in changes:
        was = differing[path] if path in differing else known.get(path)
        differing[path] = became(was, StoredArtifact(path, kind, added, removed))
    # The changes and how far they were read are one transaction, so no kill makes them count twice.
    await db.write(rows.store_artifacts(folder.session_id, differing, changes[-1][0]))
    return {path: each for path, each in {**known, **differing}.items() if each is not None}


def became(was: StoredArtifact | None, change: StoredArtifact) -> StoredArtifact | None:
    """Return the artifact after another change of its file; None if it is as before the session. Pure."""
    if was is None:
        return change
    added, removed = was.added + change.added, was.removed + change.removed
    match was.kind, change.kind:
        # A file that was made and deleted again left nothing.
        case ChangeKind.CREATED, ChangeKind.DELETED:
            return None
        case ChangeKind.CREATED, _:
            return StoredArtifact(change.path, ChangeKind.CREATED, added, removed)
        case ChangeKind.DELETED, ChangeKind.CREATED:
            return StoredArtifact(change.path, ChangeKind.CHANGED, added, removed)
        case _:
            return StoredArtifact(change.path, change.kind, added, removed)


async def _folder(parts: ServiceParts, session_id: str) -> StoredFolder:
    folder = await rows.load_folder(parts.manager.db, session_id)
    if folder is None:
        raise FolderRefused("this session has no folder yet: give it a focus")
    return folder


# --- files ------------------------------------------------------------------------------------------------


async def refresh(parts: ServiceParts, session_id: str) -> FolderFacts:
    """Write the files of the session's folder anew from its rows, and return the facts that they show.

    Raises `FolderRefused` if the disk refuses: the rows are kept, and the next refresh writes the files.
    """
    await take_in_changes(parts, session_id)
    async with parts.folder_locks.of(session_id):
        folder = await _folder(parts, session_id)
        facts = await load_facts(parts.manager.db, folder, parts.manager.now_ms())
        await _written(folder_on_disk(parts, folder), facts)
        await _copied(parts, facts)
    # Outside of the folder's lock: the list has a lock of its own, and no call holds both.
    await refresh_tracking(parts, folder)
    return facts


async def refresh_tracking(parts: ServiceParts, folder: StoredFolder) -> None:
    """Write the list of a project's sessions. Raises `FolderRefused`."""
    async with parts.folder_locks.of(f"tracking {folder.directory}"):
        db = parts.manager.db
        found = await rows.load_folders(db, directory=folder.directory, limit=_LISTED_IN_TRACKING)
        ends = await rows.load_ends(db, folder.directory)
        data = tracking([(each, ends.get(each.session_id)) for each in found], folder.project)
        place = projects_directory(parts) / folder.directory / TRACKING
        try:
            await run_to_end(_write_tracking, place, data)
        except OSError as error:
            raise _refused(error) from error


def _write_tracking(place: Path, data: bytes) -> None:
    make_directory(place.parent)
    with suppress(OSError):
        # Most acts change nothing in this list, and each write waits for the disk.
        if place.read_bytes() == data:
            return
    write_whole(place, data)


async def _written(place: SessionFolder, facts: FolderFacts) -> None:
    try:
        await run_to_end(place.write, views_of(facts))
    except OSError as error:
        raise _refused(error) from error


async def _copied(parts: ServiceParts, facts: FolderFacts) -> None:
    """Write the copy for people into the project, if that is set. Trouble with it is only logged."""
    name = parts.folder_rules.copy_as
    row = await parts.manager.db.read_one(
        "SELECT work_directory FROM sessions WHERE id = ?", (facts.folder.session_id,)
    )
    if not name or row is None:
        return
    from workdirs.people_copy import write_people_copy  # few projects have one

    files = {f"{facts.folder.name}/{each}": data for each, data in views_of(facts).items()}
    try:
        await run_to_end(write_people_copy, Path(str(row[0])), name, files)
    except (OSError, WorkdirError) as error:
        log.warning("no copy of a folder", extra={"session": facts.folder.session_id, "why": str(error)})


def _refused(error: OSError) -> FolderRefused:
    why = error.strerror or type(error).__name__
    return FolderRefused(
        f"everything is stored, but its file could not be written ({why}); make room and try again"
    )


# --- notes ------------------------------------------------------------------------------------------------


async def _add_note(parts: ServiceParts, session: Session, actor: Actor, command: c.AddNote) -> c.FolderNote:
    text = command.text.strip()
    if not text:
        raise FolderRefused(f"a {command.kind.value} needs words")
    if len(text) > c.MAX_NOTE:
        raise FolderRefused(f"a {command.kind.value} has at most {c.MAX_NOTE:,} characters")
    await ensure_folder(parts, session)
    db = parts.manager.db
    title = " ".join((command.title or text.splitlines()[0]).split())[:_TITLE_CHARS]
    note = StoredNote(session.id, command.kind, title, text, actor.user_id, parts.manager.now_ms())
    async with parts.folder_locks.of(f"notes {session.id}"):
        # An act that is sent again finds the note of its origin.
        known = await rows.note_of_origin(db, session.id, command.origin)
        if known is None:
            # Under the lock: two at once would both find the last place free.
            if len(await rows.load_notes(db, session.id)) >= c.MAX_NOTES:
                raise FolderRefused(f"a session has at most {c.MAX_NOTES:,} notes and decisions")
            await db.write([rows.insert_note(note, command.origin)])
        stored = await rows.load_notes(db, session.id)
    of_kind = [each for each in stored if each.kind is command.kind]
    written = max(of_kind, key=lambda each: each.number) if known is None else None
    written = written or next(each for each in stored if (each.kind, each.number) == known)
    await refresh(parts, session.id)
    return _shown(written, None)


async def _list_notes(parts: ServiceParts, session: Session) -> c.FolderNotes:
    folder = await rows.load_folder(parts.manager.db, session.id)
    if folder is None:
        return c.FolderNotes(())
    stored = await rows.load_notes(parts.manager.db, session.id)
    place = folder_on_disk(parts, folder)
    names = [f"{each.kind.directory}/{each.file}" for each in stored]
    # Notes belong to people: if somebody changed a file, its text counts and not the row's.
    edited = await asyncio.to_thread(lambda: list(map(place.read, names)))
    return c.FolderNotes(tuple(_shown(note, text) for note, text in zip(stored, edited, strict=True)))


def _shown(note: StoredNote, file_text: str | None) -> c.FolderNote:
    is_edited = file_text is not None and file_text != note_text(note)
    text = file_text if is_edited and file_text is not None else note.text
    return c.FolderNote(note.kind, note.number, note.title, text, note.author_id, note.made_ms, is_edited)


def _checked_path(root: Path, path: str) -> bytes:
    """Return `path` below the work directory. Raises `FolderRefused` if it leads out or does not exist."""
    relative = PurePosixPath(path)
    # Claude names files by their absolute paths.
    if relative.is_absolute() and relative.is_relative_to(root):
        relative = relative.relative_to(root)
    if not relative.parts:
        raise FolderRefused("name a file: the work directory itself does not count")
    shown = slug_of(relative.name, "?")
    if relative.is_absolute() or ".." in relative.parts or "\0" in path:
        raise FolderRefused(f"the file “{shown}” is not below the work directory")
    # A link inside the work directory may lead out of it.
    if not (root / relative).resolve().is_relative_to(root.resolve()):
        raise FolderRefused(f"the file “{shown}” leads out of the work directory")
    if not (root / relative).is_file():
        raise FolderRefused(f"there is no file “{relative.name}”")
    return os.fsencode(str(relative))

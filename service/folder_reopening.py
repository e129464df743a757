"""Brings the folder of a session that goes on back from the archive."""

from contextlib import suppress

from service.folder_facts import folder_on_disk
from service.parts import ServiceParts
from sessions.errors import FolderRefused
from sessions.rows import folders as rows
from sessions.session import Session
from sessions.stored_folders import FolderPlace
from storage import run_to_end


async def reopen_folder(parts: ServiceParts, session: Session) -> None:
    """Move the folder back to the active ones; nothing without a folder. A full disk is no error."""
    folder = await rows.load_folder(parts.manager.db, session.id)
    if folder is None or folder.place is FolderPlace.ACTIVE:
        return
    async with parts.folder_locks.of(session.id):
        with suppress(OSError):  # `refresh` writes what is missing there
            await run_to_end(lambda: folder_on_disk(parts, folder).moved(is_archived=False))
        await parts.manager.db.write(rows.reopen(session.id))
    from service.session_folders import refresh

    with suppress(FolderRefused):
        await refresh(parts, session.id)

"""A host's directory goes when the host has ended, all of its log is applied, and its transcript is copied."""

import asyncio
import logging
import shutil
from collections.abc import Set as AbstractSet
from pathlib import Path

from backends.base import BackendError, HostGone
from sessions.claude.errors import ClaudeError
from sessions.retention_rows import EndedHost, host_removed, load_ended_hosts, load_hosts_without_address
from sessions.session import Session
from storage import StorageError

log = logging.getLogger(__name__)


async def remove_ended_hosts(session: Session) -> None:
    """Remove what the session's ended hosts left on disk, once Claude's transcript is copied.

    What fails is logged, and tried again at the next end of a host and by each round of retention.
    """
    try:
        await _remove(session)
    except (StorageError, OSError):
        log.exception("ended hosts not removed", extra={"session": session.id})


async def _remove(session: Session) -> None:
    around, snapshot = session.around, session.snapshot
    never_started = await load_hosts_without_address(around.db, session.id)
    await asyncio.to_thread(_remove_remains, around.run_directory / session.id, never_started)
    ended = await load_ended_hosts(around.db, session.id)
    if not ended:
        return
    try:
        work_directory = Path(snapshot.work_directory)
        await asyncio.to_thread(around.conversations.keep, snapshot.conversation_id, work_directory)
    except (OSError, ClaudeError) as error:
        log.warning("transcript not copied; hosts stay", extra={"session": session.id, "why": str(error)})
        return
    await discard(session, ended)


async def discard(session: Session, hosts: list[EndedHost]) -> None:
    """Remove the directories of `hosts` without a look at transcripts."""
    for each in hosts:
        try:
            if not await session.around.backend.remove(each.ref):
                continue  # it outlived its end
        except HostGone:
            pass
        except (OSError, BackendError) as error:
            log.warning("host not removed", extra={"session": session.id, "why": str(error)})
            continue
        await session.around.db.write(host_removed(session.id, each.number))


def _remove_remains(directory: Path, numbers: AbstractSet[int]) -> None:
    """Remove what was made for hosts whose launch was cut before anything ran: no backend knows them."""
    entries = list(directory.iterdir()) if directory.is_dir() else []
    for entry in entries:
        if entry.name.isdigit() and int(entry.name) in numbers:
            shutil.rmtree(entry, ignore_errors=True)

"""Remove a host's directory once the host has ended, its log is applied, and its transcript is copied.

With a deleted session, its whole directory is removed. `sweep` removes the remains of earlier versions.
"""

import asyncio
import logging
import shutil
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from backends.base import BackendError, HostGone
from sessions.claude.errors import ClaudeError
from sessions.dependencies import Dependencies
from sessions.model import Lifecycle, SessionId, is_session_id
from sessions.retention_rows import (
    EndedHost,
    end_forgotten_hosts,
    host_removed,
    load_ended_hosts,
    load_hosts_without_address,
    sessions_that_exist,
)
from sessions.session import Session
from sessions.uploads import remove_if_empty, uploads_of
from storage import StorageError

log = logging.getLogger(__name__)

_MAKING_MS = 3_600_000
"""A younger directory without a session may belong to one in the making: its files come before its row."""

_WITHOUT_PROCESS = (Lifecycle.ENDED, Lifecycle.PARKED, Lifecycle.FAILED)


async def remove_ended_hosts(session: Session) -> None:
    """Copy Claude's transcript, then remove the directories of the session's ended hosts.

    A failure is logged. The next end of a host and each round of retention try again.
    """
    try:
        await _remove(session)
        # In one step with the look at the state: a launch makes the directory after it is recorded as begun.
        if session.snapshot.lifecycle in _WITHOUT_PROCESS:
            remove_if_empty(uploads_of(session.around.run_directory, session.id))
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
    await _discard(session, ended)


async def _discard(session: Session, hosts: list[EndedHost]) -> None:
    """Remove the directories of `hosts`, whether or not a transcript is copied."""
    for each in hosts:
        try:
            if not await session.around.backend.remove(each.ref):
                continue  # a process of it is still alive, although its end is recorded
        # No backend of this bridge made it, so nothing here can remove it: its address is forgotten.
        except HostGone:
            pass
        except (OSError, BackendError) as error:
            log.warning("host not removed", extra={"session": session.id, "why": str(error)})
            continue
        # After the files: killed in between, the next round removes them again, which is no error.
        await session.around.db.write(host_removed(session.id, each.number))


async def remove_all(around: Dependencies, session_id: SessionId) -> bool:
    """Remove everything below the session's run directory. False if a host still runs: the rest then stays."""
    directory = around.run_directory / session_id
    # By directories, not by rows: a launch that was cut may have files and no row.
    for number in await asyncio.to_thread(_host_numbers, directory):
        ref = await around.backend.find(session_id, number)
        if ref is not None and not await around.backend.remove(ref):
            return False
    if around.commands is not None:
        # Before the directory goes: a command beside the session still writes there.
        await around.commands.stop_all(session_id)
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return True


async def sweep(around: Dependencies) -> int:
    """Clear up hosts whose end was never recorded and directories without a session: nothing else does.

    Such hosts are recorded as ended, so that they are removed like all ended hosts. Such directories are
    removed an hour after their last change, unless a host runs there. Returns the number of removed
    directories.
    """
    now_ms = around.clock.now_ms()
    await around.db.write([end_forgotten_hosts(now_ms)])
    # First the directories, then the rows: a session that is stored in between counts as known.
    present = await asyncio.to_thread(_session_directories, around.run_directory, now_ms - _MAKING_MS)
    unknown = present - await sessions_that_exist(around.db, present)
    removed = [each for each in unknown if await remove_all(around, each)]
    if removed:
        log.info("directories without a session removed", extra={"removed": len(removed)})
    return len(removed)


def _host_numbers(directory: Path) -> list[int]:
    return [int(entry.name) for entry in _entries(directory) if entry.name.isdigit()]


def _session_directories(run: Path, before_ms: int) -> set[SessionId]:
    """Return the sessions with a directory that has not changed since `before_ms`."""
    found = set()
    for entry in _entries(run):
        if is_session_id(entry.name) and entry.is_dir():
            # A session that ends meanwhile removes its own directory.
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime_ns < before_ms * 1_000_000:
                    found.add(SessionId(entry.name))
    return found


def _entries(directory: Path) -> list[Path]:
    """Return what lies in a directory, which may be missing or go at any moment."""
    try:
        return list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_remains(directory: Path, numbers: AbstractSet[int]) -> None:
    """Remove the directories of hosts whose launch was cut before a process ran: no backend knows them."""
    for entry in _entries(directory):
        if entry.name.isdigit() and int(entry.name) in numbers:
            shutil.rmtree(entry, ignore_errors=True)

"""Remove what the sandboxes of a project keep in DATA_DIR once nobody needs it: caches of npm, pip, cargo.

A directory goes a day after the project's last session was deleted for good, and 60 days after the last start
of a process there. The directory of a running process stays.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from sessions import rows
from sessions.claude.own_files import discard
from sessions.claude.sandbox_access import is_state_directory, state_directory

if TYPE_CHECKING:
    from storage import Database

log = logging.getLogger(__name__)

_DAY_S = 24 * 3600.0
KEPT_S = 60 * _DAY_S


async def remove_unused_caches(database: "Database", state: Path, in_use: Collection[str] = ()) -> int:
    """Remove the directories of `state` that are due; return how many.

    `in_use` are the work directories of running processes.
    """
    known = await rows.load_work_directories(database)
    names = {state_directory(state, Path(each)).name for each in known}
    running = {state_directory(state, Path(each)).name for each in in_use}
    return await asyncio.to_thread(_remove, state, names, running)


def _remove(state: Path, known: Collection[str], running: Collection[str]) -> int:
    now, removed = time.time(), 0
    for path in sorted(state.iterdir()) if state.is_dir() else ():
        # Also the proxy's files and the filter lie there.
        if not is_state_directory(path.name) or path.name in running or path.is_symlink():
            continue
        # `prepare` sets the time at each start.
        unused_s = now - path.stat().st_mtime
        if unused_s >= (KEPT_S if path.name in known else _DAY_S):
            discard(path)
            removed += not path.exists()
    if removed:
        log.info("caches of sandboxes removed", extra={"projects": removed})
    return removed

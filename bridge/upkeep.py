"""Background work of a running bridge: signs of life, a daily copy of the database, figures.

`cli_run.run_with` runs it like a face. An error in here is logged and its task tried again; the bridge goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from bridge.background_task import RETRY_S, logged, tried_again
from bridge.notify import tell_service_manager
from sessions.errors import SessionError
from storage import StorageError

if TYPE_CHECKING:
    from api.access import Actor
    from bridge.discord_access import NamedPeople
    from bridge.wiring import OpenCore
    from storage import Database

log = logging.getLogger(__name__)

_INDEX_EVERY_S = 60.0
_BACKUP_LOOK_S = 60.0
_FIRST_BACKUP_LOOK_S = 5.0
_BACKUP_RETRY_S = 3600.0
_INDEX_REST_S = 0.05
_CACHES_EVERY_S = 24 * 3600.0
_CLEAN_EVERY_S = 3600.0


async def keep_up(core: "OpenCore") -> None:
    """Do all background work until cancelled."""
    settings = core.settings
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:

        def keep(work: Callable[[], Coroutine[Any, Any, None]], name: str, retry_s: float = RETRY_S) -> None:
            tasks.create_task(tried_again(work, name, retry_s))

        # Not tried again: an error here ends the signs of life, and then the manager restarts the bridge.
        tasks.create_task(logged(tell_service_manager(), "service manager"))
        if settings.enable_persistence:
            keep(lambda: daily_backups(core), "daily backups", _BACKUP_RETRY_S)
            if settings.backup_command:
                keep(lambda: copy_backups(core), "copies of backups", _BACKUP_RETRY_S)
        keep(lambda: keep_index(core.database), "search index")
        keep(lambda: keep_folders(core), "folders of sessions")
        keep(lambda: keep_caches(core), "caches of sandboxes")
        keep(lambda: keep_clean(core), "clean-up rules")
        if settings.metrics_file is not None or settings.metrics_port is not None:
            from bridge.metrics import keep_file, serving

            if (file := settings.metrics_file) is not None:
                keep(lambda: keep_file(core.service, file), "metrics file")
            if settings.metrics_port is not None:
                try:
                    await stack.enter_async_context(serving(core.service, settings.metrics_port))
                except OSError as error:
                    log.warning(
                        "metrics not served", extra={"port": settings.metrics_port, "why": error.strerror}
                    )
        # Even if every task has ended, upkeep lasts until it is cancelled, as a face does.
        await asyncio.get_running_loop().create_future()


async def keep_caches(core: "OpenCore") -> None:
    """Remove unused caches of sandboxes each day, for ever."""
    while True:
        await asyncio.sleep(_CACHES_EVERY_S)
        from bridge.sandbox_caches import remove_unused_caches

        # A process that was started long ago still uses its directory, whatever its time says.
        in_use = [each.snapshot.work_directory for each in core.manager.loaded() if each.run is not None]
        await remove_unused_caches(core.database, core.settings.data_dir / "sandbox", in_use)


async def keep_clean(core: "OpenCore") -> None:
    """Run each clean-up rule once a day in the name of its person, for ever."""
    people: NamedPeople | None = None

    async def who(user_id: str) -> "Actor":
        nonlocal people
        from api.wire import Named
        from bridge.discord_access import NamedPeople

        people = people or NamedPeople(core.settings)
        # Fresh: a rule deletes sessions, and must not do so by a role that was taken away.
        return await people.actor(Named(user_id, "rule"), fresh=True)

    while True:
        # A start has enough to do, and an hour more makes no difference to sessions that are weeks old.
        await asyncio.sleep(_CLEAN_EVERY_S)
        try:
            await core.service.run_cleanup_rules(who)
        except (SessionError, StorageError) as error:
            log.warning("clean-up rules did not run", extra={"why": str(error)})


async def daily_backups(core: "OpenCore") -> None:
    """Make the daily backup at its time, for ever. A failure is logged, and tried again after an hour."""
    at = core.settings.backup_at
    if at is None:
        return
    # A start has enough to do. Then one that was missed while the bridge was off is made.
    await asyncio.sleep(_FIRST_BACKUP_LOOK_S)
    while True:
        try:
            await core.service.back_up_if_due(at)
        except (SessionError, StorageError, OSError) as error:
            log.warning("no daily backup", extra={"why": str(error)})
            await asyncio.sleep(_BACKUP_RETRY_S)
        # Clocks jump and machines sleep, so one long sleep could miss the time.
        await asyncio.sleep(_BACKUP_LOOK_S)


async def copy_backups(core: "OpenCore") -> None:
    """Copy new backups elsewhere by BACKUP_COMMAND, for ever. Nobody waits for it: a copy may take hours."""
    while True:
        await asyncio.sleep(_BACKUP_LOOK_S)
        await core.service.copy_new_backups()


async def keep_folders(core: "OpenCore") -> None:
    """Keep the folders of sessions up to date, for ever."""
    await core.service.keep_folders()


async def keep_index(database: "Database") -> None:
    """Put new texts into the index of the search each minute, for ever, and old ones once after an upgrade.

    A search does this too for what is new, so a minute is soon enough.
    """
    # A start has enough to do, and what is searched for meanwhile is found all the same.
    await asyncio.sleep(_INDEX_EVERY_S)
    from sessions.rows.search import drop_gone, erase_gone, fill_index

    while True:
        # With rests in between: the rest of the bridge writes to the same database.
        await fill_index(database, within_s=float("inf"), pause_s=_INDEX_REST_S)
        await drop_gone(database, pause_s=_INDEX_REST_S)
        await erase_gone(database, within_s=float("inf"), pause_s=_INDEX_REST_S)
        await asyncio.sleep(_INDEX_EVERY_S)

"""Background work of a running bridge: signs of life, a daily copy of the database, figures.

`cli_run.run_with` runs it like a face. No error in here ends the bridge.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from bridge.background_task import logged
from bridge.backups import daily_backups
from bridge.notify import tell_service_manager

if TYPE_CHECKING:
    from bridge.wiring import OpenCore

log = logging.getLogger(__name__)


async def keep_up(core: "OpenCore") -> None:
    """Do all background work until cancelled."""
    settings = core.settings
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        tasks.create_task(logged(tell_service_manager(), "service manager"))
        if settings.enable_persistence:
            tasks.create_task(logged(daily_backups(core.database), "daily backups"))
        if settings.metrics_file is not None or settings.metrics_port is not None:
            from bridge.metrics import keep_file, serving

            if settings.metrics_file is not None:
                tasks.create_task(logged(keep_file(core.service, settings.metrics_file), "metrics file"))
            if settings.metrics_port is not None:
                try:
                    await stack.enter_async_context(serving(core.service, settings.metrics_port))
                except OSError as error:
                    log.warning(
                        "metrics not served", extra={"port": settings.metrics_port, "why": error.strerror}
                    )
        await asyncio.get_running_loop().create_future()

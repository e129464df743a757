"""Work that goes on beside a block and ends with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` beside the block; it ends with it. What escapes from it is logged and ends nothing else."""
    task = asyncio.create_task(logged(work, name), name=name)
    try:
        # A task that is cancelled before its first step leaves `work` never awaited, which Python warns of.
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        # Not `await task`: its cancellation could not be told from one of ours.
        await asyncio.wait([task])


async def logged(work: Coroutine[Any, Any, None], name: str) -> None:
    """Do `work`; what escapes from it is logged and ends nothing else."""
    try:
        await work
    except Exception:
        log.exception("task ended", extra={"task": name})

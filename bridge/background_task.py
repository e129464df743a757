"""A task that runs beside a block and ends with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `work` beside the block and end it with the block. Its errors are logged and end nothing else."""
    task = asyncio.create_task(logged(work, name), name=name)
    try:
        # Let the task begin: if it is cancelled before its first step, Python warns of a `work` never awaited.
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        # Not `await task`: that raises `CancelledError` both if the task and if this caller is cancelled.
        await asyncio.wait([task])


async def logged(work: Coroutine[Any, Any, None], name: str) -> None:
    """Do `work`; log an error instead of raising it."""
    try:
        await work
    # Not `BaseException`: a cancellation must reach whoever waits for the task.
    except Exception:
        log.exception("task ended", extra={"task": name})

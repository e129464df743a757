"""Tasks that run beside a block or for ever, and what becomes of their errors."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

RETRY_S = 60.0


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
        log.exception("task ended", extra={"task": name, "incident": secrets.token_hex(4)})


def kept_running(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> AbstractAsyncContextManager[None]:
    """Run `work` beside the block, anew after each error, and end it with the block."""
    return running(tried_again(work, name), name)


async def tried_again(
    work: Callable[[], Coroutine[Any, Any, None]], name: str, pause_s: float = RETRY_S
) -> None:
    """Do `work`. If it raises, log the error and do it anew after `pause_s`; end when it returns."""
    while True:
        try:
            return await work()
        except Exception:
            facts = {"task": name, "incident": secrets.token_hex(4), "again_in_s": pause_s}
            log.exception("task failed", extra=facts)
        await asyncio.sleep(pause_s)

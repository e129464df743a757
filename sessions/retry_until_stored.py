"""Carry out a step even if its caller is cancelled or the database accepts nothing for a while."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage import ConstraintViolated, StatementRefused, StorageError, outlast

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_S = 1.0


async def until_stored(step: Callable[[], Awaitable[T]]) -> T:
    """Run `step` until the database accepts it. A refused step leaves nothing behind.

    For steps that must not be given up, such as applying lines of a log or recording the end of a host. Waits
    without limit; cancel it to stop. Raises `ConstraintViolated` and `StatementRefused`: waiting cures neither.
    """
    while True:
        try:
            return await step()
        except (ConstraintViolated, StatementRefused):
            raise
        except StorageError:
            # A full disk or a lock of another program passes. To give up here would lose what was read.
            log.exception("cannot store; trying again")
            await asyncio.sleep(_PAUSE_S)


async def to_the_end(work: Awaitable[T]) -> T:
    """Await `work` to its end even if cancelled meanwhile; raise the cancellation afterwards."""
    task = asyncio.ensure_future(work)
    cancelled = await outlast(task)
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # marks it as retrieved: the caller is cancelled and will not look
    raise cancelled

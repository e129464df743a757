"""Steps that are carried out whatever comes: a caller who gives up, a database that takes nothing now."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage import ConstraintViolated, StatementRefused, StorageError, outlast

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE_S = 1.0


async def until_stored(step: Callable[[], Awaitable[T]]) -> T:
    """Run `step` again and again until the database accepts it; nothing of a refused step is left.

    For what must not be given up: lines of a log that are not applied yet, the end of a host. Waits as long as
    it takes; cancel it to stop. Raises `ConstraintViolated` and `StatementRefused`: time does not cure these.
    """
    while True:
        try:
            return await step()
        except (ConstraintViolated, StatementRefused):
            raise
        except StorageError:
            log.exception("cannot store; trying again")
            await asyncio.sleep(_PAUSE_S)


async def to_the_end(work: Awaitable[T]) -> T:
    """Await `work` without letting a cancellation cut it, however often; it is raised when all is done."""
    task = asyncio.ensure_future(work)
    cancelled = await outlast(task)
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # seen: who is cancelled has nobody to tell
    raise cancelled

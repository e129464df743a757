"""Steps that are only a matter of time: what cannot be stored now is stored when the database takes it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage import ConstraintViolated, StatementRefused, StorageError

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

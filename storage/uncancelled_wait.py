"""Wait that ignores cancellation: cancelling does not undo a statement that SQLite already has."""

import asyncio
from typing import Any


async def outlast(task: "asyncio.Future[Any]") -> asyncio.CancelledError | None:
    """Wait until `task` is done, even if cancelled meanwhile; return the last cancellation.

    The caller must raise it, after handling the result of `task`.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled

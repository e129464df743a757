"""Wait that ignores cancellation: cancelling does not undo a statement that SQLite already has."""

import asyncio
from typing import Any


async def outlast(task: "asyncio.Future[Any]") -> asyncio.CancelledError | None:
    """Wait until `task` is done, even if cancelled meanwhile; return the last cancellation.

    The caller must raise it, after handling the result of `task`.
    """
    cancelled: asyncio.CancelledError | None = None
    # Waiting for `task` itself would cancel it. An event of its own takes half the time of `asyncio.wait`.
    over = asyncio.Event()
    task.add_done_callback(lambda _: over.set())
    while not task.done():
        try:
            await over.wait()
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled

"""Waiting that no cancellation cuts: a statement that SQLite has is not undone by who stops waiting for it."""

import asyncio
from typing import Any


async def outlast(task: "asyncio.Future[Any]") -> asyncio.CancelledError | None:
    """Wait until `task` is done, however often the caller is cancelled meanwhile; return the last cancellation.

    It is for the caller to raise, once they have seen to what became of `task`.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled

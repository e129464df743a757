"""Waits that ignore cancellation: a statement that SQLite has, or a thread, cannot be taken back."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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


async def run_to_end(step: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """Run a blocking step in a thread. If cancelled, raise that only when the thread has ended.

    For steps that write under a lock: after a cancelled `asyncio.to_thread` the thread goes on, and the lock is
    free before its last write.
    """
    context = contextvars.copy_context()
    # Not `to_thread` in a task: a loop that ends cancels all tasks, and would stop waiting for the thread.
    thread = asyncio.get_running_loop().run_in_executor(None, partial(context.run, step, *arguments, **more))
    cancelled = await outlast(thread)
    if cancelled is not None:
        # Asked for here, or an error of a step that nobody waits for is logged as forgotten.
        thread.exception()
        raise cancelled
    return thread.result()

"""How late an event loop is with what is due."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_EVERY_S = 0.01


@asynccontextmanager
async def loop_lag() -> AsyncIterator[list[float]]:
    """The list gets a figure every 10 ms inside the block: how many milliseconds late a timer was."""
    lag_ms: list[float] = []
    loop = asyncio.get_running_loop()

    async def measure() -> None:
        while True:
            due = loop.time() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            lag_ms.append(max(0.0, loop.time() - due) * 1000)

    measuring = asyncio.create_task(measure(), name="loop lag")
    try:
        yield lag_ms
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)

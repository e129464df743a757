"""The list of sessions as it changes."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from api.access import ActorSource
from web.live.frames import Children, Step
from web.pages.list_page import listed
from web.parts import WebParts

_PACE_S = 0.5
"""The list is rendered at most this often, however much happens."""


async def list_steps(parts: WebParts, who: ActorSource, sub: str) -> AsyncGenerator[Step, None]:
    """Yield the list of sessions now and after each change. Raises the errors of `Core.follow_all`."""
    changed = asyncio.Event()

    async def read() -> None:
        # Its first item says only that it begins; that one brings the first list.
        async with aclosing(parts.core.follow_all(who, None, growing=False)) as feed:
            async for _ in feed:
                changed.set()

    reading = asyncio.create_task(read(), name="web list feed")
    last = ""
    try:
        while True:
            waiting = asyncio.create_task(changed.wait(), name="web list change")
            try:
                # The reader may end first, with the right to read: waiting for a change alone would never end.
                await asyncio.wait([waiting, reading], return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if reading.done():
                reading.result()
                return
            # Cleared before the list is read, so a change during the reading makes one more round.
            changed.clear()
            html = await listed(parts, await who(), int(time.time() * 1000))
            if html != last:
                last = html
                yield Step(sub, (Children("sessions", html),))
            await asyncio.sleep(_PACE_S)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

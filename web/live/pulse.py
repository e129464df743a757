"""The pulse of all open sockets: one task beats for every tab and looks again whether its reader is welcome.

A task for each tab would take more memory than the tab itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import web

BEAT_S = 20.0
_LOOK_EVERY = 3
"""Beats between two looks at a reader's rights: together a minute."""
_AT_ONCE = 50


class Beating(Protocol):
    """A socket as the pulse sees it. Neither method raises."""

    async def beat(self) -> None: ...

    async def look_again(self) -> None: ...


class Pulse:
    """Beats for the sockets that were added, while there are any."""

    def __init__(self, beat_s: float = BEAT_S) -> None:
        self._beat_s = beat_s
        self._sockets: dict[Beating, None] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, socket: Beating) -> None:
        """Beat for `socket` from now on."""
        self._sockets[socket] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="web pulse")

    def remove(self, socket: Beating) -> None:
        """Beat no more for `socket`; without sockets nothing runs."""
        self._sockets.pop(socket, None)
        if not self._sockets and self._task is not None:
            # Not awaited: the task holds nothing that has to be put away.
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(self._beat_s)
            beats += 1
            # A copy: sockets come and go during the awaits below.
            sockets = list(self._sockets)
            if beats % _LOOK_EVERY == 0:
                await _in_groups([each.look_again for each in sockets])
            await _in_groups([each.beat for each in sockets])


async def _in_groups(acts: Sequence[Callable[[], Awaitable[None]]]) -> None:
    for start in range(0, len(acts), _AT_ONCE):
        await asyncio.gather(*(act() for act in acts[start : start + _AT_ONCE]))


PULSE: web.AppKey[Pulse] = web.AppKey("pulse", Pulse)

"""The limit that all pumps share: Discord takes at most 50 requests a second from one bot over all channels.

Answers for the total rate. `rate_limits.py` keeps the limits of single routes.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from itertools import count
from typing import Protocol

# 35 edits every 1.25 s are 28 requests a second; the others are for new posts, cards and typing.
STREAMS_AT_FULL_PACE = 35
"""With more streams at once, each becomes slower."""
# Below Discord's 50: answers to messages, new threads and look-ups do not come through here.
_MOST = 45
_WITHIN_S = 1.1  # more than a second: the network may bring requests closer together


class Urgency(IntEnum):
    """The order of requests: an ask or a click's result, the end of a turn, growing text, status, typing."""

    PROMPT = 0
    FINAL = 1
    STREAM = 2
    STATUS = 3
    TYPING = 4


_SHARES = {Urgency.STATUS: 8, Urgency.TYPING: 8}
"""Most requests of these kinds in a window: when many sessions begin together, their texts come first."""


class Timer(Protocol):
    """The clock of the pumps; tests use their own."""

    def now(self) -> float: ...

    async def wait(self, news: asyncio.Event, seconds: float | None) -> None:
        """Return once `news` is set, or after `seconds`; None waits without end."""
        ...


class LoopTimer:
    """The event loop's time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def wait(self, news: asyncio.Event, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return


class Traffic:
    """The bot's requests over all channels. `streaming` are the channels with growing text."""

    def __init__(self, timer: Timer, *, most: int = _MOST) -> None:
        self.streaming: set[int] = set()
        self._timer = timer
        self._most = most
        self._times: deque[tuple[float, Urgency]] = deque()
        # Kept for asks and ends: however many streams grow, a permission request finds a place.
        self._for_urgent = most // 8
        self._waiting: list[tuple[Urgency, int]] = []
        self._numbers = count()
        self._news = asyncio.Event()  # never set: a waiting request looks again in time

    def stretched(self, seconds: float) -> float:
        """Return `seconds`, prolonged if many channels share the bot's requests."""
        return seconds * max(1.0, len(self.streaming) / STREAMS_AT_FULL_PACE)

    async def take(self, urgency: Urgency) -> None:
        """Wait until one more request may be made. The most urgent waiting request goes first."""
        mine = (urgency, next(self._numbers))
        heapq.heappush(self._waiting, mine)
        try:
            while (pause := self._pause(mine)) > 0:
                await self._timer.wait(self._news, pause)
            # No await since the look: two requests cannot take the same place.
            self._times.append((self._timer.now(), urgency))
        finally:
            # After a cancellation, too: an entry that stayed would hold up all less urgent ones for ever.
            self._waiting.remove(mine)
            heapq.heapify(self._waiting)

    def take_now(self, urgency: Urgency) -> float:
        """Take a request and return 0 if one may be made now; else return the seconds until the next try."""
        pause = self._pause((urgency, next(self._numbers)))
        if not pause:
            self._times.append((self._timer.now(), urgency))
        return pause

    def _pause(self, mine: tuple[Urgency, int]) -> float:
        """Return the seconds to wait before the next look; 0 if the request may be made now."""
        now, urgency = self._timer.now(), mine[0]
        while self._times and self._times[0][0] <= now - _WITHIN_S:
            self._times.popleft()
        most = self._most - (self._for_urgent if urgency >= Urgency.STREAM else 0)
        ahead = [other[0] for other in self._waiting if other < mine]
        pause = _until_free([at for at, _ in self._times], most, len(ahead), now)
        if (share := _SHARES.get(urgency)) is not None:
            # Its own share as well: fifty sessions that begin together have fifty cards and typing signs.
            of_its_kind = [at for at, kind in self._times if kind is urgency]
            pause = max(pause, _until_free(of_its_kind, share, ahead.count(urgency), now))
        return pause


def _until_free(times: Sequence[float], most: int, ahead: int, now: float) -> float:
    """Return the seconds until a window of `most` requests has room behind the `ahead` waiting ones."""
    free = most - len(times)
    if ahead < free:
        return 0.0
    if not times:
        return 0.01  # the requests ahead are sent at any moment
    behind = min(ahead - free, len(times) - 1)
    return max(0.001, times[behind] + _WITHIN_S - now)

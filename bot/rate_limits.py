"""Keep requests within Discord's rate limits, by the counts in its answers.

Replaces discord.py's own buckets. Those refuse a request if the window ends later than `max_ratelimit_timeout`,
even if the window has places left; and the request that takes the last place returns only when the window ends.
Here a request is sent while a place is left. Without one it waits for the end of the window, or is refused if
that is far off.
Leaves the limit over all routes to `traffic.py`, and answers with status 429 to discord.py.
"""

import asyncio
from types import TracebackType
from typing import Self

import aiohttp
import discord
from discord.http import HTTPClient, Ratelimit, Route

from bot.pace import Change, Window

_ROUTES = {
    Change.CREATE: Route("POST", "/channels/{channel_id}/messages", channel_id=0).key,
    Change.EDIT: Route("PATCH", "/channels/{channel_id}/messages/{message_id}", channel_id=0, message_id=0).key,
}
"""discord.py's keys of the routes; the channel's id is the other half of a bucket's name."""
LONGEST_WAIT_S = 30.0
"""A request waits at most so long for a place; if it would take longer, it is refused at once."""


class Bucket(Ratelimit):
    """One bucket of Discord's, used as `async with bucket: request`.

    `remaining` is how many more requests the window takes, with running ones subtracted. Entering raises
    `discord.RateLimited` if nothing is left and the window ends in more than `longest_wait_s`.
    """

    __slots__ = ("_longest_wait_s", "_news", "_turn")

    def __init__(self, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        # The first request of an unknown route goes alone: a new
        # bucket has one place until an answer names the limit.
        super().__init__(longest_wait_s)
        self._longest_wait_s = longest_wait_s
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()  # fair: requests go in the order in which they came

    async def acquire(self) -> None:
        """Take a place. Raises `discord.RateLimited`."""
        self._last_request = self._loop.time()
        # Held while waiting: the others would only wake up for the same place.
        async with self._turn:
            while not self._take_place():
                await self._wait()

    def _take_place(self) -> bool:
        if self.is_expired():
            self.reset()  # type: ignore[no-untyped-call]
        if self.remaining <= 0:
            return False
        self.remaining -= 1
        self.outgoing += 1
        return True

    async def _wait(self) -> None:
        """Wait until a place may be free. Raises `discord.RateLimited`."""
        pause_s = None
        if self.expires is not None:
            pause_s = max(0.0, self.expires - self._loop.time())
            if pause_s > self._longest_wait_s:
                raise discord.RateLimited(pause_s)
        # Without an await since `_take_place`: a place that becomes free now cannot be missed.
        self._news.clear()
        try:
            async with asyncio.timeout(pause_s):
                await self._news.wait()
        except TimeoutError:
            return

    def update(self, response: aiohttp.ClientResponse, *, use_clock: bool = False) -> None:
        """Take the counts over from the headers of an answer."""
        super().update(response, use_clock=use_clock)
        # Discord may not have counted the other running requests yet.
        self.remaining = int(response.headers.get("X-Ratelimit-Remaining", 0)) - (self.outgoing - 1)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wake waiting requests. Unlike discord.py's bucket, it never waits here."""
        # First: `reset` subtracts the requests that still run.
        self.outgoing -= 1
        if self.expires is None:  # no answer has named a window
            self.reset()  # type: ignore[no-untyped-call]
        self._news.set()


class _BucketsHTTPClient(HTTPClient):
    """discord.py's HTTP client with our buckets."""

    def get_ratelimit(self, key: str) -> Ratelimit:
        if key not in self._buckets:
            self._buckets[key] = Bucket()
            # As in discord.py: buckets that were idle for five minutes may go.
            self._try_clear_expired_ratelimits()
        return self._buckets[key]


def keep_to_buckets(client: discord.Client) -> None:
    """Make `client` use our buckets, and forget those that it has so far."""
    client.http._buckets.clear()  # noqa: SLF001 (discord.py has no other way)
    # discord.py makes its HTTP client itself and shares it at once, so only its class can be exchanged.
    client.http.__class__ = _BucketsHTTPClient


def window_of(client: discord.Client, channel_id: int, change: Change) -> Window | None:
    """Return the rest of the bucket that counts such changes in the channel; None if its window has ended."""
    http = client.http
    # Discord names a route's bucket in its first answer; before that nothing is planned.
    bucket_hash = http._bucket_hashes.get(_ROUTES[change])  # noqa: SLF001 (discord.py has no other way)
    bucket = http._buckets.get(f"{bucket_hash}:{channel_id}")  # noqa: SLF001
    if bucket is None or bucket.expires is None:
        return None
    resets_in_s = bucket.expires - asyncio.get_running_loop().time()
    return Window(bucket.remaining, resets_in_s) if resets_in_s > 0 else None

"""How requests keep to Discord's rate limits: by what its answers say is left.

Replaces discord.py's own way. That refuses a request when the window of its bucket has longer to go than
`max_ratelimit_timeout`, whatever is left in the window, and the request that takes the last place returns only
when the window ends. Here a request goes while something is left. When nothing is left it waits for the end of
the window, or is refused if that is far off.
Leaves to `traffic.py` what Discord allows over all routes, and to discord.py what to do about a 429.
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
"""What discord.py calls the routes; the channel is the other half of a bucket's name."""
LONGEST_WAIT_S = 30.0
"""A request waits so long for a place; if it would take longer, it is refused."""


class Bucket(Ratelimit):
    """One bucket of Discord's, used as `async with bucket: request`.

    `remaining` is how many requests the window still takes, those under way counted. Entering raises
    `discord.RateLimited` if nothing is left and the window ends in more than `longest_wait_s`.
    """

    __slots__ = ("_longest_wait_s", "_news", "_turn")

    def __init__(self, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        super().__init__(longest_wait_s)
        self._longest_wait_s = longest_wait_s
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()  # fair: the request that came first goes first

    async def acquire(self) -> None:
        """Take a place. Raises `discord.RateLimited`."""
        self._last_request = self._loop.time()
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
        self._news.clear()
        try:
            async with asyncio.timeout(pause_s):
                await self._news.wait()
        except TimeoutError:
            return

    def update(self, response: aiohttp.ClientResponse, *, use_clock: bool = False) -> None:
        """Learn from the headers of an answer."""
        super().update(response, use_clock=use_clock)
        # Discord may not have counted the other requests that are under way.
        self.remaining = int(response.headers.get("X-Ratelimit-Remaining", 0)) - (self.outgoing - 1)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give way to those that wait; unlike discord.py's, never waits itself."""
        self.outgoing -= 1
        if self.expires is None:  # no answer told of a window
            self.reset()  # type: ignore[no-untyped-call]
        self._news.set()


class _BucketsHTTPClient(HTTPClient):
    """discord.py's HTTP client with our buckets."""

    def get_ratelimit(self, key: str) -> Ratelimit:
        if key not in self._buckets:
            self._buckets[key] = Bucket()
            self._try_clear_expired_ratelimits()
        return self._buckets[key]


def keep_to_buckets(client: discord.Client) -> None:
    """Let `client` use our buckets. What it has learned so far is forgotten."""
    client.http._buckets.clear()  # noqa: SLF001 (discord.py has no other way)
    # discord.py makes its HTTP client itself and hands it on at once: it can only be changed where it is.
    client.http.__class__ = _BucketsHTTPClient


def window_of(client: discord.Client, channel_id: int, change: Change) -> Window | None:
    """What is left of the bucket that counts such changes in the channel; None if its window has ended."""
    http = client.http
    bucket_hash = http._bucket_hashes.get(_ROUTES[change])  # noqa: SLF001 (discord.py has no other way)
    bucket = http._buckets.get(f"{bucket_hash}:{channel_id}")  # noqa: SLF001
    if bucket is None or bucket.expires is None:
        return None
    resets_in_s = bucket.expires - asyncio.get_running_loop().time()
    return Window(bucket.remaining, resets_in_s) if resets_in_s > 0 else None

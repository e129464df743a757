"""Rate limits as Discord keeps them: buckets, the global one, hidden ones, and the count of invalid requests.

Real bucket sizes are not documented; the defaults are what people observe (5 per 5 s for messages).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .clock import Clock
from .model import Json

POST_MESSAGE = "POST /channels/{channel_id}/messages"
PATCH_MESSAGE = "PATCH /channels/{channel_id}/messages/{message_id}"
POST_THREAD = "POST /channels/{channel_id}/threads"
POST_THREAD_ON_MESSAGE = "POST /channels/{channel_id}/messages/{message_id}/threads"
_SHARED_BUCKETS = {POST_THREAD_ON_MESSAGE: POST_THREAD}
"""Routes that are counted together with another one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` requests in any window of `per_s` seconds that starts with a request."""

    limit: int
    per_s: float


@dataclass(slots=True)
class RateSettings:
    """The sizes. `rates` maps `METHOD /route/{template}`; what is not named falls under `other`."""

    rates: dict[str, Rate] = field(
        default_factory=lambda: {
            POST_MESSAGE: Rate(5, 5.0),
            PATCH_MESSAGE: Rate(5, 5.0),
            # People report waits of 219 and 280 s for new threads: the window is one of minutes.
            POST_THREAD: Rate(50, 300.0),
            "DELETE /channels/{channel_id}/messages/{message_id}": Rate(5, 1.0),
            "PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me": Rate(1, 0.25),
            "DELETE /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me": Rate(1, 0.25),
            "PUT /applications/{application_id}/guilds/{guild_id}/commands": Rate(5, 20.0),
            "PUT /applications/{application_id}/commands": Rate(5, 20.0),
            "POST /webhooks/{webhook_id}/{webhook_token}": Rate(5, 2.0),
        }
    )
    other: Rate = Rate(50, 1.0)
    per_second_global: int = 50
    renames: Rate = Rate(2, 600.0)
    old_edits: Rate = Rate(3, 20.0)
    old_after_s: float = 3600.0
    invalid: Rate = Rate(10_000, 600.0)
    enabled: bool = True


@dataclass(slots=True)
class _Window:
    started: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A 429: how long to wait, whose limit it was, and what the body says."""

    retry_after_s: float
    scope: str
    message: str = "You are being rate limited."
    code: int = 0
    is_global: bool = False

    def body(self) -> Json:
        return {
            "message": self.message,
            "code": self.code,
            "retry_after": round(self.retry_after_s, 3),
            "global": self.is_global,
        }

    def headers(self) -> dict[str, str]:
        """`Via` tells discord.py that Discord itself, not Cloudflare, is speaking."""
        found = {
            "Via": "1.1 google",
            "Retry-After": str(int(self.retry_after_s) + 1),
            "X-RateLimit-Scope": self.scope,
        }
        if self.is_global:
            found["X-RateLimit-Global"] = "true"
        return found


class RateLimits:
    """Counts requests by bucket; a bucket is a route with its channel, guild or webhook."""

    def __init__(self, clock: Clock, settings: RateSettings) -> None:
        self.settings = settings
        self.invalid_requests = 0
        self._closed_until = 0.0
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def take_global(self) -> Refused | None:
        """Count one request of the bot against all of its requests."""
        left = self._closed_until - self._clock.now()
        if left > 0:
            return Refused(left, "global", is_global=True)
        return self._take("global", Rate(self.settings.per_second_global, 1.0), scope="global")

    def close_global(self, seconds: float) -> None:
        """Take nothing of the bot's for so long: its global limit is used up."""
        self._closed_until = self._clock.now() + seconds

    def take(self, key: str, major: str) -> Refused | None:
        """Count one request in its bucket."""
        bucket = _bucket(key)
        return self._take(f"{bucket}|{major}", self._rate(bucket), scope="user")

    def take_rename(self, channel_id: int) -> Refused | None:
        """The limit on names that no header announces."""
        return self._take(f"rename|{channel_id}", self.settings.renames, scope="shared")

    def take_old_edit(self, channel_id: int) -> Refused | None:
        """The extra limit on edits of messages older than an hour."""
        text = "Maximum number of edits to messages older than 1 hour reached. Try again later."
        return self._take(f"old|{channel_id}", self.settings.old_edits, scope="user", message=text, code=30046)

    def headers(self, key: str, major: str) -> dict[str, str]:
        """Return the headers that describe the bucket."""
        if not self.settings.enabled:
            return {}
        bucket = _bucket(key)
        rate, window = self._rate(bucket), self._windows[f"{bucket}|{major}"]
        reset = window.started + rate.per_s
        return {
            "X-RateLimit-Limit": str(rate.limit),
            "X-RateLimit-Remaining": str(max(0, rate.limit - window.used)),
            "X-RateLimit-Reset": f"{reset:.3f}",
            "X-RateLimit-Reset-After": f"{max(0.0, reset - self._clock.now()):.3f}",
            "X-RateLimit-Bucket": hashlib.blake2s(bucket.encode(), digest_size=16).hexdigest(),
        }

    def count_invalid(self, status: int, *, shared: bool = False) -> None:
        """Count a 401, 403 or 429 towards the ban; shared limits are no fault of the bot."""
        if status in (401, 403, 429) and not shared:
            self.invalid_requests += 1
            self._take("invalid", self.settings.invalid, scope="user")

    def banned(self) -> bool:
        """Whether Cloudflare now answers in Discord's place."""
        window = self._windows.get("invalid")
        rate = self.settings.invalid
        if window is None or self._clock.now() >= window.started + rate.per_s:
            return False
        return window.used >= rate.limit

    def _rate(self, key: str) -> Rate:
        return self.settings.rates.get(key, self.settings.other)

    def _take(
        self, name: str, rate: Rate, *, scope: str, message: str = "You are being rate limited.", code: int = 0
    ) -> Refused | None:
        now = self._clock.now()
        window = self._windows.get(name)
        if window is None or now >= window.started + rate.per_s:
            window = self._windows[name] = _Window(now)
        if self.settings.enabled and window.used >= rate.limit:
            wait = window.started + rate.per_s - now
            return Refused(wait, scope, message, code, is_global=scope == "global")
        window.used += 1
        return None


def _bucket(key: str) -> str:
    return _SHARED_BUCKETS.get(key, key)

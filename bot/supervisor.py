"""Keep the bot connected: start it, and start it again after a failure, within Discord's limits.

Discord allows 1,000 session starts (IDENTIFY) a day and resets the token of a bot that uses them up. So every
start is stored, starts in close succession wait longer and longer, also across restarts of the process, and a
reserve is never touched. An error that a retry cannot cure ends the bot with a sentence.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import discord
import discord.client
import msgspec
from discord.backoff import ExponentialBackoff

from bot.errors import DiscordRefused
from bot.rows import load_fact, store_fact
from faults import crash_point
from storage import Database

log = logging.getLogger(__name__)

RESERVE = 50  # starts of the day that are left for a person to look for the cause
MAX_DELAY_S = 300.0
MAX_RECONNECT_S = 20.0
"""Longest pause before a reconnect: the bot is back soon after an outage. Starts have their own budget."""
_FREE_STARTS = 5  # in an hour, without a wait
# Within a connection the library starts sessions by itself, five
# seconds apart: a longer wait than this ends the connection.
_PATIENCE_S = 30.0
_WINDOW_MS = 3_600_000
_KEPT = 200
_STARTS = "gateway_starts"
# A gateway that closes after each RESUME was reconnected 500 to 750 times a second (measured).
_PACE_WINDOW_S = 10.0
_PACE_FREE = 4
_PACE_MAX_S = 30.0

_PERMANENT_CLOSES = {
    4004: "Discord does not accept the bot's token. Copy it anew from the developer portal (Bot, Reset Token)"
    " into DISCORD_TOKEN.",
    4010: "Discord refused the shard; this bot uses none. Please report this.",
    4011: "Discord wants this bot to be sharded: it is in too many servers. Use one bot for your own server.",
    4012: "Discord no longer speaks this version of its gateway. Update the bridge.",
    4013: "Discord refused the intents. Update the bridge.",
    4014: "Discord did not grant the message content intent. Switch on “Message Content Intent” in the"
    " developer portal (Bot, Privileged Gateway Intents).",
}


class CappedBackoff(ExponentialBackoff[Any]):
    """The library's pause before a reconnect, but never longer than 20 s: its own may be 17 minutes."""

    def delay(self) -> Any:
        return min(super().delay(), MAX_RECONNECT_S)


def cap_reconnect_backoff() -> None:
    """Make the library use `CappedBackoff` in this process; there is no parameter for it."""
    vars(discord.client)["ExponentialBackoff"] = CappedBackoff


def permanent_refusal(error: BaseException) -> DiscordRefused | None:
    """Return the error to end with if a retry cannot cure `error`; None for all others."""
    match error:
        case discord.LoginFailure():
            return DiscordRefused(_PERMANENT_CLOSES[4004])
        case discord.PrivilegedIntentsRequired():
            return DiscordRefused(_PERMANENT_CLOSES[4014])
        case discord.ConnectionClosed() if error.code in _PERMANENT_CLOSES:
            return DiscordRefused(_PERMANENT_CLOSES[error.code])
        case _:
            return None


def start_delay_s(starts_ms: list[int], now_ms: int) -> float:
    """Return the seconds that the next session start has to wait after `starts_ms`."""
    # A start in the future does not count: the clock was set back since.
    recent = [each for each in starts_ms if 0 <= now_ms - each < _WINDOW_MS]
    if len(recent) < _FREE_STARTS:
        return 0.0
    delay_ms = 1000 * min(MAX_DELAY_S, 2.0 ** min(len(recent) - _FREE_STARTS + 1, 10))
    return max(0.0, (max(recent) + delay_ms - now_ms) / 1000)


class StartBudget:
    """The session starts of this bot, remembered across processes."""

    def __init__(self, db: Database, now_ms: Callable[[], int]) -> None:
        self._db = db
        self._now_ms = now_ms

    async def delay_s(self) -> float:
        """Return the seconds until the next start may happen."""
        return start_delay_s(await self._starts(), self._now_ms())

    async def spend(self) -> None:
        """Store a start; call it before the start. Raises `TooManyStarts` if it must wait for over 30 s."""
        if await self.delay_s() > _PATIENCE_S:
            raise TooManyStarts
        # Stored before the start: a process that dies in it, again
        # and again, uses up the day's starts all the same.
        starts = [*await self._starts(), self._now_ms()][-_KEPT:]
        await self._db.write([store_fact(_STARTS, msgspec.json.encode(starts).decode())])
        crash_point("start-stored")

    async def _starts(self) -> list[int]:
        text = await load_fact(self._db, _STARTS)
        return msgspec.json.decode(text, type=list[int]) if text else []


class TooManyStarts(Exception):
    """The gateway wants one session start after another. The supervisor waits, then connects again."""


class Pace:
    """Slows down connections in close succession, because the library resumes without any pause."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._last: list[float] = []

    def next_pause_s(self) -> float:
        """Count a connection, and return the seconds to wait before it."""
        now = self._time()
        self._last = [each for each in self._last if now - each < _PACE_WINDOW_S + _PACE_MAX_S]
        self._last.append(now)
        close = len(self._last) - _PACE_FREE
        return 0.0 if close <= 0 else min(_PACE_MAX_S, 0.5 * 2.0 ** min(close - 1, 10))


class Connections:
    """The connections of one client to the gateway; `Pace` delays each."""

    def __init__(self, client: discord.Client) -> None:
        self._pace = Pace(asyncio.get_running_loop().time)
        self._connect = client.http.ws_connect
        self._last: aiohttp.ClientWebSocketResponse | None = None
        # Every connection comes through here: the first, a RESUME, and one after INVALID_SESSION.
        client.http.ws_connect = self._paced  # type: ignore[method-assign]  # there is no hook before a RESUME

    async def _paced(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        pause_s = self._pace.next_pause_s()
        if pause_s:
            log.warning("gateway connections follow closely; waiting", extra={"pause_s": pause_s})
            await asyncio.sleep(pause_s)
        self._last = await self._connect(url, compress=compress)
        return self._last

    async def drop(self) -> None:
        """Close the last connection: the library leaves it open when we refuse its session start."""
        if self._last is not None:
            await self._last.close()


Making = Callable[[], AbstractAsyncContextManager[discord.Client]]


class Supervisor:
    """Runs one client after the other. `make` is a context that logs a client in and closes it at the end."""

    def __init__(self, make: Making, budget: StartBudget) -> None:
        self._make = make
        self._budget = budget
        self._failures = 0

    async def run(self) -> None:
        """Stay connected until cancelled. Raises `DiscordRefused` if a retry would not help."""
        while True:
            try:
                await self._connect_once()
                self._failures = 0
            except asyncio.CancelledError:
                raise
            except Exception as error:
                if (refusal := permanent_refusal(error)) is not None:
                    raise refusal from error
                if isinstance(error, DiscordRefused):
                    raise
                self._failures += 1
                self._log(error)
                await self._pause(min(MAX_RECONNECT_S, 2.0 ** min(self._failures - 1, 10)), "connection failed")

    def _log(self, error: Exception) -> None:
        # Without a network this is logged every 20 s: a traceback into the library would help nobody.
        if isinstance(error, aiohttp.ClientError | OSError):
            log.warning("Discord cannot be reached", extra={"why": f"{type(error).__name__}: {error}"})
        else:
            log.warning("Discord connection failed", extra={"why": type(error).__name__}, exc_info=error)

    async def _connect_once(self) -> None:
        async with self._make() as client:
            connections = Connections(client)
            while True:
                # Only the gateway has to wait: meanwhile the view goes on over REST.
                await self._pause(await self._budget.delay_s(), "session starts follow closely")
                await _check_reserve(client)
                try:
                    return await client.connect()
                except TooManyStarts:
                    await connections.drop()

    async def _pause(self, seconds: float, why: str) -> None:
        if seconds > 0:
            log.info("waiting before the next connection", extra={"seconds": seconds, "why": why})
            await asyncio.sleep(seconds)


async def _check_reserve(client: discord.Client) -> None:
    """Raise `DiscordRefused` when Discord's own count of session starts is nearly used up."""
    route = discord.http.Route("GET", "/gateway/bot")
    answer = await client.http.request(route)
    limit = answer.get("session_start_limit", {})
    # By Discord's own count: another process may use the same token.
    remaining = int(limit.get("remaining", RESERVE))
    if remaining < RESERVE:
        hours = int(limit.get("reset_after", 0)) / 3_600_000
        raise DiscordRefused(
            f"Discord allows only {remaining} more session starts; at zero it resets the bot's token."
            f" Start the bot again in {hours:.1f} hours, and find out what restarts it so often."
        )


@asynccontextmanager
async def logged_in(client: discord.Client, token: str) -> AsyncIterator[discord.Client]:
    """Log `client` in, so that its REST calls work; close it at the end."""
    async with client:
        await client.login(token)
        yield client

"""Names of sessions' threads: follow the title that Claude or a person gave the session.

The name that the bot gave a thread last is stored. If a thread has another one, a person gave it, and it stays.
Leaves the first name to `threads.py`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import discord

from api import SessionInfo
from bot.errors import CONNECTION_BROKEN
from bot.rows import Place, load_fact, store_fact
from bot.scopes import SessionScope
from bot.threads import given_name_fact, thread_name
from sessions.errors import SessionNotFound
from sessions.model import TitleSource
from storage import Database

log = logging.getLogger(__name__)

PLACEHOLDERS = frozenset({"New session", "Imported session", "Session"})
"""Names of threads that were opened before anything was asked in them."""
_AGAIN_S = 30.0


class ThreadNames:
    """Renames threads, one request at a time for each. Discord takes two renames in ten minutes."""

    def __init__(self, client: discord.Client, db: Database) -> None:
        self._client = client
        self._db = db
        self._busy: set[int] = set()

    async def follow(self, place: Place, read: Callable[[], Awaitable[SessionInfo]]) -> None:
        """Give the thread of `place` the session's title, unless a person named the thread.

        While Discord refuses renames, waits; then takes the title of that time. Returns at once if a call for
        this thread waits already.
        """
        if place.kind is not SessionScope.THREAD or place.channel_id in self._busy:
            return
        self._busy.add(place.channel_id)
        try:
            while True:
                pause = await self._try(place.channel_id, read)
                if pause is None:
                    return
                await asyncio.sleep(pause)
        except SessionNotFound:
            return
        except (discord.HTTPException, *CONNECTION_BROKEN) as error:
            facts = {"channel": place.channel_id, "why": type(error).__name__}
            log.warning("a thread was not renamed", extra=facts)
        finally:
            self._busy.discard(place.channel_id)

    async def _try(self, channel_id: int, read: Callable[[], Awaitable[SessionInfo]]) -> float | None:
        """Rename once. Return the seconds until the next try; None if there is nothing more to do."""
        given = await load_fact(self._db, given_name_fact(channel_id))
        wanted = _wanted(await read(), given)
        if not wanted:
            return None
        try:
            channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
            # Discord refuses edits in an archived thread, and a name is no reason to open it.
            if not isinstance(channel, discord.Thread) or channel.archived:
                return None
            # `wanted` too: a kill after the rename and before its row leaves the thread with that name.
            if channel.name not in (given, wanted):
                return None
            if channel.name != wanted:
                await channel.edit(name=wanted)
        # The third rename within ten minutes waits for up to ten more; Discord's headers do not announce it.
        except discord.RateLimited as error:
            return max(error.retry_after, 1.0)
        except discord.HTTPException as error:
            if error.status != 429 and error.status < 500:
                raise
            return _AGAIN_S
        await self._db.write([store_fact(given_name_fact(channel_id), wanted)])
        return 0.0  # the title may have changed meanwhile


def _wanted(info: SessionInfo, given: str) -> str:
    """Return the name that the thread should have; empty if it should keep the one it has."""
    is_chosen = info.titled_by in (TitleSource.CLAUDE, TitleSource.PERSON)
    if not given or not info.title or not (is_chosen or given in PLACEHOLDERS):
        return ""
    name = thread_name(info.title)
    # A title is shorter than a thread's name, so that a long name may begin with the whole title.
    return "" if given.startswith(name.removesuffix("…")) else name

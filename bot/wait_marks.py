"""The sign ⏳ on messages whose prompts wait: added once they wait a while, removed when they start or go.

Each sign is a row before it is added and until it is removed, so that a start of the bot removes those that a
stop left behind. Signs are extra: if Discord refuses one, there is none, and nothing else waits for it.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import discord

from bot.actors import FACE
from bot.errors import CONNECTION_BROKEN
from bot.rows import Place, delete_fact, facts_of, store_fact
from bot.traffic import Traffic, Urgency
from sessions.stored import StoredTurn
from storage import Database

log = logging.getLogger(__name__)

SIGN = "⏳"
_MISSING_PERMISSIONS = 50013
_FROM_MESSAGE = f"{FACE}:message:"


class WaitMarks:
    """Adds and removes the signs. Requests of one session come one after the other."""

    def __init__(self, client: discord.Client, db: Database, traffic: Traffic, *, is_on: bool) -> None:
        self._http = client.http
        self._db = db
        self._traffic = traffic
        self._is_on = is_on
        self._busy: dict[str, bool] = {}  # session → whether its queue changed meanwhile
        self._refused: set[int] = set()

    async def follow(self, place: Place, read: Callable[[], Awaitable[list[StoredTurn]]]) -> None:
        """Put the sign on the messages of the queued prompts that `read` returns, and take the others away.

        Returns at once if a call for the session is running; that one then reads the queue again.
        """
        if place.session_id in self._busy:
            self._busy[place.session_id] = True
            return
        try:
            self._busy[place.session_id] = True
            while self._busy[place.session_id]:
                self._busy[place.session_id] = False
                await self._settle(place, await read())
        except (discord.HTTPException, discord.RateLimited, *CONNECTION_BROKEN) as error:
            facts = {"channel": place.channel_id, "why": type(error).__name__}
            log.warning("signs of waiting messages are not current", extra=facts)
        finally:
            del self._busy[place.session_id]

    async def _settle(self, place: Place, queue: list[StoredTurn]) -> None:
        has = await facts_of(self._db, _prefix(place.session_id))
        wanted = _messages(place, queue) if self._is_on and place.channel_id not in self._refused else {}
        for name, message in has.items():
            if name not in wanted:
                await self._remove(name, message)
        for name, message in wanted.items():
            if name not in has:
                await self._add(name, message)

    async def _add(self, name: str, message: str) -> None:
        await self._db.write([store_fact(name, message)])
        channel_id, message_id = map(int, message.split(":"))
        await self._traffic.take(Urgency.STATUS)
        try:
            await self._http.add_reaction(channel_id, message_id, SIGN)
        except discord.NotFound:
            return  # the author deleted the message just now
        except discord.Forbidden as error:
            if error.code == _MISSING_PERMISSIONS:
                self._refused.add(channel_id)
            await self._db.write([delete_fact(name)])

    async def _remove(self, name: str, message: str) -> None:
        channel_id, message_id = map(int, message.split(":"))
        await self._traffic.take(Urgency.STATUS)
        with suppress(discord.NotFound, discord.Forbidden):  # the message or the channel is gone
            await self._http.remove_own_reaction(channel_id, message_id, SIGN)
        await self._db.write([delete_fact(name)])


def _messages(place: Place, queue: list[StoredTurn]) -> Mapping[str, str]:
    """Return the messages of queued prompts in the channel, each by the name of its fact."""
    found = {}
    for turn in queue:
        is_message = turn.origin.startswith(_FROM_MESSAGE)
        message_id = turn.origin.removeprefix(_FROM_MESSAGE)
        # The message that a thread stands on has the thread's id, and is in another channel.
        if is_message and message_id.isdecimal() and int(message_id) != place.channel_id:
            found[f"{_prefix(place.session_id)}{message_id}"] = f"{place.channel_id}:{message_id}"
    return found


def _prefix(session_id: str) -> str:
    return f"waits:{session_id}:"

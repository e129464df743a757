"""The sign ⏳ on messages whose prompts wait: added once they wait a while, removed when they start or go.

Each sign is a row before it is added and until it is removed, so that a start of the bot removes those that a
stop left behind, and adds the others again (Discord ignores a second one). Signs are extra: if Discord refuses
one, everything else goes on without it, and the next change of the queue tries it again.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

import discord

from bot.actors import FACE
from bot.errors import CONNECTION_BROKEN
from bot.rows import Place, delete_fact, facts_of, store_fact
from bot.traffic import Traffic, Urgency
from sessions.stored import StoredTurn
from storage import Database, Statement

log = logging.getLogger(__name__)

SIGN = "⏳"
_MISSING_PERMISSIONS = 50013
_FROM_MESSAGE = f"{FACE}:message:"


def forget_signs(thread_id: int) -> Statement:
    """Return the statement that forgets the signs in a deleted thread."""
    of_it = f"{thread_id}:"
    return Statement(
        "DELETE FROM face_facts WHERE substr(name, 1, 6) = 'waits:' AND substr(value, 1, ?) = ?",
        (len(of_it), of_it),
    )


class WaitMarks:
    """Adds and removes the signs. Requests of one session come one after the other."""

    def __init__(self, client: discord.Client, db: Database, traffic: Traffic, *, is_on: bool) -> None:
        self._client = client
        self._http = client.http
        self._db = db
        self._traffic = traffic
        self._is_on = is_on
        self._busy: dict[str, bool] = {}  # session → whether its queue changed meanwhile
        self._there: set[str] = set()  # names of the signs that Discord has confirmed since the start
        self._refused: set[int] = set()  # places without the permission, until their queue is empty

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
                # A change during the work sets it again, and the queue is read once more.
                self._busy[place.session_id] = False
                await self._settle(place, await read())
        except (discord.HTTPException, discord.RateLimited, *CONNECTION_BROKEN) as error:
            facts = {"channel": place.channel_id, "why": type(error).__name__}
            log.warning("signs of waiting messages are not current", extra=facts)
        finally:
            del self._busy[place.session_id]

    async def _settle(self, place: Place, queue: list[StoredTurn]) -> None:
        has = await facts_of(self._db, _prefix(place.session_id))
        if not queue:
            self._refused.discard(place.channel_id)
        wanted = self._messages(place, queue, has) if self._is_on else {}
        for name, message in has.items():
            if name not in wanted:
                await self._remove(name, message)
        for name, message in wanted.items():
            # After a start nothing is confirmed: each sign is added
            # again, which Discord ignores if it is there.
            if name not in self._there and place.channel_id not in self._refused:
                await self._add(place, name, message)

    async def _add(self, place: Place, name: str, message: str) -> None:
        await self._db.write([store_fact(name, message)])
        channel_id, message_id = map(int, message.split(":"))
        # In the small share of cards: a hundred waiting prompts must not hold text up.
        await self._traffic.take(Urgency.STATUS)
        try:
            await self._http.add_reaction(channel_id, message_id, SIGN)
        except discord.NotFound:  # the message or its thread was deleted just now
            await self._db.write([delete_fact(name)])
        except discord.HTTPException as error:
            if error.code == _MISSING_PERMISSIONS:
                self._refused.add(place.channel_id)
            if isinstance(error, discord.Forbidden):
                await self._db.write([delete_fact(name)])
            else:
                _log_refusal(channel_id, error)
            return
        self._there.add(name)

    async def _remove(self, name: str, message: str) -> None:
        # First: if the request fails, a prompt that waits again must get its sign again.
        self._there.discard(name)
        channel_id, message_id = map(int, message.split(":"))
        await self._traffic.take(Urgency.STATUS)
        try:
            await self._http.remove_own_reaction(channel_id, message_id, SIGN)
        except (discord.NotFound, discord.Forbidden):
            pass  # the message or the channel is gone
        except discord.HTTPException as error:  # an archived thread: it opens again with its next message
            _log_refusal(channel_id, error)
            return
        await self._db.write([delete_fact(name)])

    def _messages(self, place: Place, queue: list[StoredTurn], has: Mapping[str, str]) -> Mapping[str, str]:
        """Return the messages of queued prompts, each by the name of its fact. `has` are those known by now."""
        found = {}
        for turn in queue:
            message_id = turn.origin.removeprefix(_FROM_MESSAGE)
            if not turn.origin.startswith(_FROM_MESSAGE) or not message_id.isdecimal():
                continue
            name = f"{_prefix(place.session_id)}{message_id}"
            channel_id = self._channel_of(place, int(message_id))
            # The stored channel counts: the thread may be archived by now, and its parent unknown.
            if name in has:
                found[name] = has[name]
            elif channel_id is not None:
                found[name] = f"{channel_id}:{message_id}"
        return found

    def _channel_of(self, place: Place, message_id: int) -> int | None:
        """Return the channel of a message; None if it is unknown (its thread is archived).

        The message that a thread stands on has the thread's id. A forum has it in the thread, every other
        channel above it.
        """
        if message_id != place.channel_id:
            return place.channel_id
        thread = self._client.get_channel(place.channel_id)
        if not isinstance(thread, discord.Thread):
            return None
        return thread.id if isinstance(thread.parent, discord.ForumChannel) else thread.parent_id


def _log_refusal(channel_id: int, error: discord.HTTPException) -> None:
    facts = {"channel": channel_id, "code": error.code}
    log.warning("a sign of a waiting message is not current", extra=facts)


def _prefix(session_id: str) -> str:
    return f"waits:{session_id}:"

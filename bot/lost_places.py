"""Threads and channels in which the bot can no longer write: deleted, locked, or a permission is missing.

The session itself goes on. Its owner gets one message on how to bring it into another channel.
"""

import hashlib
import logging

import discord

from api import GetSession
from bot.actors import VIEWER
from bot.errors import CONNECTION_BROKEN
from bot.face import Face
from bot.hints import give_up_hint
from bot.markdown.cards import escape_inline
from bot.rows import Place, load_fact, places_in, store_fact
from bot.wait_marks import forget_signs
from sessions.errors import SessionNotFound
from sessions.model import Lifecycle

log = logging.getLogger(__name__)

_UNKNOWN_CHANNEL = 10003
_CANNOT_SEND = (discord.HTTPException, discord.RateLimited, *CONNECTION_BROKEN)


class LostPlaces:
    """Tells owners of sessions whose place is lost."""

    def __init__(self, face: Face, client: discord.Client) -> None:
        self._face = face
        self._client = client

    async def tell(self, channel_id: int, code: int) -> None:
        """Tell the owners of the sessions in a channel that takes no messages. `code` is Discord's reason.

        Raises `StorageError`.
        """
        if code == _UNKNOWN_CHANNEL:
            await self.forget(channel_id)
        for place in await places_in(self._face.db, channel_id):
            try:
                info = await self._face.core.perform(VIEWER, GetSession(session_id=place.session_id))
            except SessionNotFound:
                continue
            if info.lifecycle is Lifecycle.ENDED or not place.owner_id:
                continue
            # With the channel as its value: a session that gets lost in another one is told of again.
            fact = f"lost:{place.session_id}"
            if await load_fact(self._face.db, fact) == str(channel_id):
                continue
            # Stored afterwards: after a kill in between the owner may read it twice, but is told in any case.
            if await self._tell_owner(place, _words(place, info.title, code)):
                await self._face.db.write([store_fact(fact, str(channel_id))])

    async def forget(self, thread_id: int) -> None:
        """Forget the hint and the signs that a deleted thread showed. Raises `StorageError`."""
        await self._face.db.write([*give_up_hint(thread_id, self._face.now_ms()), forget_signs(thread_id)])

    async def _tell_owner(self, place: Place, words: str) -> bool:
        """Send `words` to the owner in private, or else in the thread's channel. Return whether one worked."""
        nonce = hashlib.blake2b(f"{place.session_id} {words}".encode(), digest_size=12).hexdigest()
        try:
            opened = await self._client.http.start_private_message(place.owner_id)
            await self._client.get_partial_messageable(int(opened["id"])).send(words, nonce=nonce)
        except _CANNOT_SEND:
            return await self._tell_beside(place, words, nonce)
        return True

    async def _tell_beside(self, place: Place, words: str, nonce: str) -> bool:
        lost = self._client.get_channel(place.channel_id)
        # Everybody reads the channel above: it must not tell the title of a private session.
        if not isinstance(lost, discord.Thread) or lost.is_private():
            log.warning("owner of a lost session not told", extra={"session": place.session_id})
            return False
        only_owner = discord.AllowedMentions(
            everyone=False, roles=False, users=[discord.Object(place.owner_id)], replied_user=False
        )
        try:
            await self._client.get_partial_messageable(lost.parent_id).send(
                f"<@{place.owner_id}> {words}", allowed_mentions=only_owner, nonce=nonce
            )
        except _CANNOT_SEND as error:
            facts = {"session": place.session_id, "why": type(error).__name__}
            log.warning("owner of a lost session not told", extra=facts)
            return False
        return True


def _words(place: Place, title: str, code: int) -> str:
    name = escape_inline(title, 80) or "Session"
    if code == _UNKNOWN_CHANNEL:
        what = f"The thread of your session “{name}” was deleted. The session goes on:"
    else:
        what = (
            f"I cannot write in <#{place.channel_id}> any more: it is locked, or I lack a permission there."
            f" Your session “{name}” goes on:"
        )
    return f"{what} `/session resume` in any other channel brings it into a new thread."

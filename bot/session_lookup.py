"""Find the session that a command means: that of the thread, of the channel, or of the user in it."""

from api import GetSession, SessionInfo
from api.access import Actor
from bot.actors import discord_id
from bot.entry import Reply
from bot.errors import Refused
from bot.face import Face
from bot.rows import Place, places_in
from bot.scopes import SessionScope
from sessions.errors import UNSEEN, NotAllowed, SessionNotFound
from sessions.model import Lifecycle

NO_SESSION = "There is no session here. Start one with /claude, or name one in the option “session”."
NONE_OF_THIS_ID = "There is no session of this id that you may see; it may have been cleared."


async def session_place(face: Face, channel_id: int, user_id: int) -> Place | None:
    """Return the newest place in a channel; if sessions belong to users, the user's own."""
    for place in await places_in(face.db, channel_id):
        if place.kind is not SessionScope.USER or place.owner_id == user_id:
            return place
    return None


async def session_meant(face: Face, actor: Actor, channel_id: int, named: str = "") -> SessionInfo:
    """Return the session with the id `named`, or that of the channel. Raises `Refused`, `SessionError`."""
    if named:
        try:
            return await face.core.perform(actor, GetSession(session_id=named))
        except UNSEEN as error:
            # The same answer for both: it must not tell whether another person has a session of this id.
            raise Refused(NONE_OF_THIS_ID) from error
    user_id = discord_id(actor.user_id) or 0
    last_error: NotAllowed | None = None
    for place in await places_in(face.db, channel_id):
        if place.kind is SessionScope.USER and place.owner_id != user_id:
            continue
        try:
            info = await face.core.perform(actor, GetSession(session_id=place.session_id))
        except SessionNotFound:
            continue
        except NotAllowed as error:
            # The person may see another session of the channel: look on.
            last_error = error
            continue
        if info.lifecycle is not Lifecycle.ENDED or place.kind is SessionScope.THREAD:
            return info
    if last_error is not None:
        raise last_error
    raise Refused(NO_SESSION)


async def meant(face: Face, reply: Reply, named: str | None = None) -> SessionInfo:
    """Return the session of a command: `named`, or that of its channel. Raises like `session_meant`."""
    return await session_meant(face, reply.actor, reply.interaction.channel_id or 0, named or "")

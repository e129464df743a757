"""The card with a link into the dashboard; only the person who asked may see it."""

from api import MakeLoginLink
from api.access import Actor
from bot.bodies import Card, LinkButton
from bot.face import Face
from bot.wording import moment


async def web_link(face: Face, actor: Actor, session_id: str = "") -> Card:
    """Return a card with a link that logs `actor` in and may lead to a session. Raises `WebOff`."""
    link = await face.core.perform(actor, MakeLoginLink(session_id=session_id))
    words = f"This link logs one browser in as you, once; it is valid until {moment(link.expires_ms, 't')}."
    return Card((words,), ((LinkButton(link.url, "Open in the browser"),),))

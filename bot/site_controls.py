"""Decisions on hosts of the internet, by clicks on their cards."""

from api import DecideSite, GetSession, ReadSites
from bot.bodies import Body, Control
from bot.entry import Reply
from bot.face import Face
from bot.panel_controls import stored
from bot.site_card import sites_card
from sessions.model import SiteState

_ALLOWED = "This project may reach {name} from now on. Ask Claude to try again."
_REFUSED = "This project may not reach {name}."


class SiteControls:
    """Carries out clicks on cards of hosts; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control) -> None:
        """Carry out one click: the control's subject is the decision, its detail the host."""
        await reply.think(ephemeral=True)
        allow = SiteState(control.subject) is SiteState.ALLOWED
        wish = DecideSite(session_id=control.session_id, name=control.detail, allow=allow)
        await self._face.core.perform(reply.actor, wish)
        await reply.say((_ALLOWED if allow else _REFUSED).format(name=f"`{control.detail}`"))


async def sites_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Return the card of the hosts that sandboxes of the session's project wanted."""
    info = await face.core.perform(reply.actor, GetSession(session_id=session_id))
    found = await face.core.perform(reply.actor, ReadSites(session_id=session_id))
    return await stored(face, sites_card(info, found))

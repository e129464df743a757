"""Decisions on a project's trust, by clicks and by `/settings trust`."""

from api import DecideTrust, GetSession, ReadTrust
from api.words.trust import TRUST_WORDS
from bot.bodies import Body, Control
from bot.entry import Reply
from bot.face import Face
from bot.panel_controls import stored
from bot.trust_card import NOT_NOW, trust_card
from sessions.model import Trust

_LATER = "Nothing is decided: only the project's text is read. `/settings trust` shows it again."


class TrustControls:
    """Carries out clicks on trust cards; see `controls.Controls`."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def handle(self, reply: Reply, control: Control) -> None:
        """Carry out one click: the control's subject is the decision, its detail the content's hash."""
        if not control.subject:
            await reply.say(await trust_body(self._face, reply, control.session_id))
            return
        if control.subject == NOT_NOW:
            await reply.say(_LATER)
            return
        # Before the decision: what a project brings is read from its files again.
        await reply.think(ephemeral=True)
        trust, content_hash = Trust(control.subject), control.detail
        await reply.say(await decided(self._face, reply, control.session_id, trust, content_hash))


async def decided(face: Face, reply: Reply, session_id: str, trust: Trust, content_hash: str = "") -> str:
    """Decide on the project's trust, and return the sentence on the result."""
    wish = DecideTrust(session_id=session_id, trust=trust, content_hash=content_hash)
    found = await face.core.perform(reply.actor, wish)
    return f"The project is {TRUST_WORDS[found.trust]}. It holds from Claude's next start on."


async def trust_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Return the card of the present trust in the session's project."""
    info = await face.core.perform(reply.actor, GetSession(session_id=session_id))
    found = await face.core.perform(reply.actor, ReadTrust(session_id=session_id))
    return await stored(face, trust_card(info, found))

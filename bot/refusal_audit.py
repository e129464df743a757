"""Write people outside the allow-list to the audit: they are turned away before the core sees a command."""

import logging

from api import Core, NoteRefusal
from api.access import Actor
from sessions.errors import SessionError
from storage import StorageError

log = logging.getLogger(__name__)

DOOR = "use_the_bot"


class RefusalAudit:
    """Notes refusals at the door of the bot."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def note(self, actor: Actor) -> None:
        """Write to the audit that `actor` was turned away. Raises nothing."""
        log.warning("stranger turned away", extra={"actor": actor.user_id})
        # An audit that cannot be written must not stop an answer or a channel's inbox.
        try:
            await self._core.perform(actor, NoteRefusal(door=DOOR))
        except (SessionError, StorageError):
            log.exception("refusal not written down")

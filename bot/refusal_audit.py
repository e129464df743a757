"""Writes down who was turned away before the core was asked: people who are not in the allow-list.

Bounded, for anybody in the server can come again and again: no stranger fills the database.
"""

import logging

from api.access import Actor
from bot.face import Face
from service.usage_rows import audit_entry
from storage import StorageError

log = logging.getLogger(__name__)

ACTION = "use_the_bot"
_EVERY_MS = 3_600_000
_MOST = 100


class RefusalAudit:
    """At most one row of the audit an hour for each person, and a hundred for all of them together."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._noted: dict[str, int] = {}

    async def note(self, actor: Actor) -> None:
        """`actor` was turned away; raises nothing."""
        now_ms = self._face.now_ms()
        self._noted = {each: at_ms for each, at_ms in self._noted.items() if 0 <= now_ms - at_ms < _EVERY_MS}
        if actor.user_id in self._noted or len(self._noted) >= _MOST:
            return
        self._noted[actor.user_id] = now_ms
        log.warning("stranger turned away", extra={"actor": actor.user_id})
        try:
            await self._face.db.write([audit_entry(now_ms, actor, ACTION, allowed=False)])
        except StorageError:
            log.exception("refusal not written down")

"""Carries out the commands of `api/refusals.py`: who was turned away, and no more of it than is useful."""

import api as c
from api.access import Actor
from service.parts import ServiceParts
from service.usage_rows import audit_entry

_LONGEST_DOOR = 40


async def note_refusal(parts: ServiceParts, actor: Actor, command: c.RefusalsCommand) -> c.Nothing:
    """A row of the audit, unless the person, or everybody together, has had enough of them."""
    now_ms = parts.manager.now_ms()
    if parts.refusals.takes(actor.user_id, now_ms):
        row = audit_entry(now_ms, actor, command.door[:_LONGEST_DOOR], allowed=False)
        await parts.manager.db.write([row])
    return c.Nothing()

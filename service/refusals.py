"""Carries out the commands of `api/refusals.py`: audits refusals at a face, within a bound."""

import api as c
from api.access import Actor
from service.parts import ServiceParts
from service.usage_rows import audit_entry

_LONGEST_DOOR = 40


async def note_refusal(parts: ServiceParts, actor: Actor, command: c.RefusalsCommand) -> c.Nothing:
    """Add a row to the audit unless the bound for the person or for everybody is reached."""
    now_ms = parts.manager.now_ms()
    if parts.refusals.takes(actor.user_id, now_ms):
        row = audit_entry(now_ms, actor, command.door[:_LONGEST_DOOR], allowed=False)
        await parts.manager.db.write([row])
    return c.Nothing()

"""Carries out the commands of `commands/administering.py`."""

from typing import assert_never

from sessions import commands as c
from sessions.manager import SessionManager
from sessions.usage_rows import read_audit


async def administer(manager: SessionManager, command: c.AdministeringCommand) -> object:
    """The reply to `command`. Raises nothing of its own."""
    match command:
        case c.ClearAll():
            return c.ClearReport(tuple(await manager.clear_all_sessions()))
        case c.ReadStatistics():
            return await manager.statistics(command)
        case c.PlanRetention():
            return await manager.retention.plan()
        case c.ApplyRetention():
            return await manager.retention.apply()
        case c.ReadAudit():
            entries = await read_audit(manager.db, command.session_id, command.before, command.limit)
            return c.AuditPage(tuple(entries))
        case _:
            assert_never(command)

"""Carries out the commands of `api/administering.py`."""

from typing import assert_never

import api as c
from service.parts import ServiceParts
from service.retention_report import retention_report
from service.statistics import read_statistics
from service.usage_rows import read_audit


async def administer(parts: ServiceParts, command: c.AdministeringCommand) -> object:
    """Carry out `command` and return its reply. Raises no errors of its own."""
    manager = parts.manager
    match command:
        case c.ClearAll():
            cleared = await manager.clear_all_sessions()
            return c.ClearReport(
                tuple(c.ClearedSession(each.session_id, each.had_process, each.trouble) for each in cleared)
            )
        case c.ReadStatistics():
            return await read_statistics(manager, command)
        case c.PlanRetention():
            return retention_report(await manager.retention.plan(), applied=False)
        case c.ApplyRetention():
            return retention_report(await manager.retention.apply(), applied=True)
        case c.ReadAudit():
            entries = await read_audit(manager.db, command.session_id, command.before, command.limit)
            return c.AuditPage(tuple(entries))
        case _:
            assert_never(command)

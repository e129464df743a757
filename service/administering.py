"""Carries out the commands of `api/administering.py`."""

from typing import assert_never

from msgspec.structs import replace

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
            return replace(
                await read_statistics(manager, command),
                user_processes=manager.policy.limits.max_sessions_per_user,
                user_turns_per_hour=parts.budget.turns_per_hour,
                user_dollars_per_day=parts.budget.dollars_per_day,
            )
        case c.PlanRetention():
            return retention_report(await manager.retention.plan(), applied=False)
        case c.ApplyRetention():
            return retention_report(await manager.retention.apply(), applied=True)
        case c.ReadAudit():
            entries = await read_audit(manager.db, command.session_id, command.before, command.limit)
            return c.AuditPage(tuple(entries))
        case _:
            assert_never(command)

"""Routes for admins: figures, audit, clean-up, the emergency stop."""

from collections.abc import Sequence

import msgspec

import api as c
from web.principals import Scope
from web.routing import Call, Count, Most, Route


class StatisticsQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Since when, in milliseconds since 1970, and by what: day, user, session or nothing."""

    since_ms: Count = 0
    group_by: c.GroupBy | None = None


class AuditQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """`before` asks for entries older than that id."""

    session_id: str = ""
    before: Count | None = None
    limit: Most = 50


async def read_statistics(call: Call) -> c.Statistics:
    """Read counts and sums over all sessions."""
    query: StatisticsQuery = call.query
    return await call.perform(c.ReadStatistics(since_ms=query.since_ms, group_by=query.group_by))


async def read_audit(call: Call) -> c.AuditPage:
    """Read the audit, newest first."""
    query: AuditQuery = call.query
    return await call.perform(c.ReadAudit(session_id=query.session_id, before=query.before, limit=query.limit))


async def plan_cleanup(call: Call) -> c.RetentionReport:
    """Report what the rules would clean up now; change nothing."""
    return await call.perform(c.PlanRetention())


async def apply_cleanup(call: Call) -> c.RetentionReport:
    """Clean up what is due. A deleted session cannot be restored."""
    call.check_fresh()
    return await call.perform(c.ApplyRetention())


async def stop_all(call: Call) -> c.ClearReport:
    """Emergency: end every process within ten seconds and clear its session."""
    return await call.perform(c.ClearAll())


ROUTES: Sequence[Route] = (
    Route("GET", "/api/stats", read_statistics, Scope.ADMIN, query=StatisticsQuery, reply=c.Statistics),
    Route("GET", "/api/audit", read_audit, Scope.ADMIN, query=AuditQuery, reply=c.AuditPage),
    Route("GET", "/api/cleanup", plan_cleanup, Scope.ADMIN, reply=c.RetentionReport),
    Route("POST", "/api/cleanup", apply_cleanup, Scope.ADMIN, reply=c.RetentionReport),
    Route("POST", "/api/stop-all", stop_all, Scope.ADMIN, reply=c.ClearReport),
)

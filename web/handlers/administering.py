"""Routes for admins: figures, audit, clean-up, the emergency stop."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from aiohttp import web

import api as c
from web.forms import form_key, read_form
from web.page_routes import form_route, lead_to, page_response, page_route
from web.pages.cleanup_page import cleanup_page, rule_of
from web.principals import Scope
from web.problems import Refused
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
    # What is deleted cannot be brought back, so a cookie that somebody else got hold of is not enough.
    call.check_fresh()
    return await call.perform(c.ApplyRetention())


class AppliedRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A rule, and the sessions of its plan."""

    rule: c.CleanupRule
    session_ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)]


async def plan_rule(call: Call) -> c.RetentionReport:
    """Report what a rule of yours would clean up now; change nothing."""
    return await call.perform(c.PlanCleanup(rule=call.body))


async def apply_rule(call: Call) -> c.RetentionReport:
    """Clean up those sessions of a plan to which its rule still applies."""
    wish: AppliedRule = call.body
    # An archived session can be brought back, a deleted one not.
    call.check_fresh(wish.rule.verb is c.RetentionVerb.DELETE)
    return await call.perform(c.ApplyCleanup(rule=wish.rule, session_ids=wish.session_ids))


async def list_rules(call: Call) -> c.CleanupRules:
    """List your clean-up rules that run each day; an admin gets everybody's."""
    return await call.perform(c.ListCleanupRules())


async def save_rule(call: Call) -> c.DailyCleanupRule:
    """Let a rule run each day, first after a day. The same rule saved twice is one."""
    return await _save(call, call.body, "")


async def change_rule(call: Call) -> c.DailyCleanupRule:
    """Replace a rule of yours that runs each day."""
    return await _save(call, call.body, call.place("rule_id"))


async def _save(call: Call, rule: c.CleanupRule, rule_id: str) -> c.DailyCleanupRule:
    call.check_fresh(rule.verb is c.RetentionVerb.DELETE)
    return await call.perform(c.SaveCleanupRule(rule=rule, daily_id=rule_id))


async def delete_rule(call: Call) -> c.Nothing:
    """Delete a rule that runs each day. Sessions that it removed stay removed."""
    return await call.perform(c.DeleteCleanupRule(daily_id=call.place("rule_id")))


async def keep_by_form(call: Call) -> web.Response:
    """Keep the rule of the page, or remove one, and show the rules."""
    form = await read_form(call.request)
    # Looked at, and not used: the same rule twice is one rule.
    form_key(form)
    if form.get("act") == "remove":
        await call.perform(c.DeleteCleanupRule(daily_id=form.get("rule", "")))
    else:
        rule = rule_of(form)
        if rule is None:
            raise Refused(400, "wrong_form", "Load the page anew, then try again.")
        await _save(call, rule, form.get("rule", ""))
    return lead_to(call, "/cleanup")


async def show_cleanup(call: Call) -> web.Response:
    """Show what a rule would clean up."""
    query = call.request.query
    html = await cleanup_page(call.parts, call.actor, rule_of(query), changes=query.get("rule", ""))
    return page_response(html)


async def clean_by_form(call: Call) -> web.Response:
    """Clean up what the page showed, and show what is left."""
    form = await read_form(call.request)
    form_key(form)
    rule = rule_of(form)
    if rule is None:
        raise Refused(400, "wrong_form", "Load the page anew, then try again.")
    call.check_fresh(rule.verb is c.RetentionVerb.DELETE)
    # The ids that the page showed, not the rule alone: sessions that became old since were seen by nobody.
    # At most as many as the API takes.
    done = await call.perform(c.ApplyCleanup(rule=rule, session_ids=tuple(form.get("ids", "").split())[:500]))
    html = await cleanup_page(call.parts, call.actor, rule, done)
    return page_response(html)


async def stop_all(call: Call) -> c.ClearReport:
    """Emergency: end every process within ten seconds and clear its session."""
    return await call.perform(c.ClearAll())


_RULES = "/api/cleanup/rules"
_RULE = f"{_RULES}/{{rule_id}}"
ROUTES: Sequence[Route] = (
    Route("GET", "/api/stats", read_statistics, Scope.ADMIN, query=StatisticsQuery, reply=c.Statistics),
    Route("GET", "/api/audit", read_audit, Scope.ADMIN, query=AuditQuery, reply=c.AuditPage),
    Route("GET", "/api/cleanup", plan_cleanup, Scope.ADMIN, reply=c.RetentionReport),
    Route("POST", "/api/cleanup", apply_cleanup, Scope.ADMIN, reply=c.RetentionReport),
    # A POST because a rule does not fit into an address. It changes nothing, so READ is enough.
    Route("POST", "/api/cleanup/plan", plan_rule, Scope.READ, c.CleanupRule, reply=c.RetentionReport),
    Route("POST", "/api/cleanup/apply", apply_rule, Scope.OPERATE, AppliedRule, reply=c.RetentionReport),
    Route("GET", _RULES, list_rules, reply=c.CleanupRules),
    Route("POST", _RULES, save_rule, Scope.OPERATE, c.CleanupRule, reply=c.DailyCleanupRule, status=201),
    Route("PUT", _RULE, change_rule, Scope.OPERATE, c.CleanupRule, reply=c.DailyCleanupRule),
    Route("DELETE", _RULE, delete_rule, Scope.OPERATE),
    form_route("/cleanup/rules", keep_by_form),
    page_route("/cleanup", show_cleanup),
    form_route("/cleanup", clean_by_form),
    Route("POST", "/api/stop-all", stop_all, Scope.ADMIN, reply=c.ClearReport),
)

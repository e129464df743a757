"""Carries out the commands of `api/cleaning.py`."""

from collections.abc import Collection
from typing import assert_never

import api as c
from api.access import Action, Actor, Role, authorize
from service.parts import ServiceParts
from service.retention_report import retention_report
from sessions.model import Lifecycle
from sessions.retention import MAX_SIZED, Due, Removals
from sessions.retention_rows import Wanted, load_wanted

_DAY_MS = 86_400_000
_STATES = {
    c.RetentionVerb.ARCHIVE: (Lifecycle.PARKED, Lifecycle.FAILED),
    # Never an active one: a deletion takes two steps, and the first can be taken back.
    c.RetentionVerb.DELETE: (Lifecycle.ENDED,),
}


async def clean(parts: ServiceParts, actor: Actor, command: c.CleaningCommand) -> c.RetentionReport:
    """Return the plan for a rule, or carry the rule out. Raises `NotAllowed` for sessions of others."""
    if not command.rule.only_mine and actor.role is not Role.ADMIN:
        authorize(actor, Action.ADMINISTER)
    match command:
        case c.PlanCleanup():
            due = await _due(parts, actor, command.rule)
            return retention_report(_removals(command.rule, due), applied=False)
        case c.ApplyCleanup():
            # Only those that the plan showed: others may be due by now.
            due = await _due(parts, actor, command.rule, set(command.session_ids))
            is_archive = command.rule.verb is c.RetentionVerb.ARCHIVE
            done = await parts.manager.retention.remove(due, archive=is_archive)
            return retention_report(_removals(command.rule, done), applied=True)
        case _:
            assert_never(command)


def _removals(rule: c.CleanupRule, due: list[Due]) -> Removals:
    return Removals(tuple(due), ()) if rule.verb is c.RetentionVerb.ARCHIVE else Removals((), tuple(due))


async def _due(
    parts: ServiceParts, actor: Actor, rule: c.CleanupRule, among: Collection[str] | None = None
) -> list[Due]:
    manager = parts.manager
    states = [state for state in _STATES[rule.verb] if not rule.states or state in rule.states]
    wanted = Wanted(
        states=tuple(states),
        before_ms=manager.now_ms() - round(rule.older_than_days * _DAY_MS),
        project=rule.project,
        user_id=actor.user_id if rule.only_mine else "",
    )
    found = await load_wanted(manager.db, wanted, limit=MAX_SIZED, among=among)
    # Sizes come from the disk, so they are looked at for the few that the rows leave.
    sized = [await manager.retention.sized(each) for each in found]
    days = f"no activity for {rule.older_than_days:g} days"
    size = f", larger than {rule.larger_than_mb:g} MB" if rule.larger_than_mb else ""
    large = [each for each in sized if each.size_bytes >= rule.larger_than_mb * 2**20]
    return [Due(each, f"{days}{size}") for each in large]

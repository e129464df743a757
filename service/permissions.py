"""Carries out the commands of `api/permissions.py`."""

from typing import assert_never

import api as c
from api.access import Action, Actor, Role
from service.parts import ServiceParts
from sessions import rows
from sessions.errors import NotAllowed, RuleNotFound
from sessions.model import RuleScope
from sessions.permission_rules import rule_words
from sessions.rule_keeping import rules_of, tell_rules
from sessions.session import Session
from sessions.stored import StoredRule


async def rule(parts: ServiceParts, session: Session, actor: Actor, command: c.PermissionsCommand) -> object:
    """Carry out `command` and return its reply. Raises `NotAllowed`, `RuleNotFound` as its docstring says."""
    match command:
        case c.ReadPermissions():
            return c.PermissionRules(tuple(_shown(session, each) for each in await rules_of(session)))
        case c.TakeBackPermission():
            await _take_back(parts, session, actor, command.rule_id)
        case c.HoldForAll():
            await _hold_for_all(parts, session, command)
        case _:
            assert_never(command)
    return c.Nothing()


def _shown(session: Session, stored: StoredRule) -> c.PermissionRule:
    return c.PermissionRule(
        id=stored.id,
        scope=stored.scope,
        words=rule_words(stored.rule, session.snapshot.work_directory),
        given_by=stored.given_by,
        given_ms=stored.given_ms,
        for_all=stored.for_all,
    )


async def _take_back(parts: ServiceParts, session: Session, actor: Actor, rule_id: int) -> None:
    stored = await _find(session, rule_id)
    if stored is None:
        return
    is_own = stored.scope is RuleScope.SESSION or stored.given_by == actor.user_id
    if not is_own and actor.role is not Role.ADMIN:
        raise NotAllowed(Action.MANAGE)
    # The processes are told first: after a crash in between, the rule is still listed and can be taken back.
    if stored.scope is RuleScope.SESSION:
        await tell_rules(session, without=rule_id)
    else:
        await parts.manager.tell_rules(stored.work_directory, without=rule_id)
    await parts.manager.db.write([rows.delete_rule(rule_id)])


async def _hold_for_all(parts: ServiceParts, session: Session, command: c.HoldForAll) -> None:
    stored = await _find(session, command.rule_id)
    if stored is None or stored.scope is not RuleScope.PROJECT:
        raise RuleNotFound(command.rule_id)
    # The row first: the processes are told the rules that are stored.
    await parts.manager.db.write([rows.update_rule_for_all(stored.id, for_all=command.for_all)])
    await parts.manager.tell_rules(stored.work_directory)


async def _find(session: Session, rule_id: int) -> StoredRule | None:
    return next((each for each in await rules_of(session) if each.id == rule_id), None)

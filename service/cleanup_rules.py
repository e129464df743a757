"""Clean-up rules that run each day: keeps them, and runs those that are due in the name of their persons.

A run goes through `Core.perform` like a person's own clean-up: rights are asked then, and it is audited.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

import msgspec

import api as c
from api.access import Action, Actor, Role, authorize
from service.parts import ServiceParts
from sessions.errors import CleanupRuleNotFound, CleanupRuleRefused, NotAllowed, SessionError
from sessions.rows.cleanup_rules import (
    StoredCleanupRule,
    cleanup_rule_ran,
    cleanup_rule_waits,
    delete_cleanup_rule,
    load_cleanup_rules,
    load_due_cleanup_rules,
    upsert_cleanup_rule,
)
from storage import StorageError, UuidMaker

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
MOST_RULES = 20
_ID_CHARS = 8
_ids = UuidMaker()

WhoIs = Callable[[str], Awaitable[Actor]]
"""Return a person with the present role. Raises `SessionError` if nobody can tell it now."""


async def keep_rules(parts: ServiceParts, actor: Actor, command: c.CleanupRulesCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring names."""
    db = parts.manager.db
    match command:
        case c.ListCleanupRules():
            owner = "" if actor.role is Role.ADMIN else actor.user_id
            return c.CleanupRules(tuple(_shown(each) for each in await load_cleanup_rules(db, owner)))
        case c.SaveCleanupRule():
            return await _save(parts, actor, command)
        case c.DeleteCleanupRule():
            found = await _find(parts, actor, command.daily_id)
            await db.write([delete_cleanup_rule(found.id)])
            return c.Nothing()
        case _:
            assert_never(command)


async def run_due_rules(parts: ServiceParts, core: c.Core, who: WhoIs) -> int:
    """Run the rules that are due, each in the name of its person; return the number of sessions removed.

    A rule whose person lost the right removes nothing, says so, and is tried again the next day. If nobody can
    tell the person's role now, the rule stays due.
    """
    db, removed = parts.manager.db, 0
    for stored in await load_due_cleanup_rules(db, parts.manager.now_ms()):
        try:
            actor = await who(stored.user_id)
        except SessionError as error:
            # Still due: a role that Discord cannot tell now is not a right that was lost.
            await db.write([cleanup_rule_waits(stored.id, str(error))])
            continue
        count, trouble = 0, ""
        try:
            count = await _run(core, actor, _rule_of(stored))
        # Rights as of now decide: a person who lost the right to a session removes nothing by an old rule.
        except NotAllowed:
            trouble = "Nothing was removed: its person may not clean up these sessions any more."
        except (SessionError, StorageError) as error:
            trouble = str(error)
        except Exception:
            # It would be due first at every round, and no other rule would ever run.
            log.exception("clean-up rule failed", extra={"rule": stored.id})
            trouble = "It failed; the log says why."
        now_ms = parts.manager.now_ms()
        await db.write([cleanup_rule_ran(stored.id, now_ms, now_ms + DAY_MS, count, trouble)])
        log.info("clean-up rule", extra={"rule": stored.id, "removed": count, "failed": bool(trouble)})
        removed += count
    return removed


async def _run(core: c.Core, actor: Actor, rule: c.CleanupRule) -> int:
    plan = await core.perform(actor, c.PlanCleanup(rule=rule))
    if not plan.steps:
        return 0
    session_ids = tuple(step.session_id for step in plan.steps)
    done = await core.perform(actor, c.ApplyCleanup(rule=rule, session_ids=session_ids))
    return done.archived + done.deleted


async def _save(parts: ServiceParts, actor: Actor, command: c.SaveCleanupRule) -> c.DailyCleanupRule:
    """Store a rule. The same rule twice is one rule, so an act that is sent again makes no second one."""
    if not command.rule.only_mine and actor.role is not Role.ADMIN:
        authorize(actor, Action.ADMINISTER)
    if command.rule.older_than_days < 1:
        raise CleanupRuleRefused("A rule for each day needs at least one day without use.")
    db, now_ms = parts.manager.db, parts.manager.now_ms()
    body = msgspec.json.encode(command.rule).decode()
    mine = await load_cleanup_rules(db, actor.user_id)
    same = next((each for each in mine if each.body == body and command.daily_id in ("", each.id)), None)
    if same is not None:
        return _shown(same)
    if command.daily_id:
        replaced = await _find(parts, actor, command.daily_id)
        rule_id, owner, made_ms = replaced.id, replaced.user_id, replaced.made_ms
        if owner != actor.user_id:
            # Their rule would then do with their rights what somebody else decided.
            raise CleanupRuleRefused("Only its person can change a rule. You can remove it.")
    else:
        if len(mine) >= MOST_RULES:
            raise CleanupRuleRefused(f"There are {MOST_RULES} rules already. Remove one first.")
        # The random end of the id, short enough to be typed.
        rule_id, owner, made_ms = _ids.make().replace("-", "")[-_ID_CHARS:], actor.user_id, now_ms
    stored = StoredCleanupRule(rule_id, owner, body, made_ms, now_ms + DAY_MS)
    await db.write([upsert_cleanup_rule(stored)])
    return _shown(stored)


async def _find(parts: ServiceParts, actor: Actor, rule_id: str) -> StoredCleanupRule:
    owner = "" if actor.role is Role.ADMIN else actor.user_id
    known = await load_cleanup_rules(parts.manager.db, owner)
    found = next((each for each in known if each.id == rule_id), None)
    if found is None:
        raise CleanupRuleNotFound
    return found


def _rule_of(stored: StoredCleanupRule) -> c.CleanupRule:
    return msgspec.json.decode(stored.body, type=c.CleanupRule)


def _shown(stored: StoredCleanupRule) -> c.DailyCleanupRule:
    return c.DailyCleanupRule(
        id=stored.id,
        user_id=stored.user_id,
        rule=_rule_of(stored),
        next_ms=stored.due_ms,
        ran_ms=stored.ran_ms,
        removed=stored.removed,
        trouble=stored.trouble,
    )

"""Parses `/cleanup`: what a rule would clean up, and the rules that run each day. Pure."""

import msgspec

import api as c
from api.words.cleanup import last_run_words, plan_lines, rule_words
from console.core_commands import NotUnderstood, OfBridge

GUIDE = {
    "/cleanup": "list your clean-up rules that run each day",
    "/cleanup delete DAYS [PROJECT]": "show which unused sessions a rule would delete; or: archive",
    "/cleanup daily delete DAYS": "let that rule run each day; with a project, too",
    "/cleanup drop ID": "remove a rule",
}
NAMES = frozenset({"cleanup"})
_HOW = "Say it like this: /cleanup delete 30 [PROJECT], /cleanup daily delete 30 [PROJECT], /cleanup drop ID."


def parse_cleanup(rest: str) -> OfBridge | NotUnderstood:
    """Return the meaning of `/cleanup` with the words `rest`."""
    match rest.split(maxsplit=3):
        case []:
            return OfBridge(c.ListCleanupRules(), _rules)
        case ["drop", rule_id]:
            return OfBridge(c.DeleteCleanupRule(daily_id=rule_id), lambda _: "The rule is removed.")
        case ["daily", verb, days, *project]:
            rule = _rule(verb, days, " ".join(project))
            return OfBridge(c.SaveCleanupRule(rule=rule), _kept) if rule is not None else NotUnderstood(_HOW)
        case [verb, days, *project]:
            rule = _rule(verb, days, " ".join(project))
            if rule is None:
                return NotUnderstood(_HOW)
            return OfBridge(c.PlanCleanup(rule=rule), lambda plan: "\n".join(plan_lines(plan)))
        case _:
            return NotUnderstood(_HOW)


def _rule(verb: str, days: str, project: str) -> c.CleanupRule | None:
    try:
        # Checked by the type of the API, so that the terminal and the browser refuse the same rules.
        facts = {"verb": verb, "olderThanDays": days, "project": project}
        return msgspec.convert(facts, c.CleanupRule, strict=False)
    except msgspec.ValidationError:
        return None


def _rules(found: c.CleanupRules) -> str:
    lines = [f"{each.id}  {rule_words(each.rule)}. {last_run_words(each)}" for each in found.rules]
    return "\n".join(lines) or "There are no rules yet. /cleanup daily delete 30 keeps one."


def _kept(daily: c.DailyCleanupRule) -> str:
    return f"{daily.id}  {rule_words(daily.rule)}. It runs each day, first in a day."

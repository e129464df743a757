"""The ephemeral card of `/settings permissions`: the rules that hold here, and who gave them. Pure."""

from collections.abc import Sequence

from api import PermissionRule, PermissionRules, SessionInfo
from bot.bodies import Card, Control, Option, Row, Select, Verb
from bot.markdown.cards import escape_inline, one_line
from bot.wording import counted, moment, person
from sessions.model import RuleScope

_MOST_LISTED = 25
"""A select of Discord has at most so many options."""
_NOTHING = "Nothing yet. *Allow for session* and *Always* on a question of Claude's add to this list."


def permissions_card(info: SessionInfo, found: PermissionRules, *, is_admin: bool) -> Card:
    """Return the newest rules and a select that takes one back. Admins can let a rule hold for everybody."""
    if not found.rules:
        return Card(("**What Claude need not ask for here**", _NOTHING))
    # Rules come oldest first.
    rules = found.rules[-_MOST_LISTED:]
    lines = [_line(number, rule) for number, rule in enumerate(rules, 1)]
    if len(found.rules) > len(rules):
        older = counted(len(found.rules) - len(rules), "older one")
        lines.append(f"-# And {older}: take some of these back to see more.")
    rows: list[Row] = [_choice(info, Verb.TAKE_BACK, "Take back …", rules)]
    of_project = [rule for rule in rules if rule.scope is RuleScope.PROJECT and not rule.for_all]
    if is_admin and of_project:
        rows.append(_choice(info, Verb.HOLD_FOR_ALL, "Let it hold for everybody in this project …", of_project))
    return Card(("**What Claude need not ask for here**", "\n".join(lines)), tuple(rows))


def _line(number: int, rule: PermissionRule) -> str:
    return (
        f"{number}. {escape_inline(rule.words, 100)}\n"
        f"-# {_place(rule)} · {person(rule.given_by)} · {moment(rule.given_ms)}"
    )


def _place(rule: PermissionRule) -> str:
    match rule.scope, rule.for_all:
        case RuleScope.SESSION, _:
            return "in this session"
        case _, True:
            return "in this project, for everybody"
        case _:
            return "in this project, in their sessions"


def _choice(info: SessionInfo, verb: Verb, words: str, rules: Sequence[PermissionRule]) -> Select:
    options = tuple(Option(one_line(rule.words, 100), str(rule.id), _place(rule)) for rule in rules)
    return Select(Control(verb, info.id, "permissions"), words, options)

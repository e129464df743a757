"""Commands that clean up by a rule of a person: a plan, then the clean-up exactly as planned; or each day."""

from typing import Annotated

import msgspec

from api.access import Action
from api.administering import RetentionReport, RetentionVerb
from api.command import Command, Nothing
from sessions.model import Lifecycle


class CleanupRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The sessions to archive or to delete: those to which every field applies. Pinned ones stay.

    Archiving ends sessions that sleep or failed; deleting is for ended ones. `older_than_days` counts from the
    last activity. Empty `states` and `project` mean any. Only an admin may clean up sessions of others.
    """

    verb: RetentionVerb = RetentionVerb.ARCHIVE
    older_than_days: Annotated[float, msgspec.Meta(ge=0, le=36_500)] = 30
    larger_than_mb: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0
    states: tuple[Lifecycle, ...] = ()
    project: Annotated[str, msgspec.Meta(max_length=200)] = ""
    only_mine: bool = True


class PlanCleanup(Command[RetentionReport], frozen=True, tag="plan_cleanup", kw_only=True):
    """Report the sessions that a rule would clean up now, at most 500, oldest first; change nothing."""

    action = Action.CREATE
    reply = RetentionReport
    audited = False
    rule: CleanupRule


class ApplyCleanup(Command[RetentionReport], frozen=True, tag="apply_cleanup", kw_only=True):
    """Clean up those of `session_ids` to which the rule still applies. A deleted session cannot be restored.

    The ids are those of a plan, so that nothing goes that nobody has seen.
    """

    # Everybody who may make sessions may clean up their own. For sessions of others an admin is asked for.
    action = Action.CREATE
    reply = RetentionReport
    rule: CleanupRule
    session_ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)]


class DailyCleanupRule(msgspec.Struct, frozen=True):
    """A rule that runs once a day in the name of `user_id`, and the outcome of its last run.

    `removed` counts sessions; `trouble` says why nothing was removed, or why it could not run yet.
    """

    id: str
    user_id: str
    rule: CleanupRule
    next_ms: int
    ran_ms: int | None = None
    removed: int = 0
    trouble: str = ""


class CleanupRules(msgspec.Struct, frozen=True):
    """Rules that run each day, oldest first."""

    rules: tuple[DailyCleanupRule, ...]


class ListCleanupRules(Command[CleanupRules], frozen=True, tag="list_cleanup_rules"):
    """Return the actor's rules that run each day; an admin gets everybody's."""

    action = Action.CREATE
    reply = CleanupRules
    audited = False


class SaveCleanupRule(Command[DailyCleanupRule], frozen=True, tag="save_cleanup_rule", kw_only=True):
    """Let a rule run each day, first after a day. With `daily_id` it replaces that rule of the actor.

    Each run has the rights that its person has then; the same rule saved twice is one. Raises
    `CleanupRuleNotFound`, `NotAllowed` for sessions of others, `CleanupRuleRefused` for less than a day or too
    many rules.
    """

    action = Action.CREATE
    reply = DailyCleanupRule
    rule: CleanupRule
    daily_id: str = ""


class DeleteCleanupRule(Command[Nothing], frozen=True, tag="delete_cleanup_rule", kw_only=True):
    """Delete a rule of the actor, or as an admin anybody's. Raises `CleanupRuleNotFound`."""

    action = Action.CREATE
    reply = Nothing
    daily_id: str


CleanupRulesCommand = ListCleanupRules | SaveCleanupRule | DeleteCleanupRule
"""The commands on rules that run each day."""
CleaningCommand = PlanCleanup | ApplyCleanup
"""The commands that clean up once."""

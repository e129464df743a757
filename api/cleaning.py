"""Commands that clean up by a rule of a person: first a plan, then the clean-up exactly as planned."""

from typing import Annotated

import msgspec

from api.access import Action
from api.administering import RetentionReport, RetentionVerb
from api.command import Command
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

    action = Action.CREATE
    reply = RetentionReport
    rule: CleanupRule
    session_ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)]


CleaningCommand = PlanCleanup | ApplyCleanup
"""The commands of this file."""

"""Commands on the permission rules that people gave with "always" or "for this session"."""

import msgspec

from api.access import Action
from api.command import Nothing, SessionCommand
from sessions.model import RuleScope


class PermissionRule(msgspec.Struct, frozen=True):
    """A permission rule that holds in a session: `words` describe it for people.

    If `for_all`, it is a project's rule that holds in everybody's sessions, not only in those of `given_by`.
    """

    id: int
    scope: RuleScope
    words: str
    given_by: str
    given_ms: int
    for_all: bool


class PermissionRules(msgspec.Struct, frozen=True):
    """Rules in the order in which they were given."""

    rules: tuple[PermissionRule, ...]


class ReadPermissions(SessionCommand[PermissionRules], frozen=True, tag="read_permissions", kw_only=True):
    """Return the permission rules that hold in the session, including those of its project."""

    action = Action.VIEW
    reply = PermissionRules
    audited = False


class TakeBackPermission(SessionCommand[Nothing], frozen=True, tag="take_back_permission", kw_only=True):
    """Take a rule back, at once also in running processes. No error if it no longer exists.

    Raises `NotAllowed` for a rule of the project that the actor did not give; an admin may take back any.
    """

    action = Action.MANAGE
    reply = Nothing
    rule_id: int


class HoldForAll(SessionCommand[Nothing], frozen=True, tag="hold_for_all", kw_only=True):
    """Extend a rule of the project to everybody's sessions there, or limit it again to those of its giver.

    Raises `RuleNotFound` if it is not a rule of the session's project.
    """

    # It answers asks in sessions of people who never gave the rule.
    action = Action.ADMINISTER
    reply = Nothing
    rule_id: int
    for_all: bool = True


PermissionsCommand = ReadPermissions | TakeBackPermission | HoldForAll
"""The commands of this file."""

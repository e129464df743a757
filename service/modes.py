"""The rule on permission modes: which actors may choose which mode."""

from api.access import Actor, Role
from sessions.bypass import BypassRule
from sessions.errors import NotAllowed
from sessions.model import PermissionMode


def check_mode(actor: Actor, mode: PermissionMode | None, rule: BypassRule) -> None:
    """Raise `NotAllowed` if `mode` lets Claude do everything without asking and the actor may not choose it."""
    if mode is PermissionMode.BYPASS and not rule.allows(is_admin=actor.role is Role.ADMIN):
        raise NotAllowed("let_Claude_do_everything_without_asking")


def mode_for(actor: Actor, mode: PermissionMode, rule: BypassRule) -> PermissionMode:
    """Return the mode that a branch takes over: never more than its new owner may choose."""
    takes_over = mode is not PermissionMode.BYPASS or rule.allows(is_admin=actor.role is Role.ADMIN)
    return mode if takes_over else PermissionMode.DEFAULT

"""Decide in whose sessions Claude may do everything without asking. Pure.

The rule holds when somebody chooses the mode, and again at each start of a process: the owner may have lost the
role since, and the settings may have changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sessions.model import PermissionMode


class BypassFor(StrEnum):
    """The setting `BYPASS_FOR`: admins; everybody, but only in a sandbox with a limited network; or nobody."""

    ADMINS = "admins"
    SANDBOXED = "sandboxed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class BypassRule:
    """`is_confined`: processes run in bubblewrap with a limited network. `is_admin` judges a user id."""

    who: BypassFor = BypassFor.ADMINS
    is_confined: bool = False
    is_admin: Callable[[str], bool] = lambda _: False

    def allows(self, *, is_admin: bool) -> bool:
        """Whether an admin, or anybody else, may let Claude do everything without asking."""
        match self.who:
            case BypassFor.ADMINS:
                return is_admin
            case BypassFor.SANDBOXED:
                return self.is_confined
            case BypassFor.NONE:
                return False

    def mode_at_launch(self, owner_id: str, mode: PermissionMode) -> PermissionMode:
        """Return the mode that a process of this owner's session starts with."""
        if mode is not PermissionMode.BYPASS or self.allows(is_admin=self.is_admin(owner_id)):
            return mode
        return PermissionMode.DEFAULT

"""Commands on the hosts of the internet that sandboxes of a project may reach (SANDBOX_NETWORK=listed)."""

import msgspec

from api.access import Action
from api.command import SessionCommand
from sessions.model import SiteState


class Site(msgspec.Struct, frozen=True):
    """A host that a sandbox wanted. `decided_by` is empty while nobody has decided."""

    name: str
    state: SiteState
    decided_by: str = ""
    at_ms: int = 0


class Sites(msgspec.Struct, frozen=True):
    """The hosts that sandboxes of a project wanted, those without a decision first."""

    sites: tuple[Site, ...]


class ReadSites(SessionCommand[Sites], frozen=True, tag="read_sites", kw_only=True):
    """Return the hosts that the sandboxes of the session's project wanted, with the decisions on them."""

    action = Action.VIEW
    reply = Sites
    audited = False


class DecideSite(SessionCommand[Sites], frozen=True, tag="decide_site", kw_only=True):
    """Allow or refuse a host that was wanted, for all sessions of the project, from now on.

    Raises `NotAllowed` if only an admin may decide, `SiteUnknown` if no sandbox of the project wanted the host.
    """

    action = Action.MANAGE
    reply = Sites
    name: str
    allow: bool


NetworkCommand = ReadSites | DecideSite
"""The commands of this file."""

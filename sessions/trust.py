"""Decide whether a project is trusted. Pure.

*Closed*: nothing of the project reaches Claude by itself. *Instructions*: its text is read, nothing of it runs
or steers. *Trusted*: everything counts, as in `claude` in a terminal. The project is read before each process
starts. Trust covers only the content that a person saw listed: if that changes, somebody must decide again.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from sessions.claude.project_offer import ProjectOffer
from sessions.model import Trust
from sessions.stored import StoredTrust


class WhoTrusts(StrEnum):
    """The setting `TRUST_PROJECTS`. `all` trusts every project without asking; `none` trusts no project."""

    ASK = "ask"
    OWNER = "owner"
    ALL = "all"
    NONE = "none"


class UserServers(StrEnum):
    """The setting `MCP_SERVERS`: the users in whose sessions the MCP servers of the machine's user run."""

    ADMINS = "admins"
    ALL = "all"
    NONE = "none"


class TrustPolicy(msgspec.Struct, frozen=True):
    """The settings on projects and servers. `is_admin` says whether a user id belongs to an admin."""

    who: WhoTrusts = WhoTrusts.ASK
    servers: UserServers = UserServers.ADMINS
    is_admin: Callable[[str], bool] = lambda _: False

    def user_servers_for(self, owner_id: str) -> bool:
        """Whether the MCP servers of the machine's user run in the sessions of `owner_id`."""
        match self.servers:
            case UserServers.ALL:
                return True
            case UserServers.NONE:
                return False
            case UserServers.ADMINS:
                return self.is_admin(owner_id)


class TrustNow(msgspec.Struct, frozen=True):
    """The trust that a process starts with, and whether a person should decide on the project's content."""

    state: Trust
    is_wanted: bool = False


def trust_now(who: WhoTrusts, stored: StoredTrust | None, offer: ProjectOffer) -> TrustNow:
    """Return the trust in a project that brings `offer` now."""
    # Closing a project holds for all that it brings later. Trust holds for the listed content only.
    if stored is not None and stored.state is Trust.CLOSED:
        return TrustNow(Trust.CLOSED)
    match who:
        case WhoTrusts.ALL:
            return TrustNow(Trust.TRUSTED)
        case WhoTrusts.NONE:
            return TrustNow(Trust.INSTRUCTIONS)
        case WhoTrusts.ASK | WhoTrusts.OWNER:
            if stored is not None and stored.content_hash == offer.content_hash:
                return TrustNow(stored.state)
            return TrustNow(Trust.INSTRUCTIONS, is_wanted=bool(offer.runs))

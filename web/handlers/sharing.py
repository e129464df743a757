"""Routes on the rights in a session: shares, permission rules, the trust in its project."""

from collections.abc import Sequence

import msgspec

import api as c
from sessions.errors import RuleNotFound
from sessions.model import ShareLevel, Trust
from texts.whole_numbers import LARGEST, whole_number
from web.principals import Scope
from web.problems import Refused
from web.routing import Call, Route


class ShareWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The level of a share."""

    level: ShareLevel


class TrustWish(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The new trust; `content_hash` is the list that you saw, from `read_trust`."""

    trust: Trust
    content_hash: str = ""


async def share(call: Call) -> c.Nothing:
    """Share a session with a person or a role, by their id."""
    wish: ShareWish = call.body
    return await call.perform(
        c.Share(session_id=call.session_id, grantee=call.place("grantee"), level=wish.level)
    )


async def take_share_back(call: Call) -> c.Nothing:
    """Take a share back; what the person follows ends within a second."""
    return await call.perform(c.Share(session_id=call.session_id, grantee=call.place("grantee"), level=None))


async def read_permissions(call: Call) -> c.PermissionRules:
    """Read the permission rules that hold in a session."""
    return await call.perform(c.ReadPermissions(session_id=call.session_id))


async def take_permission_back(call: Call) -> c.Nothing:
    """Take a permission rule back, at once."""
    rule = whole_number(call.place("rule_id"), LARGEST)
    if rule is None:
        raise Refused(404, "rule_not_found", "There is no such rule.")
    listed = await call.perform(c.ReadPermissions(session_id=call.session_id))
    if all(each.id != rule for each in listed.rules):
        raise RuleNotFound(rule)
    return await call.perform(c.TakeBackPermission(session_id=call.session_id, rule_id=rule))


async def read_trust(call: Call) -> c.ProjectTrust:
    """Read the trust in a session's project, and what of it would run."""
    return await call.perform(c.ReadTrust(session_id=call.session_id))


async def decide_trust(call: Call) -> c.ProjectTrust:
    """Set the trust in a session's project."""
    wish: TrustWish = call.body
    # Only for more trust: taking it away must not wait for a login.
    call.check_fresh(wish.trust is Trust.TRUSTED)
    return await call.perform(
        c.DecideTrust(session_id=call.session_id, trust=wish.trust, content_hash=wish.content_hash)
    )


_ONE = "/api/sessions/{session_id}"
ROUTES: Sequence[Route] = (
    Route("PUT", f"{_ONE}/shares/{{grantee}}", share, Scope.APPROVE, ShareWish),
    Route("DELETE", f"{_ONE}/shares/{{grantee}}", take_share_back, Scope.APPROVE),
    Route("GET", f"{_ONE}/permissions", read_permissions, reply=c.PermissionRules),
    Route("DELETE", f"{_ONE}/permissions/{{rule_id}}", take_permission_back, Scope.APPROVE),
    Route("GET", f"{_ONE}/trust", read_trust, reply=c.ProjectTrust),
    Route("PUT", f"{_ONE}/trust", decide_trust, Scope.APPROVE, TrustWish, reply=c.ProjectTrust),
)

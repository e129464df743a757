"""The values of a request's sender: a logged-in browser or a program with a token, and what it may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from api.access import Actor

FACE = "web"


class Scope(StrEnum):
    """The kind of act that a token allows. A browser has all scopes; the core still checks the person.

    The order matters: each scope includes the ones before it.
    """

    READ = "read"
    OPERATE = "operate"
    APPROVE = "approve"
    ADMIN = "admin"

    def includes(self, wanted: "Scope") -> bool:
        """Whether this scope allows acts of scope `wanted`."""
        # An enumeration keeps the order of its definition.
        order = list(Scope)
        return order.index(wanted) <= order.index(self)


class DoorKind(StrEnum):
    """The way in: a browser's login, or a token."""

    LOGIN = "login"
    TOKEN = "token"  # noqa: S105 - a word


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request. `id` names the login or token; `since_ms` is when a login began."""

    kind: DoorKind
    id: str
    user_id: str
    scope: Scope
    since_ms: int


class Login(msgspec.Struct, frozen=True, rename="camel"):
    """A browser that is logged in; `browser` is its own description, cut. Times in milliseconds since 1970."""

    id: str
    user_id: str
    browser: str
    made_ms: int
    used_ms: int


class Token(msgspec.Struct, frozen=True, rename="camel"):
    """A token, without its secret. Times in milliseconds since 1970."""

    id: str
    user_id: str
    name: str
    scope: Scope
    made_ms: int
    expires_ms: int
    used_ms: int | None = None


ActorLookup = Callable[[str, bool], Awaitable[Actor]]
"""Return the current actor of a user id (`terminal:ann`, `discord:123`); its role is `nobody` for a stranger.

With True the role is asked for anew, otherwise it may be up to a minute old. May raise any error if it cannot
tell; the request is then refused.
"""

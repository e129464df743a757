"""What every command has: the action that is asked for, and the type of its reply."""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from api.access import Action

R = TypeVar("R")


class Command(msgspec.Struct, Generic[R], frozen=True):
    """Base of all wishes.

    `action` is what `authorize` is asked for; `reply` is the type that comes back. `audited` says whether the
    audit gets a row when it is allowed: False for reading, which changes nothing and of which there is much. A
    refusal is always written down.
    """

    action: ClassVar[Action]
    reply: ClassVar[Any]
    audited: ClassVar[bool] = True


class SessionCommand(Command[R], Generic[R], frozen=True, kw_only=True):
    """A wish about one session. Raises `SessionNotFound` if there is none of that id."""

    session_id: str


class Nothing(msgspec.Struct, frozen=True):
    """Done; there is nothing to say."""

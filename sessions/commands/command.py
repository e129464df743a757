"""What every command has: the action that is asked for, and the type of its reply."""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from sessions.access import Action

R = TypeVar("R")


class Command(msgspec.Struct, Generic[R], frozen=True):
    """Base of all wishes. `action` is what `authorize` is asked for; `reply` is the type that comes back."""

    action: ClassVar[Action]
    reply: ClassVar[Any]


class SessionCommand(Command[R], Generic[R], frozen=True, kw_only=True):
    """A wish about one session. Raises `SessionNotFound` if there is none of that id."""

    session_id: str


class Nothing(msgspec.Struct, frozen=True):
    """Done; there is nothing to say."""

"""The base of all commands: the action to authorize, and the type of the reply."""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from api.access import Action

R = TypeVar("R")


class Command(msgspec.Struct, Generic[R], frozen=True):
    """Base of all commands.

    `authorize` checks `action`; `reply` is the type that comes back. `audited` says whether the audit gets a
    row when the command is allowed. It is False for reading, which is frequent and changes nothing. Every
    refusal is recorded.
    """

    # Class variables: a client must not be able to send them.
    action: ClassVar[Action]
    reply: ClassVar[Any]
    audited: ClassVar[bool] = True


class SessionCommand(Command[R], Generic[R], frozen=True, kw_only=True):
    """A command about one session. Raises `SessionNotFound` if no session has the id."""

    session_id: str


class Nothing(msgspec.Struct, frozen=True):
    """The empty reply: the command was carried out."""

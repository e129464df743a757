"""The ids of sessions, turns and asks, and the base of the values that are stored or sent as JSON.

Ids of users and channels are opaque strings that the face chooses (`discord:…`, `terminal:…`).
"""

from typing import NewType

import msgspec

SessionId = NewType("SessionId", str)
TurnId = NewType("TurnId", str)
AskId = NewType("AskId", str)


class Value(msgspec.Struct, frozen=True):
    """Base of the values that are stored or sent as JSON."""

"""A session as its parts see it: its id, its state, its dependencies, and the one way to change it.

The parts (queue, host, sender, leaving …) take this instead of `Session`, so that imports point one way only.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sessions.dependencies import Dependencies
from sessions.draft import Draft
from sessions.model import SessionId, TurnId
from sessions.state import Snapshot


class SessionPort(Protocol):
    """A session for its parts. `snapshot` may change at each await; `busy` while a change is under way.

    `rewinds_for` is the waiting prompt for which Claude forgets its last answer now: it is not withdrawn.
    """

    rewinds_for: TurnId | None

    @property
    def id(self) -> SessionId: ...

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def around(self) -> Dependencies: ...

    @property
    def busy(self) -> bool: ...

    def change(self, *, new_session: bool = False) -> AbstractAsyncContextManager[Draft]:
        """Put events on a draft; leaving the block commits it. See `Session.change`."""
        ...

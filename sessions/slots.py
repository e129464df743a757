"""Share out processes fairly: a bounded number in all and per user. Pure bookkeeping.

Slots count processes (`Snapshot.holds_slot` and starts that were granted), never labels. The manager asks
`next_step` after every change and carries out what it says.
"""

from collections.abc import Collection, Iterable

import msgspec

from sessions.model import Lifecycle, SessionId
from sessions.parking import may_be_parked
from sessions.state import Snapshot


class Limits(msgspec.Struct, frozen=True):
    """The largest number of processes, in all and per user."""

    max_sessions: int = 10
    max_sessions_per_user: int = 3


class StartOne(msgspec.Struct, frozen=True):
    """Start a process for this session: a place is free."""

    session_id: SessionId


class ParkOne(msgspec.Struct, frozen=True):
    """No place is free. Park this session (idle longest), then call `next_step` again."""

    session_id: SessionId
    for_session: SessionId


class Wait(msgspec.Struct, frozen=True):
    """No step is possible until something changes."""


Step = StartOne | ParkOne | Wait


class SlotQueue:
    """Sessions that wait for a process, in the order in which they get one: round robin over users."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting: list[tuple[SessionId, str]] = []
        # The number of each user's last grant: the one who was served longest ago comes first.
        self._served: dict[str, int] = {}
        self._turn = 0

    def add(self, session_id: SessionId, user_id: str) -> None:
        """Put the session in the queue. No-op if it waits already."""
        if session_id not in self:
            self._waiting.append((session_id, user_id))

    def remove(self, session_id: SessionId) -> None:
        """Take the session out of the queue. No-op if it does not wait."""
        self._waiting = [entry for entry in self._waiting if entry[0] != session_id]

    def served(self, user_id: str) -> None:
        """Note that a user got a process: the other waiting users come first next time."""
        self._turn += 1
        self._served[user_id] = self._turn

    def order(self) -> list[tuple[SessionId, str]]:
        """Return the waiting sessions, next one first. Each user's oldest comes before any user's second."""
        rank: dict[str, int] = {}
        keyed: list[tuple[int, int, int, tuple[SessionId, str]]] = []
        for index, entry in enumerate(self._waiting):
            nth = rank.get(entry[1], 0)
            rank[entry[1]] = nth + 1
            # Sorted by: how many of their own come before it, when its user was served last, when it came.
            keyed.append((nth, self._served.get(entry[1], 0), index, entry))
        return [entry for *_, entry in sorted(keyed, key=lambda each: each[:3])]

    def place(self, session_id: SessionId) -> int | None:
        """Return how many sessions come before this one; None if it does not wait."""
        ids = [waiting for waiting, _ in self.order()]
        return ids.index(session_id) if session_id in ids else None

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session_id: SessionId) -> bool:
        return any(waiting == session_id for waiting, _ in self._waiting)

    def would_help(self, holder: Snapshot, loaded: Iterable[Snapshot], starting: Collection[SessionId]) -> bool:
        """Whether a waiting session could start if `holder` gave its place up."""
        holders = [each for each in loaded if each.holds_slot or each.id in starting]
        for _, user_id in self._waiting:
            own = sum(each.user_id == user_id for each in holders)
            if own >= self.limits.max_sessions_per_user:
                # This user has reached their own limit: only a place of their own helps.
                if holder.user_id == user_id:
                    return True
            elif len(holders) >= self.limits.max_sessions:
                return True
        return False

    def next_step(self, loaded: Iterable[Snapshot], starting: Collection[SessionId]) -> Step:
        """Return the next step, given every session with a process and those whose start was granted."""
        # A granted start counts before its row says so, or one place would be given away twice.
        holders = [each for each in loaded if each.holds_slot or each.id in starting]
        leaving = [each for each in holders if each.lifecycle is Lifecycle.STOPPING]
        for session_id, user_id in self.order():
            own = [each for each in holders if each.user_id == user_id]
            if len(own) >= self.limits.max_sessions_per_user:
                candidates = own
            elif len(holders) >= self.limits.max_sessions:
                candidates = holders
            else:
                return StartOne(session_id)
            freed = next((each for each in candidates if each in leaving), None)
            if freed is not None:
                leaving.remove(freed)  # its place suffices: no need to park another session
                continue
            idle = [each for each in candidates if may_be_parked(each)]
            if idle:
                return ParkOne(min(idle, key=lambda each: each.last_activity_ms).id, session_id)
        return Wait()

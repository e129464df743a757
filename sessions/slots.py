"""Who may have a process: a bounded number in all and per user, given fairly. Pure bookkeeping.

Slots count processes (`Snapshot.holds_slot` and starts that were granted), never labels. The manager asks
`next_step` after every change and carries out what it says.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sessions.model import Lifecycle, SessionId
from sessions.parking import may_be_parked
from sessions.state import Snapshot


@dataclass(frozen=True, slots=True)
class Limits:
    """How many processes there may be."""

    max_sessions: int = 10
    max_sessions_per_user: int = 3


@dataclass(frozen=True, slots=True)
class StartOne:
    """There is room: start a process for this session."""

    session_id: SessionId


@dataclass(frozen=True, slots=True)
class ParkOne:
    """There is none, but this one has been idle longest: park it, and ask again."""

    session_id: SessionId
    for_session: SessionId


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done before something changes."""


Step = StartOne | ParkOne | Wait


class SlotQueue:
    """Sessions that wait for a process, in the order in which they get one: round robin over users."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._waiting: list[tuple[SessionId, str]] = []
        self._served: dict[str, int] = {}
        self._turn = 0

    def add(self, session_id: SessionId, user_id: str) -> None:
        """Let the session wait, once."""
        if session_id not in self:
            self._waiting.append((session_id, user_id))

    def remove(self, session_id: SessionId) -> None:
        """The session waits no more; no-op if it did not."""
        self._waiting = [entry for entry in self._waiting if entry[0] != session_id]

    def served(self, user_id: str) -> None:
        """A user got a process: everybody else who waits comes first next time."""
        self._turn += 1
        self._served[user_id] = self._turn

    def order(self) -> list[tuple[SessionId, str]]:
        """Who waits, next one first: each user's oldest before anybody's second."""
        rank: dict[str, int] = {}
        keyed: list[tuple[int, int, int, tuple[SessionId, str]]] = []
        for index, entry in enumerate(self._waiting):
            nth = rank.get(entry[1], 0)
            rank[entry[1]] = nth + 1
            keyed.append((nth, self._served.get(entry[1], 0), index, entry))
        return [entry for *_, entry in sorted(keyed, key=lambda each: each[:3])]

    def place(self, session_id: SessionId) -> int | None:
        """How many sessions come before this one; None when it does not wait."""
        ids = [waiting for waiting, _ in self.order()]
        return ids.index(session_id) if session_id in ids else None

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session_id: SessionId) -> bool:
        return any(waiting == session_id for waiting, _ in self._waiting)

    def would_help(self, holder: Snapshot, loaded: Iterable[Snapshot], starting: Collection[SessionId]) -> bool:
        """Whether the place of `holder` is one that somebody waits for."""
        holders = [each for each in loaded if each.holds_slot or each.id in starting]
        for _, user_id in self._waiting:
            own = sum(each.user_id == user_id for each in holders)
            if own >= self.limits.max_sessions_per_user:
                if holder.user_id == user_id:
                    return True
            elif len(holders) >= self.limits.max_sessions:
                return True
        return False

    def next_step(self, loaded: Iterable[Snapshot], starting: Collection[SessionId]) -> Step:
        """What to do now, given every session with a process and those whose start was granted."""
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
                leaving.remove(freed)  # its place will do: no need to park another
                continue
            idle = [each for each in candidates if may_be_parked(each)]
            if idle:
                return ParkOne(min(idle, key=lambda each: each.last_activity_ms).id, session_id)
        return Wait()

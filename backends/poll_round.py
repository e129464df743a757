"""Spread polls over time, so that polling many members neither blocks nor fills the event loop.

A round has five slots of 10 ms, 50 ms in all. Members share as few of them as possible, at most 25 a slot: the
loop wakes once for all members of a slot. The round gets more slots if 25 members in each are not enough: 500
members are polled every 200 ms, a thousand every 400 ms.
"""

import math
from collections.abc import Sequence
from typing import Generic, TypeVar

SLOT_S = 0.01
FEWEST_SLOTS = 5
MEMBERS_AT_ONCE = 25

T = TypeVar("T")


class PollRound(Generic[T]):
    """Members, each in one slot, and the number of the next slot."""

    def __init__(self) -> None:
        self._slots: list[set[T]] = [set() for _ in range(FEWEST_SLOTS)]
        self._next = 0

    def add(self, member: T) -> None:
        """Put `member` into the fullest slot that has a place, so that few slots are in use."""
        free = [slot for slot in self._slots if len(slot) < MEMBERS_AT_ONCE]
        if not free:
            free = [set()]
            self._slots += free
        max(free, key=len).add(member)

    def discard(self, member: T) -> None:
        for slot in self._slots:
            slot.discard(member)

    def due(self) -> Sequence[T]:
        """Return the members of the current slot."""
        # A copy: whoever looks at a member may discard it.
        return tuple(self._slots[self._next])

    def advance(self) -> float | None:
        """Go to the next slot with a member. Return the seconds until its turn; None without members."""
        self._shorten()
        count = len(self._slots)
        for step in range(1, count + 1):
            slot = (self._next + step) % count
            if self._slots[slot]:
                self._next = slot
                return step * SLOT_S
        return None

    def _shorten(self) -> None:
        """Spread the members over fewer slots if these are less than half full."""
        count = len(self._slots)
        # Half is the margin: members that come and go around a full slot do not move all the others each time.
        if count == FEWEST_SLOTS or 2 * sum(map(len, self._slots)) >= count * MEMBERS_AT_ONCE:
            return
        members = [member for slot in self._slots for member in slot]
        count = max(FEWEST_SLOTS, math.ceil(len(members) / MEMBERS_AT_ONCE))
        starts = range(0, count * MEMBERS_AT_ONCE, MEMBERS_AT_ONCE)
        self._slots = [set(members[start : start + MEMBERS_AT_ONCE]) for start in starts]
        self._next = 0

"""The reasons for having no process that later steps rest on; all others are words for people only."""

from sessions.model import Lifecycle
from sessions.state import Snapshot

HANDED_OVER = "handed over to a terminal"
"""The reason of a parked session whose conversation may grow outside; waking reads what was said there."""
CLEARED = "cleared"
"""The reason of a session that is being ended for good; a restart finishes that."""


def leaving_target(snapshot: Snapshot) -> Lifecycle | None:
    """Where a session goes that is stopping; None if it is not."""
    if snapshot.lifecycle is not Lifecycle.STOPPING:
        return None
    return Lifecycle.ENDED if snapshot.reason == CLEARED else Lifecycle.PARKED


def ends_a_park(snapshot: Snapshot, target: Lifecycle) -> bool:
    """Whether `target` ends for good what so far is stored as being parked only."""
    return target is Lifecycle.ENDED and leaving_target(snapshot) is Lifecycle.PARKED

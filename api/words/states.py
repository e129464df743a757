"""Short names for a session's state: one for each state that a person can tell apart."""

from enum import StrEnum
from typing import assert_never

from sessions.model import Activity, Blocker, Lifecycle


class State(StrEnum):
    """Lifecycle, activity and blocker as one; the value is the name that faces show."""

    QUEUED = "waiting for a place"
    STARTING = "starting"
    READY = "ready"
    WORKING = "working"
    ASKING = "waiting for an answer"
    NO_LOGIN = "Claude is not logged in"
    USAGE_LIMIT = "usage limit reached"
    RETRYING = "trying again"
    NO_PROGRESS = "no sign of life"
    BLOCKED = "blocked"
    ASLEEP = "asleep"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"


_OF_BLOCKER = {
    None: State.BLOCKED,
    Blocker.AUTH: State.NO_LOGIN,
    Blocker.USAGE_LIMIT: State.USAGE_LIMIT,
    Blocker.RETRYING: State.RETRYING,
    Blocker.NO_PROGRESS: State.NO_PROGRESS,
}


def state_of(lifecycle: Lifecycle, activity: Activity, blocker: Blocker | None) -> State:
    """Return the state of a session; activity and blocker count only while it is live."""
    match lifecycle:
        case Lifecycle.QUEUED:
            return State.QUEUED
        case Lifecycle.STARTING:
            return State.STARTING
        case Lifecycle.PARKED:
            return State.ASLEEP
        case Lifecycle.STOPPING:
            return State.STOPPING
        case Lifecycle.ENDED:
            return State.ENDED
        case Lifecycle.FAILED:
            return State.FAILED
        case Lifecycle.LIVE:
            return _live(activity, blocker)
        case _:
            assert_never(lifecycle)


def _live(activity: Activity, blocker: Blocker | None) -> State:
    match activity:
        case Activity.IDLE:
            return State.READY
        case Activity.WORKING:
            return State.WORKING
        case Activity.ASKING:
            return State.ASKING
        case Activity.BLOCKED:
            return _OF_BLOCKER[blocker]
        case _:
            assert_never(activity)

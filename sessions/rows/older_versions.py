"""Convert rows of older versions to the present form.

Until ADR 24, only the words of a move to `stopping` said where it leads; a hand-over was one of these words.
"""

from msgspec.structs import replace

from sessions import events as e
from sessions.model import Lifecycle
from sessions.state import Snapshot

# Exactly as those versions stored them: these words must never be changed.
_CLEARED = "cleared"
_ARCHIVED = "archived: nobody used it for long"
_HANDED_OVER = "handed over to a terminal"


def modern_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return `snapshot` with the fields that older versions expressed only in its reason."""
    if snapshot.lifecycle is Lifecycle.STOPPING and snapshot.leads_to is None:
        snapshot = replace(snapshot, leads_to=_leads_to(snapshot.reason))
    parked = snapshot.lifecycle in (Lifecycle.STOPPING, Lifecycle.PARKED)
    if parked and snapshot.reason == _HANDED_OVER and not snapshot.handed_over:
        snapshot = replace(snapshot, handed_over=True)
    return snapshot


def modern_event(event: e.Event) -> e.Event:
    """Return `event` with the fields that older versions expressed only in its cause."""
    if not isinstance(event, e.LifecycleChanged):
        return event
    if event.new is Lifecycle.STOPPING and event.leads_to is None:
        event = replace(event, leads_to=_leads_to(event.cause))
    parked = event.new in (Lifecycle.STOPPING, Lifecycle.PARKED)
    if parked and event.cause == _HANDED_OVER and not event.handed_over:
        event = replace(event, handed_over=True)
    return event


def _leads_to(words: str) -> Lifecycle:
    return Lifecycle.ENDED if words in (_CLEARED, _ARCHIVED) else Lifecycle.PARKED

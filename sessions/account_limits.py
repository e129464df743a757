"""The usage limits that one login has reached, shared by all its sessions so that none sends in vain.

A limit belongs to the account, and some limits to a family of models: a session that reaches one informs the
others. The knowledge is a guess. A request sent in spite of it corrects it: the limit still holds, or is over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from sessions import events as e
from sessions.model import Activity, Blocker, Payer, TurnStatus
from sessions.state import Snapshot
from sessions.topics import Topic
from sessions.troubles import Limit, LimitState, LimitWindow
from sessions.usage_limits import blocks

UNKNOWN_MS = 15 * 60 * 1000
"""A limit without an opening time counts as open again after this long."""

_SHORTEST_MS = 60 * 1000


class _Learned(msgspec.Struct, frozen=True):
    limit: Limit
    at_ms: int


@dataclass(slots=True)
class AccountLimits:
    """The limits reached at present. Calls `changed` whenever a limit is added, altered or forgotten."""

    changed: Callable[[], None] = lambda: None
    _reached: dict[tuple[LimitWindow, str], _Learned] = field(default_factory=dict)

    def heed(self, events: Sequence[e.Numbered]) -> None:
        """Learn from a session's stored events."""
        for each in events:
            match each.event:
                case e.ActivityChanged(limit=Limit(state=LimitState.REACHED) as limit):
                    self.learn(_ahead(limit, each.at_ms), each.at_ms)
                case e.Noticed(limit=Limit(state=LimitState.EXTRA_USAGE) as limit):
                    self._forget([(limit.window, limit.family)])
                case e.TurnEnded(status=TurnStatus.DONE, payer=Payer.LOGIN, model=model, duration_ms=took_ms):
                    self._served(model, each.at_ms - took_ms)
                case _:
                    pass

    def learn(self, limit: Limit, at_ms: int) -> None:
        """Record that `limit` was reached at `at_ms`."""
        known = limit if limit.until_ms is not None else replace(limit, until_ms=at_ms + UNKNOWN_MS)
        before = self._reached.get((limit.window, limit.family))
        self._reached[limit.window, limit.family] = _Learned(known, at_ms)
        # Each call wakes every session, and each of them may meet the same limit.
        if before is None or before.limit != known:
            self.changed()

    def blocking(self, snapshot: Snapshot, now_ms: int) -> Limit | None:
        """Return the limit that keeps the session's model from answering now. Of several, the longest."""
        # The payer is known from the first turn on. Until then, the session is taken to use the shared login.
        # A session that has reached a limit itself is held back, whatever its payer.
        is_another = snapshot.conversation_begun and snapshot.payer is not Payer.LOGIN
        if is_another and snapshot.limit is None:
            return None
        return self.blocking_model(snapshot.model, now_ms)

    def blocking_model(self, model: str, now_ms: int) -> Limit | None:
        """Return the limit that keeps `model` from answering now. Of several, the longest."""
        found = [
            each.limit
            for each in self._reached.values()
            if blocks(each.limit, model) and now_ms < (each.limit.until_ms or 0)
        ]
        return max(found, key=lambda limit: limit.until_ms or 0, default=None)

    def _served(self, model: str, since_ms: int) -> None:
        """Forget the limits reached before `since_ms`: a turn that began then was served."""
        self._forget(
            [key for key, each in self._reached.items() if each.at_ms < since_ms and blocks(each.limit, model)]
        )

    def _forget(self, keys: Sequence[tuple[LimitWindow, str]]) -> None:
        known = [key for key in keys if key in self._reached]
        for key in known:
            del self._reached[key]
        if known:
            self.changed()


def _ahead(limit: Limit, at_ms: int) -> Limit:
    """Return `limit` with a time after `at_ms`: by a clock that differs, a limit met now seems over already."""
    is_past = limit.until_ms is not None and limit.until_ms <= at_ms
    return replace(limit, until_ms=at_ms + _SHORTEST_MS) if is_past else limit


def limit_events(snapshot: Snapshot, limit: Limit | None, now_ms: int) -> list[e.Event]:
    """Return the events for a session between two turns, if `limit` (or no limit) blocks its model. Pure."""
    held = snapshot.blocker is Blocker.USAGE_LIMIT
    if snapshot.current is not None:
        return []
    if limit is None:
        # Rows of an older version hold only the time, not the limit.
        waits = held and snapshot.limit is None and now_ms < snapshot.limit_until_ms
        cause = "the usage limit is over"
        return [e.ActivityChanged(Activity.BLOCKED, Activity.IDLE, cause)] if held and not waits else []
    if held and snapshot.limit == limit:
        return []
    if not held and not (snapshot.is_idle and snapshot.queue):
        return []
    blocked = e.ActivityChanged(
        snapshot.activity, Activity.BLOCKED, "a usage limit is reached", Blocker.USAGE_LIMIT, limit=limit
    )
    notice = e.Noticed(Topic.USAGE_LIMIT, until_ms=limit.until_ms, limit=limit)
    return [blocked] if held else [blocked, notice]

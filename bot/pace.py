"""Plan the edits of one channel within the bucket in which Discord counts them.

Answers for how soon growing text is shown again, and for the places kept free: the end of an answer and an ask
never wait for a place. Knows only what is left of the bucket. Leaves the sending to `pump.py`, and the limit
that all channels share to `traffic.py`.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial

import msgspec

from bot.traffic import Traffic, Urgency

_FIRST_EDITS = 2  # people look at an answer when it begins
_FOR_THE_END = 1
"""Edits of each window that stay free for the end of an answer and for asks."""
_FOR_THE_TEXT = 2
"""Further edits that stay free for text while it grows."""
_GOES_ON_S = 5.0
"""Text counts as growing for so long after it was shown."""
_AFTER_RESET_S = 0.01  # the window's end is known only to within the time that an answer travels
_MOST_KEPT = 1_000


class Change(Enum):
    """The kinds of change; Discord counts each in a bucket of its own."""

    CREATE = "create"
    EDIT = "edit"


class Window(msgspec.Struct, frozen=True):
    """The rest of a bucket: `left` requests in the next `resets_in_s` seconds, then all of them again."""

    left: int
    resets_in_s: float


class Pace(msgspec.Struct, frozen=True):
    """Seconds between two edits of growing text, between its first edits, and between typing signs."""

    edit_s: float = 1.25
    first_edits_s: float = 1.0
    typing_s: float = 7.5


class ChannelPace:
    """The pace of one channel. `window` returns the rest of a bucket, or None if a new window begins."""

    def __init__(self, pace: Pace, traffic: Traffic, window: Callable[[Change], Window | None]) -> None:
        self.pace = pace
        self._traffic = traffic
        self._window = window
        self._shown_at = float("-inf")
        self._quick = _FIRST_EDITS
        self._grows_until = float("-inf")

    def text_is_shown(self, at: float) -> None:
        """Note that growing text was brought up to date, starting at `at`."""
        # After a pause the text counts as new, so that its first words come soon.
        rested = at - self._shown_at > 2 * self.pace.edit_s
        self._quick = _FIRST_EDITS if rested else max(0, self._quick - 1)
        self._shown_at, self._grows_until = at, at + _GOES_ON_S

    def text_has_ended(self) -> None:
        """Note that no text grows now: cards may use its places, and the next text is shown at once."""
        # Otherwise the next answer's first words would wait for the interval of the last one.
        self._shown_at = self._grows_until = float("-inf")

    def text_at(self, now: float) -> float:
        """Return the time when growing text may be brought up to date next."""
        window = self._window(Change.EDIT)
        spare = window.left - _FOR_THE_END if window is not None else None
        # The first edits come sooner, if enough places are left for later ones.
        quick = self._quick > 0 and (spare is None or spare > _FOR_THE_TEXT)
        at = self._shown_at + self._traffic.stretched(self.pace.first_edits_s if quick else self.pace.edit_s)
        if window is None or spare is None:
            return at
        reset_at = now + window.resets_in_s + _AFTER_RESET_S
        # The last place is for the end: if text took it, the end would have to wait for the next window.
        if spare <= 0:
            return max(at, reset_at)
        if quick or self._shown_at == float("-inf"):
            return at
        # Spread the remaining places over the window, so that the text never stands still for long.
        return max(at, self._shown_at + (reset_at - self._shown_at) / (spare + 1))

    def place_at(self, change: Change, urgency: Urgency, now: float) -> float:
        """Return when a change of this urgency has a place in its bucket; minus infinity if it has one now."""
        window = self._window(change)
        # New posts may take every place: with one kept, text of 50 lines a second fell behind.
        if window is None or window.left > (self._kept(urgency, now) if change is Change.EDIT else 0):
            return float("-inf")
        return now + window.resets_in_s + _AFTER_RESET_S

    def _kept(self, urgency: Urgency, now: float) -> int:
        """Return how many edits stay free for more urgent ones."""
        if urgency < Urgency.STREAM:
            return 0
        if urgency is Urgency.STREAM or now >= self._grows_until:
            return _FOR_THE_END
        return _FOR_THE_END + _FOR_THE_TEXT + (self._quick > 0)


class Paces:
    """The paces of all channels. They outlive the pumps, which end whenever they have nothing to do."""

    def __init__(self, pace: Pace, traffic: Traffic, window: Callable[[int, Change], Window | None]) -> None:
        self._pace = pace
        self._traffic = traffic
        self._window = window
        self._channels: dict[int, ChannelPace] = {}

    def of(self, channel_id: int) -> ChannelPace:
        """Return the pace of a channel."""
        known = self._channels.pop(channel_id, None)
        if known is None:
            known = ChannelPace(self._pace, self._traffic, partial(self._window, channel_id))
        self._channels[channel_id] = known  # last used last: the first one is dropped
        if len(self._channels) > _MOST_KEPT:
            del self._channels[next(iter(self._channels))]
        return known

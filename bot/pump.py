"""One pump per channel: sends one request at a time, always with the latest content.

Answers for the order: asks and the end of an answer first, then growing text, the status, typing. A unit is
rendered only when its turn has come, so nothing piles up. Waits when Discord wants that.
Leaves the times of edits to `pace.py`, single steps to `posting.py`, and the content to the units.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

from bot.pace import Change, ChannelPace
from bot.plan import Create, Edit, Step, plan
from bot.post_unit import Unit
from bot.posting import Posting, SessionGone
from bot.traffic import Timer, Traffic, Urgency
from bot.transport import BodyRefused, ChannelClosed, PostingError, ThreadArchived, TryLater
from storage import StorageError

log = logging.getLogger(__name__)

# A refused write counts as an invalid request; Discord bans
# the address of a bot with 10,000 of them in ten minutes.
_CLOSED_FOR_S = 600.0
"""A channel that refuses writes is tried again after so long."""
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_TRY_AGAIN_S = 0.1
_TEXT_PAUSES_S = 2.5
"""Text that did not grow for so long pauses; it grows every 1.25 s."""
# Deletes are not planned: Discord counts them apart, with a higher limit.
_CHANGES: Mapping[type[Step], Change] = {Create: Change.CREATE, Edit: Change.EDIT}


class Pump:
    """Sends the posts of one channel while `run` runs."""

    def __init__(
        self, channel_id: int, posting: Posting, traffic: Traffic, pace: ChannelPace, timer: Timer
    ) -> None:
        self.channel_id = channel_id
        self.closed = False
        self.on_closed: Callable[[int, int], None] | None = None
        """Called with the channel's id and Discord's code once Discord refuses writes there."""
        self._posting = posting
        self._traffic = traffic
        self._pace = pace
        self._timer = timer
        self._units: dict[tuple[str, str], Unit] = {}
        self._news = asyncio.Event()
        self._typing: dict[str, Callable[[], Awaitable[bool]]] = {}
        self._look_at_typing = False
        self._type_at = 0.0
        self._not_before = 0.0
        self._failures = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do now or later."""
        return not self._units and not self._typing

    @property
    def is_settled(self) -> bool:
        """Whether everything is sent, or the channel takes nothing."""
        return not self._units or self.closed

    def mark(self, unit: Unit, urgency: Urgency, *, after_s: float = 0.0) -> None:
        """Have `unit` rendered and sent; after `after_s` seconds, unless it waits already."""
        if unit.waits_already(urgency) and unit.key in self._units:
            return  # growing text is marked at every piece; waking the pump for each would cost too much
        now = self._timer.now()
        if unit.urgency is None:
            unit.not_before = now + after_s if after_s else 0.0
        elif not after_s:
            if unit.not_before > now:
                unit.urgency = None  # the postponed change is sent along with this one
            unit.not_before = 0.0
        unit.raise_to(urgency)
        self._units[unit.key] = unit
        if urgency is Urgency.STREAM:
            self._traffic.streaming.add(self.channel_id)
        self._news.set()

    def type_while(self, session_id: str, works: Callable[[], Awaitable[bool]]) -> None:
        """Show Claude typing for this session while `works` returns True; each call asks `works` again."""
        self._typing[session_id] = works
        self._look_at_typing = True
        self._news.set()

    def drop(self, session_id: str) -> None:
        """Send nothing more of the session here: it is shown in another channel."""
        self._typing.pop(session_id, None)
        self._units = {key: unit for key, unit in self._units.items() if key[0] != session_id}
        self._news.set()

    def reopen(self) -> None:
        """Try a closed channel again: somebody acted in it, so it may take messages."""
        if self.closed:
            self.closed, self._not_before = False, 0.0
            self._news.set()

    async def run(self) -> None:
        """Send until there is nothing to do."""
        try:
            while not self.is_idle:
                # Cleared before the look, without an await in between: a
                # mark that comes later wakes the pump at once.
                self._news.clear()
                now = self._timer.now()
                unit = self._choose(now)
                is_text = unit is not None and unit.urgency is not Urgency.STATUS
                # First, since it costs no request of Discord's: the core answers.
                if self._look_at_typing and now >= self._not_before:
                    await self._guarded(self._look_who_works())
                elif not is_text and self._typing_due(now):
                    await self._guarded(self._type())
                elif unit is not None:
                    await self._guarded(self._bring_up(unit))
                else:
                    await self._timer.wait(self._news, self._pause(now))
        finally:
            self._traffic.streaming.discard(self.channel_id)

    # --- choosing ---------------------------------------------------------------------------------------

    def _choose(self, now: float) -> Unit | None:
        if now < self._not_before:
            return None
        due = [unit for unit in self._units.values() if self._due(unit) <= now]
        if not due:
            return None
        first = min(due, key=_rank)
        if first.urgency is not Urgency.PROMPT:
            return first
        # Posts that stand before it in the same session are created before it.
        return min(_made_in_order(due, first.posts.session_id), key=_order)

    def _due(self, unit: Unit) -> float:
        earliest, now = max(unit.not_before, unit.broken_until), self._timer.now()
        # Computed anew at each look: an answer since then may have told of more places.
        if unit.waits_for is not None and unit.urgency is not None:
            earliest = max(earliest, self._pace.place_at(unit.waits_for, unit.urgency, now))
        match unit.urgency:
            case Urgency.STREAM:
                return max(earliest, self._pace.text_at(now))
            case Urgency.STATUS:
                return max(earliest, unit.last_round + unit.every_s)
            case _:
                return earliest

    def _typing_due(self, now: float) -> bool:
        return bool(self._typing) and now >= max(self._type_at, self._not_before)

    def _pause(self, now: float) -> float | None:
        moments = [*([now] if self._look_at_typing else ()), *map(self._due, self._units.values())]
        if self._typing:
            moments.append(self._type_at)
        return max(0.0, max(min(moments), self._not_before) - now) if moments else None

    # --- sending ----------------------------------------------------------------------------------------

    async def _bring_up(self, unit: Unit) -> None:
        """Take the steps that `unit` needs. Stops early if something more urgent comes in between."""
        # Cleared before rendering: a change during the round marks the unit again, so it is not lost.
        urgency, began = unit.take_urgency(), self._timer.now()
        done = False
        try:
            done = await self._round(unit, urgency)
        # The unit keeps its urgency (see `finally`). `_guarded` decides when the channel is tried again.
        except (PostingError, StorageError):
            raise
        # Its rows are gone, or belong to another channel: a retry would fail for ever.
        except SessionGone:
            done = True
            self._units.pop(unit.key, None)
            return
        except Exception:
            # A defect of ours in one unit: the others of the channel go on.
            log.exception("not rendered", extra={"channel": self.channel_id, "unit": unit.name})
            unit.broken_until = self._timer.now() + _LONGEST_WAIT_S
            return
        finally:
            if not done:
                unit.raise_to(urgency)
        unit.last_round = self._timer.now()
        if urgency is Urgency.STREAM:
            self._pace.text_is_shown(began)
            unit.grows = True
        elif urgency is Urgency.FINAL and unit.grows:
            self._pace.text_has_ended()
            unit.grows = False
        self._failures, self.closed = 0, False
        if not unit.dirty:
            self._units.pop(unit.key, None)
            if not any(each.urgency is Urgency.STREAM for each in self._units.values()) and not self._typing:
                self._traffic.streaming.discard(self.channel_id)
            # Last: it may store that the channel shows every event, and that must be true by then.
            if unit.clean is not None:
                await unit.clean()

    async def _round(self, unit: Unit, urgency: Urgency) -> bool:
        wishes = [self._posting.acceptable(wish) for wish in await unit.render()]
        taken = 0
        while True:
            # Planned anew after each step: Discord may have refused a body, or somebody deleted the message.
            steps = plan(wishes, unit.posts.rows, unit.name)
            # The bound is for steps that never bring the posts closer to the wishes, which should not happen.
            if not steps or taken > 2 * len(wishes) + 20:
                return True
            step = self._next_step(unit, steps, urgency)
            if step is None:
                return False
            if not await self._may_send(unit, urgency):
                return False
            try:
                await self._posting.take(step, unit.posts)
            except ThreadArchived:
                # Once the thread is open, the loop plans the refused step again.
                await self._open(unit, [each for each in steps if isinstance(each, Create)])
            if isinstance(step, Create):
                self._note_new_message(urgency)
            taken += 1
            wishes = [self._posting.acceptable(wish) for wish in wishes]
            if self._is_overtaken(unit):
                return False

    def _note_new_message(self, urgency: Urgency) -> None:
        """Have the typing sign sent again, which Discord ends at a new message.

        While text grows, people see that Claude works, so the sign comes back only when the text pauses.
        """
        pause_s = _TEXT_PAUSES_S if urgency is Urgency.STREAM else 0.0
        self._type_at = self._timer.now() + pause_s

    async def _may_send(self, unit: Unit, urgency: Urgency) -> bool:
        """Take one of the bot's requests, and wait for it if necessary. Return whether it was taken.

        A status card does not wait, since its channel's text would wait behind it: it is tried again later.
        """
        if urgency is not Urgency.STATUS:
            await self._traffic.take(urgency)
            return True
        pause = self._traffic.take_now(urgency)
        if pause:
            unit.not_before = self._timer.now() + max(pause, _TRY_AGAIN_S)
        return not pause

    def _next_step(self, unit: Unit, steps: Sequence[Step], urgency: Urgency) -> Step | None:
        """Return the next step for which the channel's bucket has a place; if there is none, `unit` waits.

        If edits have to wait, posts are made before them: otherwise those of a later turn would come first.
        """
        made = [each for each in steps[1:] if isinstance(each, Create)][:1]
        return next((each for each in (steps[0], *made) if self._has_place(unit, each, urgency)), None)

    def _has_place(self, unit: Unit, step: Step, urgency: Urgency) -> bool:
        """Return whether the bucket has a place for `step` now; if not, `unit` waits for one."""
        change = _CHANGES.get(type(step))
        now = self._timer.now()
        if change is None:
            return True
        # Rendering takes time. A place that came free meanwhile is for the earlier post that waits for it.
        is_in_order = change is not Change.CREATE or not self._comes_after_another(unit, now)
        if is_in_order and self._pace.place_at(change, urgency, now) <= now:
            return True
        unit.waits_for = change
        return False

    def _comes_after_another(self, unit: Unit, now: float) -> bool:
        """Return whether posts that stand before `unit` in its session can be made now."""
        others = _made_in_order(self._units.values(), unit.posts.session_id)
        return any(each.number < unit.number and self._due(each) <= now for each in others)

    async def _open(self, unit: Unit, creates: Sequence[Create]) -> None:
        """Open the archived thread: a new message does it by itself; without one, unarchive it."""
        if creates:
            await self._posting.take(creates[0], unit.posts)
        else:
            await self._posting.transport.unarchive(self.channel_id)

    def _is_overtaken(self, unit: Unit) -> bool:
        return any(
            each is not unit and each.urgency is Urgency.PROMPT and self._due(each) <= self._timer.now()
            for each in self._units.values()
        )

    async def _look_who_works(self) -> None:
        self._look_at_typing = False
        # A copy: `type_while` and `drop` may change the dict during the await.
        for session_id, works in list(self._typing.items()):
            # `is`: each call of `type_while` brings a new bound method,
            # and one that came meanwhile must be asked, too.
            try:
                if not await works() and self._typing.get(session_id) is works:
                    del self._typing[session_id]
            except Exception:
                # Else the sign would stay until the session changes again.
                self._look_at_typing = True
                raise

    async def _type(self) -> None:
        # Nobody waits for the typing sign: requests with text go first.
        if pause := self._traffic.take_now(Urgency.TYPING):
            self._type_at = self._timer.now() + max(pause, _TRY_AGAIN_S)
            return
        self._type_at = self._timer.now() + self._pace.pace.typing_s
        try:
            await self._posting.transport.type_(self.channel_id)
        except (ThreadArchived, BodyRefused, TryLater) as error:
            # Text may go although the sign does not, and an archived thread opens with the next post.
            self._type_at += error.after_s if isinstance(error, TryLater) else 0.0

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Do `work`. An error decides when the next work is tried."""
        try:
            await work
        except TryLater as error:
            self._wait(max(error.after_s, self._backoff()), error)
        # An archived thread comes this far if it could not be opened: it is locked.
        except (ChannelClosed, ThreadArchived) as error:
            self._close(error)
        except (PostingError, StorageError) as error:
            self._wait(self._backoff(), error)
        except Exception as error:
            log.exception("posting failed", extra={"channel": self.channel_id})
            self._wait(_LONGEST_WAIT_S, error)

    def _backoff(self) -> float:
        self._failures += 1
        # The exponent is bounded: after hours without Discord the power would fit into no float.
        return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * float(1 << min(self._failures - 1, 10)))

    def _wait(self, seconds: float, error: Exception) -> None:
        facts = {"channel": self.channel_id, "cause": type(error).__name__, "wait_s": seconds}
        log.warning("Discord takes nothing now; trying again", extra=facts)
        self._not_before = self._timer.now() + seconds

    def _close(self, error: PostingError) -> None:
        if not self.closed:
            code = error.code if isinstance(error, ChannelClosed) else 0
            log.error("a channel cannot be written to", extra={"channel": self.channel_id, "code": code})
            if self.on_closed is not None:
                self.on_closed(self.channel_id, code)
        self.closed = True
        self._not_before = self._timer.now() + _CLOSED_FOR_S


def _made_in_order(units: Iterable[Unit], session_id: str) -> Iterator[Unit]:
    """Yield the units of the session whose posts have to be made in the order of the channel."""
    for unit in units:
        if unit.posts.session_id == session_id and unit.urgency in (Urgency.PROMPT, Urgency.FINAL):
            yield unit


def _order(unit: Unit) -> int:
    return unit.number


def _rank(unit: Unit) -> tuple[float, float, int]:
    """Sort key: the smallest goes first. Of several growing texts, it is the one shown longest ago."""
    urgency = Urgency.STATUS if unit.urgency is None else unit.urgency
    return urgency, unit.last_round if urgency is Urgency.STREAM else 0.0, unit.number

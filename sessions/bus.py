"""The bus that passes on committed events: replay and live are one stream.

`Bus.follow` first reads the stored events after a number, then passes on published ones. A subscriber whose
bounded queue overflows loses nothing: it reads the store again. Nothing here is durable.
"""

import asyncio
import itertools
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from sessions.events import Feed, Numbered, PartialText, TurnEnded
from sessions.model import SessionId, TurnId
from sessions.rows import load_events
from storage import Database

QUEUE_LENGTH = 2_000
RECENT = 10_000
"""This many events of all sessions keep their position, for subscribers that come back."""
PAGE = 200

PartialReader = Callable[[SessionId], Sequence[PartialText]]


class Subscription:
    """The live end of the stream for one subscriber, from `position` on. `lagged`: its queue was dropped.

    With `only_durable`, growing text does not wake it.
    """

    def __init__(self, session_id: SessionId | None, position: int, *, only_durable: bool = False) -> None:
        self.session_id = session_id
        self.position = position
        self._only_durable = only_durable
        self.lagged = False
        self._items: deque[Feed] = deque()
        self._ready = asyncio.Event()
        self._error: Exception | None = None

    def lag(self) -> None:
        """Drop the queue and make the subscriber read the store again."""
        self._items.clear()
        self.lagged = True
        self._ready.set()

    def fail(self, error: Exception) -> None:
        """End the subscription: from now on `take` raises `error`."""
        self._error = error
        self._ready.set()

    def offer(self, items: Sequence[Feed], durable: Sequence[Numbered]) -> None:
        """Queue `items`, of which `durable` are stored. If the queue is full, drop it: the subscriber lags."""
        if self._only_durable:
            if not durable:
                return
            items = durable
        # Never wait for a slow subscriber here: the publisher holds the lock of the session.
        if len(self._items) + len(items) > QUEUE_LENGTH:
            self.lag()
        else:
            self._items.extend(items)
        self._ready.set()

    async def take(self) -> list[Feed]:
        """Wait for items and return them. An empty list: the subscriber lagged, and must read the store again.

        Raises the error given to `fail`.
        """
        await self._ready.wait()
        if self._error is not None:
            raise self._error
        # No await from here on, so no `offer` comes between the look at the queue and its emptying.
        self._ready.clear()
        # Items that came after `lag` go, too: the store has the events, and growing text comes whole.
        if self.lagged:
            self.lagged = False
            self._items.clear()
            return []
        items = list(self._items)
        self._items.clear()
        return items


class Bus:
    """Publishes committed events to all subscribers. Publishing never waits."""

    def __init__(self, db: Database, partials: PartialReader) -> None:
        self._db = db
        self._partials = partials
        # By session: to publish wakes nobody who follows another one.
        self._of_one: dict[SessionId, set[Subscription]] = {}
        self._of_all: set[Subscription] = set()
        # Positions count the events of all sessions since this start. One of an earlier start is meaningless.
        self.run = uuid.uuid4().hex
        self._position = 0
        self._recent: deque[tuple[SessionId, int]] = deque(maxlen=RECENT)

    def publish(self, session_id: SessionId, items: Sequence[Feed]) -> None:
        """Pass `items` of one session to its subscribers. Call it after the commit, in order."""
        if not items:
            return
        durable = [item for item in items if isinstance(item, Numbered)]
        self._position += len(durable)
        self._recent.extend((session_id, item.number) for item in durable)
        for subscription in self._of_one.get(session_id, ()):
            subscription.offer(items, durable)
        for subscription in self._of_all:
            subscription.offer(items, durable)

    def partials(self, session_id: SessionId) -> Sequence[PartialText]:
        """Return the text that Claude is writing now, each block from its beginning."""
        return self._partials(session_id)

    def subscribe(self, session_id: SessionId | None, *, only_durable: bool = False) -> Subscription:
        """Return a subscription to one session, or to all if it is None. End it with `unsubscribe`."""
        subscription = Subscription(session_id, self._position, only_durable=only_durable)
        if session_id is None:
            self._of_all.add(subscription)
        else:
            self._of_one.setdefault(session_id, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End `subscription`. No error if it has ended."""
        if subscription.session_id is None:
            self._of_all.discard(subscription)
            return
        others = self._of_one.get(subscription.session_id, set())
        others.discard(subscription)
        if not others:
            self._of_one.pop(subscription.session_id, None)

    async def follow(self, session_id: SessionId, after: int) -> AsyncGenerator[Feed, None]:
        """Yield the session's events numbered above `after`, stored and live, and partial text as it grows.

        Never ends by itself. Each number comes once and in order. Partial text comes without gaps, but may
        start over (`start` 0).
        """
        async with aclosing(self.batches(session_id, after)) as batches:
            async for batch in batches:
                for item in batch:
                    yield item

    async def batches(
        self, session_id: SessionId, after: int, subscription: Subscription | None = None
    ) -> AsyncGenerator[Sequence[Feed], None]:
        """Yield the items of `follow` in batches, all that are ready. Pass a `subscription` to end it early."""
        # Before the first read of the store: an event that is committed during the read waits in the queue.
        subscription = subscription or self.subscribe(session_id)
        seams = _PartialSeams()
        try:
            while True:
                while page := await load_events(self._db, session_id, after=after, limit=PAGE):
                    yield page
                    after = page[-1].number
                # The store has no partial text: blocks in the making come from memory, from their beginnings.
                if growing := [fresh for each in self._partials(session_id) if (fresh := seams.restart(each))]:
                    yield growing
                caught_up = True
                while caught_up:
                    items = await subscription.take()
                    caught_up = bool(items)
                    batch: list[Feed] = []
                    for item in items:
                        if isinstance(item, PartialText):
                            batch += seams.join(item, self._partials)
                        # A lower number came with a page of the store already.
                        elif item.number == after + 1:
                            after = item.number
                            if isinstance(item.event, TurnEnded):
                                # Otherwise the follower of a long session keeps an entry for every block.
                                seams.forget(item.event.turn_id)
                            batch.append(item)
                        elif item.number > after:
                            # The store has what is missing here: numbers are published after their commit.
                            caught_up = False
                    if batch:
                        yield batch
        finally:
            self.unsubscribe(subscription)

    async def follow_all(self, after: int | None, subscription: Subscription) -> AsyncGenerator["Batch", None]:
        """Yield the events of all sessions after position `after`, as they come; never ends by itself.

        A batch that `begins` has no items, and the events before it are skipped: `after` was None or too long
        ago, or the subscriber fell behind. Partial text comes as it grows, without its beginning.
        """
        position = subscription.position
        try:
            missed = self._missed(after, position)
            if missed is None:
                yield Batch(position, begins=True)
            else:
                async for batch in self._read_back(missed, after or 0, position):
                    yield batch
            while True:
                items = await subscription.take()
                if items:
                    position += sum(isinstance(item, Numbered) for item in items)
                    yield Batch(position, items)
                else:
                    position = self._position
                    yield Batch(position, begins=True)
        finally:
            self.unsubscribe(subscription)

    def _missed(self, after: int | None, until: int) -> dict[SessionId, tuple[int, int]] | None:
        """Return each session's first and last event between two positions; None if they are forgotten."""
        oldest = self._position - len(self._recent)
        if after is None or not oldest <= after <= until:
            return None
        missed: dict[SessionId, tuple[int, int]] = {}
        for session_id, number in itertools.islice(self._recent, after - oldest, until - oldest):
            first, _ = missed.get(session_id, (number, number))
            missed[session_id] = (first, number)
        return missed

    async def _read_back(
        self, missed: Mapping[SessionId, tuple[int, int]], after: int, position: int
    ) -> AsyncGenerator["Batch", None]:
        """Yield missed events from the store.

        Only the last batch has the new position: a subscriber that is cut off earlier asks for them all again.
        """
        for session_id, (first, last) in missed.items():
            number = first - 1
            while number < last and (page := await load_events(self._db, session_id, after=number, limit=PAGE)):
                yield Batch(after, [each for each in page if each.number <= last])
                number = page[-1].number
        yield Batch(position)


@dataclass(frozen=True, slots=True)
class Batch:
    """A piece of the stream of all sessions, up to `position`. `begins`: earlier events are skipped."""

    position: int
    items: Sequence[Feed] = ()
    begins: bool = False


class _PartialSeams:
    """Joins pieces of growing text so that a subscriber sees each character once, whenever it joined."""

    def __init__(self) -> None:
        # How many characters of each block the subscriber has, by turn and key.
        self._known: dict[tuple[str, str], int] = {}

    def forget(self, turn_id: TurnId) -> None:
        """Forget the blocks of a turn that is over."""
        self._known = {place: known for place, known in self._known.items() if place[0] != turn_id}

    def restart(self, whole: PartialText) -> PartialText | None:
        """Return the part of `whole` (a block's text from its beginning) that is new, or None."""
        place = (whole.turn_id, whole.key)
        known = self._known.get(place, 0)
        if len(whole.added) <= known:
            return None
        self._known[place] = len(whole.added)
        return _tail(whole, known)

    def join(self, item: PartialText, read_wholes: PartialReader) -> list[PartialText]:
        """Return the new part of `item`. If text before it is missing, return the whole block's new part."""
        if item.void:
            self._known.clear()
            return [item]
        place = (item.turn_id, item.key)
        known = self._known.get(place, 0)
        end = item.start + len(item.added)
        if end <= known:
            return []
        if item.start <= known:
            self._known[place] = end
            return [_tail(item, known - item.start)]
        # Read the whole text only in this case: putting it together takes time in proportion to its length.
        wholes = read_wholes(item.session_id)
        fresh = [self.restart(whole) for whole in wholes if (whole.turn_id, whole.key) == place]
        return [each for each in fresh if each is not None]


def _tail(item: PartialText, skip: int) -> PartialText:
    if skip == 0:
        return item
    return PartialText(
        item.session_id, item.after, item.turn_id, item.key, item.kind, item.start + skip, item.added[skip:]
    )

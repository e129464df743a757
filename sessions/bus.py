"""Where events go after their commit: replay and live are one stream.

`Bus.follow` first reads what is stored after a number, then passes on what is published. A subscriber that
falls behind its bounded queue loses nothing: it is sent back to the store. Nothing here is durable.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from sessions.events import Feed, PartialText, TurnEnded
from sessions.model import SessionId, TurnId
from sessions.rows import load_events
from storage import Database

QUEUE_LENGTH = 2_000
PAGE = 200

PartialReader = Callable[[SessionId], Sequence[PartialText]]


class Subscription:
    """The live end of the stream for one subscriber. `lagged` says that something had to be dropped."""

    def __init__(self, session_id: SessionId | None) -> None:
        self.session_id = session_id
        self.lagged = False
        self._items: deque[Feed] = deque()
        self._ready = asyncio.Event()

    def offer(self, items: Sequence[Feed]) -> None:
        """Queue `items`, or note that the subscriber lags."""
        if len(self._items) + len(items) > QUEUE_LENGTH:
            self._items.clear()
            self.lagged = True
        else:
            self._items.extend(items)
        self._ready.set()

    async def take(self) -> list[Feed]:
        """Wait for items; an empty list means that the subscriber lagged and must read the store again."""
        await self._ready.wait()
        self._ready.clear()
        if self.lagged:
            self.lagged = False
            self._items.clear()
            return []
        items = list(self._items)
        self._items.clear()
        return items


class Bus:
    """Publishes committed events to whoever listens. Publishing never waits."""

    def __init__(self, db: Database, partials: PartialReader) -> None:
        self._db = db
        self._partials = partials
        self._of_one: dict[SessionId, set[Subscription]] = {}
        self._of_all: set[Subscription] = set()

    def publish(self, session_id: SessionId, items: Sequence[Feed]) -> None:
        """Hand `items` of one session to its subscribers. Call it after the commit, in order."""
        if not items:
            return
        for subscription in self._of_one.get(session_id, ()):
            subscription.offer(items)
        for subscription in self._of_all:
            subscription.offer(items)

    def partials(self, session_id: SessionId) -> Sequence[PartialText]:
        """The text that is being written now, each block from its beginning."""
        return self._partials(session_id)

    def subscribe(self, session_id: SessionId | None) -> Subscription:
        """Listen to one session, or to all. Give it back to `unsubscribe`."""
        subscription = Subscription(session_id)
        if session_id is None:
            self._of_all.add(subscription)
        else:
            self._of_one.setdefault(session_id, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening."""
        if subscription.session_id is None:
            self._of_all.discard(subscription)
            return
        others = self._of_one.get(subscription.session_id, set())
        others.discard(subscription)
        if not others:
            self._of_one.pop(subscription.session_id, None)

    async def follow(self, session_id: SessionId, after: int) -> AsyncGenerator[Feed, None]:
        """Every event of the session numbered above `after`, stored and live, then partial text as it grows.

        Never ends by itself. Each number comes once and in order; partial text comes without holes, but may
        begin anew (`start` 0).
        """
        async with aclosing(self.batches(session_id, after)) as batches:
            async for batch in batches:
                for item in batch:
                    yield item

    async def batches(self, session_id: SessionId, after: int) -> AsyncGenerator[Sequence[Feed], None]:
        """What `follow` yields, as much at once as there is: waiting costs once a batch, not once an item."""
        subscription = self.subscribe(session_id)
        seams = _PartialSeams()
        try:
            while True:
                while page := await load_events(self._db, session_id, after=after, limit=PAGE):
                    yield page
                    after = page[-1].number
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
                        elif item.number == after + 1:
                            after = item.number
                            if isinstance(item.event, TurnEnded):
                                seams.forget(item.event.turn_id)
                            batch.append(item)
                        elif item.number > after:
                            caught_up = False
                    if batch:
                        yield batch
        finally:
            self.unsubscribe(subscription)


class _PartialSeams:
    """Joins pieces of growing text so that a subscriber sees each character once, whenever it came."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}

    def forget(self, turn_id: TurnId) -> None:
        """The turn is over: nothing of it is written any more."""
        self._known = {place: known for place, known in self._known.items() if place[0] != turn_id}

    def restart(self, whole: PartialText) -> PartialText | None:
        """What of `whole` (a block's text from its beginning) is not known yet."""
        place = (whole.turn_id, whole.key)
        known = self._known.get(place, 0)
        if len(whole.added) <= known:
            return None
        self._known[place] = len(whole.added)
        return _tail(whole, known)

    def join(self, item: PartialText, read_wholes: PartialReader) -> list[PartialText]:
        """`item` trimmed to what is new; where something is missing before it, the whole instead."""
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
        # Only here: putting the whole text together costs as much as the text is long.
        wholes = read_wholes(item.session_id)
        fresh = [self.restart(whole) for whole in wholes if (whole.turn_id, whole.key) == place]
        return [each for each in fresh if each is not None]


def _tail(item: PartialText, skip: int) -> PartialText:
    if skip == 0:
        return item
    return PartialText(
        item.session_id, item.after, item.turn_id, item.key, item.kind, item.start + skip, item.added[skip:]
    )

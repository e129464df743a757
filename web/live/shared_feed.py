"""One rendering of a session's stream for all tabs that show it alike.

A tab first catches up; tabs that miss the same events do so together. Once a tab has what the shared feed has,
it takes the feed's frames, which were rendered and encoded once. A feed ends when rights may have changed: then
each tab begins anew from its last event, and the core decides again whether it may.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

import api as c
from api.access import Actor, ActorSource
from sessions.errors import SessionError
from sessions.events import Feed, Numbered, SharesChanged
from web.live.frames import Change, Put, Step
from web.live.session_feed import SessionChanges, gathered, reader_of
from web.pages import fragments
from web.parts import WebParts
from web.problems import Refused

# The browser catches up from its event number, so dropping frames costs a new request and loses nothing.
_BEHIND = 500
"""Frames that a tab may be behind before it has to catch up alone."""
_TOGETHER = 200
"""Missed events up to which tabs catch up together; more of them are not held in memory."""
# Tabs that come back after the same break ask within this time, and take the same rendering.
_KEPT_S = 2.0
_AT_ONCE = 100
_PEOPLE_PACE_S = 0.2
"""Many who come at once make one change of the line on people."""
_FeedKey = tuple[str, str, str, bool, bool, bool]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A frame as it goes over the wire; `number` is its event number, None while only text grows.

    `wire` is the whole WebSocket frame, made once for all tabs; its payload begins at `begin`.
    """

    wire: bytes
    begin: int
    number: int | None

    @property
    def payload(self) -> bytes:
        """The frame's JSON."""
        return self.wire[self.begin :]


async def _up_to(
    parts: WebParts, who: ActorSource, key: _FeedKey, after: int, goal: int
) -> AsyncGenerator[Encoded, None]:
    """Yield the frames after event `after`, up to the one with event `goal`."""
    changes = SessionChanges(parts, who, key[0])
    async with gathered(parts, who, key[0], after) as batches, aclosing(batches):
        async for batch in batches:
            frame = _frame(key[1], await changes.of(batch), batch)
            if frame is not None:
                yield frame
                # The core's stream goes on for ever; at `goal` the tab has what it missed.
                if (frame.number or 0) >= goal:
                    return


def _frame(sub: str, changes: Sequence[Change], batch: Sequence[Feed]) -> Encoded | None:
    numbers = [item.number for item in batch if isinstance(item, Numbered)]
    number = numbers[-1] if numbers else None
    # A frame without changes still moves the tab's event number, so that it does not ask for the event again.
    if not changes and number is None:
        return None
    return _encoded(sub, changes, number)


def _encoded(sub: str, changes: Sequence[Change], number: int | None) -> Encoded:
    payload = msgspec.json.encode(Step(sub, tuple(changes), number))
    head = head_of(len(payload))
    return Encoded(head + payload, len(head), number)


def head_of(size: int) -> bytes:
    """Return the head of a server's text frame that has `size` bytes. Source: RFC 6455, section 5.2."""
    # A server's frames are not masked, so all tabs can be sent the same bytes.
    if size < 126:
        return bytes((0x81, size))
    return b"\x81\x7e" + size.to_bytes(2) if size < 2**16 else b"\x81\x7f" + size.to_bytes(8)


def _takes_nothing(_: Encoded) -> bool:
    return False


@dataclass(slots=True, eq=False)
class Looker:
    """The person at a tab. Only a visible tab counts as presence.

    `take` sends a frame at once, or returns False if the tab is not ready for one.
    """

    user_id: str
    who: ActorSource
    take: Callable[[Encoded], bool] = _takes_nothing
    is_visible: bool = True


class SharedFeeds:
    """The feeds of one web face, by what their tabs show and may do."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._feeds: dict[_FeedKey, SharedFeed] = {}
        self._catching_up: dict[tuple[_FeedKey, int, int], asyncio.Task[list[Encoded]]] = {}

    async def frames(
        self, looker: Looker, sub: str, session_id: str, after: int
    ) -> AsyncGenerator[Encoded, None]:
        """Yield the frames of a session's page after event `after`, for ever.

        A frame that the looker takes at once is not yielded. Raises the errors of `Core.follow`: `NotAllowed`
        once the reader may not view the session any more.
        """
        parts, tab = self._parts, Tab(looker, after)
        while True:
            # Asked anew in each round: the feed before may have ended because rights changed.
            actor = await looker.who()
            info = await parts.core.perform(actor, c.GetSession(session_id=session_id))
            reader = await reader_of(parts, actor, info)
            # All that the rendering depends on: two tabs with one key get the same bytes.
            key = (session_id, sub, info.work_directory_name, reader.prompt, reader.approve, reader.manage)
            # A page from before a backup was put back may name an event that never happened here.
            tab.number = min(tab.number, max(info.last_event, self._number_of(key)))
            while tab.number < (goal := max(info.last_event, self._number_of(key))):
                async for frame in self._missed(key, looker.who, tab.number, goal):
                    tab.has(frame)
                    yield frame
            # No await from the comparison above to the tab's place in the feed: an event between would be lost.
            # A tab that is ahead of the feed gets changes again that it has; they show the same.
            async with aclosing(self._at(key, tab.number).frames_for(tab)) as shared:
                async for frame in shared:
                    yield frame

    def look(self, session_id: str, looker: Looker) -> None:
        """Note that a tab became visible or hidden; no effect for a session that it may not see."""
        for key, feed in self._feeds.items():
            if key[0] == session_id:
                feed.look(looker)

    def _number_of(self, key: _FeedKey) -> int:
        feed = self._feeds.get(key)
        return feed.number if feed is not None and not feed.has_ended else 0

    def _at(self, key: _FeedKey, number: int) -> "SharedFeed":
        """Return the feed for `key`; a new one begins after event `number`."""
        feed = self._feeds.get(key)
        if feed is None or feed.has_ended:
            # Ended feeds are dropped only here, so a face that nobody visits has no work with them.
            self._feeds = {name: each for name, each in self._feeds.items() if not each.has_ended}
            feed = self._feeds[key] = SharedFeed(self._parts, sub=key[1], session_id=key[0], number=number)
        return feed

    async def _missed(
        self, key: _FeedKey, who: ActorSource, after: int, goal: int
    ) -> AsyncGenerator[Encoded, None]:
        """Yield the frames after event `after` up to `goal`."""
        if goal - after > _TOGETHER:
            async with aclosing(_up_to(self._parts, who, key, after, goal)) as alone:
                async for frame in alone:
                    yield frame
            return
        wish = (key, after, goal)
        if wish not in self._catching_up:
            task = asyncio.create_task(self._together(who, wish), name="web catch-up")
            self._catching_up[wish] = task
            loop = asyncio.get_running_loop()
            # Kept for a moment after its end: tabs that come back together do not ask in the same instant.
            task.add_done_callback(lambda _: loop.call_later(_KEPT_S, self._catching_up.pop, wish, None))
        try:
            # Shielded: a tab that is closed must not end the catch-up of the others.
            found = await asyncio.shield(self._catching_up[wish])
        except (SessionError, Refused):
            # It ran in the name of the tab that was first. This one is told of its own rights.
            found = [each async for each in _up_to(self._parts, who, key, after, goal)]
        for frame in found:
            yield frame

    async def _together(self, who: ActorSource, wish: tuple[_FeedKey, int, int]) -> list[Encoded]:
        key, after, goal = wish
        return [each async for each in _up_to(self._parts, who, key, after, goal)]

    async def close(self) -> None:
        """End what still catches up; called when the face ends."""
        for task in self._catching_up.values():
            task.cancel()
        await asyncio.gather(*self._catching_up.values(), return_exceptions=True)


FEEDS: web.AppKey[SharedFeeds] = web.AppKey("feeds", SharedFeeds)


@dataclass(slots=True, eq=False)
class Tab:
    """A tab at a feed. `number` is the last event that it has; `frames` are those that it has not taken yet."""

    looker: Looker
    number: int
    told: tuple[str, ...] = ()
    frames: list[Encoded] = field(default_factory=list)
    waiting: "asyncio.Future[None] | None" = None
    is_open: bool = True

    def has(self, frame: Encoded) -> None:
        """Note that the tab got `frame`."""
        # Frames of growing text have no number, and a repeated frame must not lead back.
        self.number = max(frame.number or 0, self.number)

    def give(self, frame: Encoded) -> None:
        """Send `frame` at once if the tab is ready, without waking its task; else keep it for the task."""
        if not self.is_open:
            return
        # At once only while the task waits and nothing is kept: a frame must not overtake an earlier one.
        if self.waiting is not None and not self.frames and self.looker.take(frame):
            self.has(frame)
        elif len(self.frames) >= _BEHIND:
            # It catches up from its last number, so frames that it will not take need no memory.
            self.frames.clear()
            self.end()
        else:
            self.frames.append(frame)
            self._wake()

    def end(self) -> None:
        """Let the tab's task go on: nothing comes any more."""
        self.is_open = False
        self._wake()

    async def kept(self) -> Sequence[Encoded]:
        """Wait for frames that the tab did not take at once, and return them; empty after its end."""
        if self.is_open and not self.frames:
            self.waiting = asyncio.get_running_loop().create_future()
            try:
                await self.waiting
            finally:
                self.waiting = None
        kept, self.frames = self.frames, []
        return kept

    def _wake(self) -> None:
        # Two frames may come before the task runs: a future takes one result.
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)


def _changes_rights(item: Feed) -> bool:
    return isinstance(item, Numbered) and isinstance(item.event, SharesChanged)


class SharedFeed:
    """The frames of one session for tabs with the same rights. `number` is the last event in them."""

    def __init__(self, parts: WebParts, *, sub: str, session_id: str, number: int) -> None:
        self.number = number
        self.has_ended = False
        self._parts = parts
        self._sub = sub
        self._session_id = session_id
        self._tabs: dict[Tab, None] = {}
        self._changes = SessionChanges(parts, self._who, session_id)
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._people_changed = asyncio.Event()

    async def frames_for(self, tab: Tab) -> AsyncGenerator[Encoded, None]:
        """Yield the frames from now on that the tab does not take at once; ends with the feed.

        First comes the text that grows, whole.
        """
        looker, presence = tab.looker, self._parts.presence
        tab.is_open, tab.told = True, ()
        # A dict as an ordered set: the first tab answers `_who`.
        self._tabs[tab] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="web shared feed")
        # A feed that starts has no growing text yet; one that runs has sent the pieces already.
        elif growing := self._changes.growing_now():
            tab.give(_encoded(self._sub, growing, None))
        if looker.is_visible:
            presence.come(self._session_id, tab, looker.user_id)
        self._people_changed.set()
        try:
            while kept := await tab.kept():
                for frame in kept:
                    tab.has(frame)
                    yield frame
            if self._error is not None:
                raise self._error
        finally:
            self._tabs.pop(tab, None)
            presence.go(self._session_id, tab)
            if not self._tabs:
                self.has_ended = True
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    def look(self, looker: Looker) -> None:
        """Note that one of its tabs became visible or hidden."""
        presence = self._parts.presence
        for tab in self._tabs:
            if tab.looker is looker:
                if looker.is_visible:
                    presence.come(self._session_id, tab, looker.user_id)
                else:
                    presence.go(self._session_id, tab)

    async def _who(self) -> Actor:
        return await next(iter(self._tabs)).looker.who()

    async def _give_all(self, frame: Encoded) -> None:
        """Give a frame to all tabs, some at a time: whatever else the loop has to do comes in between."""
        # A copy: tabs come and go at the `sleep`. A tab that comes has caught up with this frame already.
        for number, tab in enumerate(list(self._tabs)):
            tab.give(frame)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    async def _tell_people(self) -> None:
        """Tell each tab who else looks at the session."""
        presence, people = self._parts.presence, self._parts.people
        with presence.watched(self._session_id, self._people_changed):
            while True:
                await self._people_changed.wait()
                await asyncio.sleep(_PEOPLE_PACE_S)
                self._people_changed.clear()
                frames: dict[tuple[str, ...], Encoded] = {}
                for tab in list(self._tabs):
                    others = presence.others(self._session_id, tab.looker.user_id)
                    if others == tab.told:
                        continue
                    # Most tabs see the same people: one frame for all of them, encoded once.
                    if others not in frames:
                        await people.learn(others)
                        line = Put("presence", fragments.presence(others, people.names))
                        frames[others] = _encoded(self._sub, (line,), None)
                    tab.told = others
                    tab.give(frames[others])

    async def _run(self) -> None:
        telling = asyncio.create_task(self._tell_people(), name="web presence")
        try:
            async with (
                gathered(self._parts, self._who, self._session_id, self.number) as batches,
                aclosing(batches),
            ):
                async for batch in batches:
                    # The batch is dropped whole: later events may not be for these tabs, and each reads again.
                    if any(map(_changes_rights, batch)):
                        return
                    frame = _frame(self._sub, await self._changes.of(batch), batch)
                    if frame is not None:
                        # Before the tabs have the frame: a tab that comes meanwhile catches up to it.
                        self.number = frame.number or self.number
                        await self._give_all(frame)
        except (SessionError, Refused):
            pass  # one tab's right; each tab asks anew and is told its own
        except Exception as error:
            self._error = error
        finally:
            # Before the await: a tab that comes meanwhile must begin another feed.
            self.has_ended = True
            for tab in self._tabs:
                tab.end()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

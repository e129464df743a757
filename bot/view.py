"""The view: brings each session's channel up to date, and keeps it so.

Answers for the posts of a session and the times of their updates. `render.py` and `cards.py` make the content,
`pump.py` sends it. There is one path: events of the core, live or read back after a start, mark units. A marked
unit is rendered, compared with its posts, and sent.

For the other half of the face (commands, clicks, inbox):
- After creating a session: write its `places` row, then `await view.show(place)`. Nothing else is needed:
  status card, queue posts, answers, ask cards and notices come by themselves.
- A click that changes the core needs no call here: the core sends events. A click that changes a fact of the
  face (see `picked_fact`) calls `view.changed(session_id)`.
- Interactions acknowledge with a bare `defer()`; messages of the view are edited by the view only.
- `discord_bodies.message_kwargs(body)` gives the arguments of `send`, `response.send_message` or
  `followup.send` for a `Body`, without registering a view object.
- If Discord refuses writes in a channel, the client gets the event `channel_closed`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import Self

import discord

from api import Begun, Core, FeedOfAll, GetSession
from api.access import unchanging
from bot.actors import VIEWER
from bot.pace import Pace, Paces
from bot.post_unit import Unit
from bot.posting import Posting
from bot.pump import Pump
from bot.rows import Place, load_place, store_fact
from bot.rows_and_core import sessions_behind
from bot.session_units import Around, ViewOptions
from bot.shown_session import ShownSession
from bot.thread_names import ThreadNames
from bot.traffic import LoopTimer, Traffic, Urgency
from bot.transport import DiscordTransport
from bot.turn_store import chosen_fact, picked_fact
from bot.wait_marks import WaitMarks
from sessions.clock import Clock, SystemClock
from sessions.errors import SessionNotFound
from sessions.events import Feed
from storage import Database, StorageError

__all__ = ["View", "ViewOptions", "chosen_fact", "picked_fact"]

log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Sessions that are read back together after a start."""
_MOST_HELD = 300
"""Sessions in memory before quiet ones are forgotten."""
_MOST_NOWHERE = 10_000
_AGAIN_S = 5.0


class View:
    """Shows sessions in Discord while its context is open; enter it with a logged-in client."""

    def __init__(
        self,
        client: discord.Client,
        core: Core,
        db: Database,
        *,
        options: ViewOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock, options = clock or SystemClock(), options or ViewOptions()
        self._tell_closed = partial(client.dispatch, "channel_closed")
        self._core = core
        self._db = db
        transport = DiscordTransport(client)
        self._posting = Posting(db, transport, clock)
        self._timer = LoopTimer()
        self._traffic = Traffic(self._timer)
        pace = Pace(options.edit_interval_s, options.first_edits_s, options.typing_interval_s)
        self._paces = Paces(pace, self._traffic, transport.window)
        names = ThreadNames(client, db)
        waits = WaitMarks(client, db, self._traffic, is_on=options.signs_waiting)
        self._around = Around(core, db, clock, options, self._mark, self._type, self._spawn, names, waits)
        self._sessions: dict[str, ShownSession] = {}
        self._nowhere: dict[str, None] = {}  # sessions without a place
        self._moves = 0
        self._loading: set[str] = set()
        self._again: set[str] = set()
        self._pumps: dict[int, Pump] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._feed: AsyncGenerator[FeedOfAll, None] | None = None
        self._closing = False
        self._started = False

    async def __aenter__(self) -> Self:
        """Follow the core, and start to bring outdated places up to date in the background."""
        # Followed before anything is read: events during the reading are then heard, and compared by number.
        self._feed = self._core.follow_all(unchanging(VIEWER), None)
        await anext(self._feed)  # from here on nothing is missed
        self._spawn("view: listening", self._listen(self._feed))
        self._spawn("view: sessions behind", self._bring_up_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop. The next start sends everything that is not sent yet."""
        # First: a task that ends now must not start another one.
        self._closing = True
        tasks = [*self._tasks, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._feed is not None:
            await self._feed.aclose()

    async def show(self, place: Place) -> None:
        """Show the session of `place` from now on; returns at once. Store the row of `place` first."""
        # Tells `_held` that the place which it is just reading may be out of date.
        self._moves += 1
        self._nowhere.pop(place.session_id, None)
        held = self._sessions.get(place.session_id)
        if held is not None and held.place.channel_id != place.channel_id:
            # The old object may be in the middle of a read; what it marks afterwards has no effect.
            held.give_up()
            del self._sessions[place.session_id]
            if (left := self._pumps.get(held.place.channel_id)) is not None:
                left.drop(place.session_id)
        if (pump := self._pumps.get(place.channel_id)) is not None:
            # A person acts here, so the channel may take messages again.
            pump.reopen()
            self._keep_running(pump)
        self._begin(place.session_id)

    def changed(self, session_id: str) -> None:
        """Render the session's posts again, after a change for which the core sends no event."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.refresh()
        else:
            self._begin(session_id)

    async def choose_alternative(self, session_id: str, root_turn: str, turn_id: str) -> None:
        """Store the choice of alternative `turn_id`, and show it in the posts of its group's last answer."""
        await self._db.write([store_fact(chosen_fact(root_turn), turn_id)])
        session = await self._held(session_id)
        if session is not None:
            await session.show_alternative(root_turn)

    async def settled(self, session_id: str | None = None) -> None:
        """Wait until everything that should be in Discord is there, for one session or for all."""
        await asyncio.sleep(0.01)  # lets events published just now be taken in
        while not await self._is_settled(session_id):  # noqa: ASYNC110  # no single event marks the end of all work
            await asyncio.sleep(0.01)

    async def _is_settled(self, session_id: str | None) -> bool:
        if self._loading or not self._started:
            return False
        wanted = [session_id] if session_id is not None else list(self._sessions)
        for each in wanted:
            session = self._sessions.get(each)
            if session is None:
                continue
            pump = self._pumps.get(session.place.channel_id)
            info = await self._core.perform(VIEWER, GetSession(session_id=each))
            behind = session.is_behind or session.seen < info.last_event
            if behind or (pump is not None and not pump.is_settled):
                return False
        return True

    # --- sessions ---------------------------------------------------------------------------------------

    async def _listen(self, feed: AsyncGenerator[FeedOfAll, None]) -> None:
        async for change in feed:
            if isinstance(change, Begun):  # the feed dropped events
                # A copy: a load that ends meanwhile may forget sessions.
                for session in list(self._sessions.values()):
                    session.miss()
                    self._begin(session.session_id)
                continue
            for item in change.items:
                self._hear(item)

    def _hear(self, item: Feed) -> None:
        """Hand `item` to its session. If that fails, this session is read back; others are not affected."""
        session_id = item.session_id
        held = self._sessions.get(session_id)
        if held is None:
            # Sessions of other faces have no place here: without this
            # set each of their events would read the database.
            if session_id not in self._nowhere:
                self._begin(session_id)
            return
        try:
            is_complete = held.take(item)
        except Exception:
            log.exception("an event was not taken in", extra={"session": session_id})
            held.miss()
            is_complete = False
        if not is_complete:
            self._begin(session_id)

    async def _bring_up_all(self) -> None:
        while not self._started:
            try:
                for session_id in await sessions_behind(self._core, self._db):
                    self._begin(session_id)
                self._started = True
            except StorageError:
                log.exception("sessions behind not read")
                # No event will come for a place that is behind: without a
                # retry it would stay so until its next one.
                await asyncio.sleep(_AGAIN_S)

    def _begin(self, session_id: str) -> None:
        """Load the session if it is not held, and read back what it missed."""
        if session_id in self._loading:
            self._again.add(session_id)  # the running load may have read too early
        if session_id in self._loading or self._closing:
            return
        self._loading.add(session_id)
        self._spawn(f"view: session {session_id}", self._load(session_id))

    async def _load(self, session_id: str) -> None:
        try:
            while True:
                if await self._is_brought_up(session_id):
                    return
                # Outside the gate: a session that cannot be read must not block the others.
                await asyncio.sleep(_AGAIN_S)
        finally:
            self._loading.discard(session_id)
            if session_id in self._again:
                self._again.discard(session_id)
                self._begin(session_id)

    async def _is_brought_up(self, session_id: str) -> bool:
        """Read the missing events back. Return False on failure: retry then, for no later event may come."""
        async with self._gate:
            try:
                session = await self._held(session_id)
                # A move during the read gives this object up: it is no longer behind, and `_load` begins anew.
                while session is not None and session.is_behind:
                    await self._catch_up(session)
            except Exception:
                log.exception("reading back failed", extra={"session": session_id})
                return False
        return True

    async def _held(self, session_id: str) -> ShownSession | None:
        """Return the session, held from now on; None if it has no place."""
        while (held := self._sessions.get(session_id)) is None:
            moves = self._moves
            place = await load_place(self._db, session_id)
            if moves != self._moves:
                continue  # the session may have moved since the place was read
            if place is None:
                self._nowhere[session_id] = None
                while len(self._nowhere) > _MOST_NOWHERE:
                    self._nowhere.pop(next(iter(self._nowhere)))
                return None
            self._nowhere.pop(session_id, None)
            self._forget_quiet_ones()
            # `setdefault`: another task may have held it during the
            # read of the place, and two objects would post twice.
            self._sessions.setdefault(session_id, ShownSession(place, self._around))
        return held

    async def _catch_up(self, session: ShownSession) -> None:
        try:
            await session.catch_up()
        except SessionNotFound:
            self._sessions.pop(session.session_id, None)
            session.give_up()

    def _forget_quiet_ones(self) -> None:
        if len(self._sessions) < _MOST_HELD:
            return
        # A session that is not quiet has units that a pump will still render.
        quiet = [each for each, session in self._sessions.items() if session.is_quiet]
        for session_id in quiet[: _MOST_HELD // 3]:
            del self._sessions[session_id]

    # --- pumps ------------------------------------------------------------------------------------------

    def _mark(self, channel_id: int, unit: Unit, urgency: Urgency, after_s: float) -> None:
        pump = self._pump(channel_id)
        pump.mark(unit, urgency, after_s=after_s)
        self._keep_running(pump)

    def _type(self, channel_id: int, session_id: str, works: Callable[[], Awaitable[bool]]) -> None:
        pump = self._pump(channel_id)
        pump.type_while(session_id, works)
        self._keep_running(pump)

    def _pump(self, channel_id: int) -> Pump:
        if channel_id not in self._pumps:
            pace = self._paces.of(channel_id)
            self._pumps[channel_id] = Pump(channel_id, self._posting, self._traffic, pace, self._timer)
            self._pumps[channel_id].on_closed = self._tell_closed
        return self._pumps[channel_id]

    def _keep_running(self, pump: Pump) -> None:
        """Give the pump a task if it has work and no task yet."""
        channel_id = pump.channel_id
        # One task a channel: two would break the order of its messages.
        if self._closing or channel_id in self._running or pump.is_idle:
            return
        task = asyncio.create_task(pump.run(), name=f"pump {channel_id}")
        self._running[channel_id] = task
        task.add_done_callback(lambda done: self._pump_rests(pump, done))

    def _pump_rests(self, pump: Pump, task: asyncio.Task[None]) -> None:
        self._running.pop(pump.channel_id, None)
        if task.cancelled() or self._closing:
            return
        if (error := task.exception()) is not None:
            log.error("pump ended", exc_info=error, extra={"channel": pump.channel_id})
        # Units may have been marked between the end of `run` and this callback.
        self._keep_running(pump)
        # A closed pump is kept: a new one would write to the channel at once, and be refused again.
        if pump.is_idle and not pump.closed:
            self._pumps.pop(pump.channel_id, None)

    def _spawn(self, name: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=name)
        # The event loop holds tasks only weakly: without this set one may be collected while it waits.
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Log a failed task of the view; the others go on."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the view failed", exc_info=error, extra={"task_name": task.get_name()})

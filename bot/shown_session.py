"""One session in its channel: which events change which posts.

Events come live from the bus, or are read back after a start or a gap; both go through `_happen`. It only marks
units; what they show is read and rendered when the pump has time for them.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.bodies import PostWish
from bot.cards import (
    CONTEXT_SUBJECT,
    STATUS_SUBJECT,
    WorkPlace,
    context_notice,
    notice,
    read_work_place,
    status_card,
)
from bot.post_rows import unconfirmed_subjects
from bot.posting import Posts
from bot.pump import Unit, Urgency
from bot.render import Setting, TurnFace, ask_wish, render_queued, render_turn
from bot.rows import Place, load_posts, note_shown
from bot.turn_store import TurnStore
from sessions import events as e
from sessions.access import Actor, Role
from sessions.bus import Bus
from sessions.clock import Clock
from sessions.commands import Core, GetSession, SessionInfo
from sessions.model import Activity, AskId, Blocker, Lifecycle, SessionId, TurnId
from sessions.rows import load_ask, load_events, load_snapshot, load_turn
from storage import Database

VIEWER = Actor("bridge:view", "discord", Role.ADMIN)
_OLD_STATUS_EVERY_S = 60.0
_OLD_MESSAGE_MS = 50 * 60 * 1000  # Discord slows edits of messages older than an hour
_DISCORD_EPOCH_MS = 1_420_070_400_000
_PAGE = 200


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How the view behaves; times in seconds."""

    default_model: str = ""
    edit_interval_s: float = 1.25
    typing_interval_s: float = 7.5
    ping_after_s: float = 30.0
    queue_post_after_s: float = 1.0
    status_every_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Around:
    """What every shown session works with. `mark` and `type_` reach the pump of a channel."""

    core: Core
    bus: Bus
    db: Database
    clock: Clock
    options: ViewOptions
    mark: Callable[[int, Unit, Urgency, float], None]
    type_: Callable[[int, str, bool], None]
    spawn: Callable[[str, Coroutine[None, None, None]], None]


class ShownSession:
    """What of a session is in its channel. `seen` is the last event that was taken in."""

    def __init__(self, place: Place, around: Around) -> None:
        self.place = place
        self.seen = place.shown_event
        self.session_id = SessionId(place.session_id)
        self._around = around
        self._noted = place.shown_event
        self._turns = TurnStore(around.db, around.bus, self.session_id)
        self._units: dict[str, Unit] = {}
        self._notices: dict[str, PostWish] = {}
        self._info: SessionInfo | None = None
        self._work_place = WorkPlace()
        self._missed = True
        self._catching_up = False
        self._newest = 0

    @property
    def is_quiet(self) -> bool:
        """Whether all that was taken in is shown, so that it may be forgotten."""
        return not self._missed and not any(unit.dirty for unit in self._units.values())

    @property
    def is_behind(self) -> bool:
        """Whether events are still to be read back."""
        return self._missed

    # --- taking in --------------------------------------------------------------------------------------

    def take(self, item: e.Feed) -> bool:
        """Take in what the bus brings; False if something is missing before it: then `catch_up`."""
        if self._missed:
            if isinstance(item, e.Numbered):
                self._newest = max(self._newest, item.number)
            return self._catching_up
        if isinstance(item, e.PartialText):
            self._turns.grow(item)
            self._mark_turn(item.turn_id, Urgency.STREAM)
            return True
        if item.number > self.seen + 1:
            self._missed = True
            return False
        if item.number == self.seen + 1:
            self.seen = item.number
            self._happen(item)
        return True

    def miss(self) -> None:
        """The bus could not keep everything for us."""
        self._missed = True

    def give_up(self) -> None:
        """The session is gone: there is nothing to show."""
        self._missed = False

    async def catch_up(self) -> None:
        """Read back the events that were not taken in, and go on live."""
        if self._catching_up:
            return
        self._catching_up = True
        try:
            await self._turns.load_asks()
            self._turns.mark_all_missed()
            self._info = await self._around.core.perform(VIEWER, GetSession(session_id=self.session_id))
            self._mark(self._unit(STATUS_SUBJECT, self._render_status, 0), Urgency.FINAL)
            for subject in await unconfirmed_subjects(self._around.db, self.session_id):
                await self._mark_subject(subject)
            await self._read_back()
            self._missed = False
        finally:
            self._catching_up = False
        self._mark_what_goes_on()
        self._read_work_place()

    async def _read_back(self) -> None:
        while True:
            page = await load_events(self._around.db, self.session_id, after=self.seen, limit=_PAGE)
            for event in page:
                self.seen = event.number
                self._happen(event)
            # What the bus brought while the last page was read may not be on it.
            if not page and self._newest <= self.seen:
                return

    def _mark_what_goes_on(self) -> None:
        info = self._info
        if info is None:
            return
        if info.running_turn is not None:
            if info.activity is Activity.BLOCKED:
                self._turns.set_waiting(info.running_turn, info.reason)
            self._mark_turn(info.running_turn, Urgency.FINAL)
        for turn_id in info.queued_turns:
            self._mark_queued(turn_id)
        working = info.lifecycle is Lifecycle.LIVE and info.activity is Activity.WORKING
        self._around.type_(self.place.channel_id, self.session_id, working)

    def refresh(self) -> None:
        """Render what may have changed without an event."""
        for turn_id in self._turns.with_open_asks():
            self._mark_turn(turn_id, Urgency.PROMPT)
        self._mark_status()

    async def refresh_subject(self, subject: str) -> None:
        """Read the posts of `subject` again, and put them right."""
        name = await self._unit_name(subject)
        self._units.pop(name, None)
        await self._mark_subject(subject)

    async def _unit_name(self, subject: str) -> str:
        kind, _, key = subject.partition(":")
        if kind != "ask":
            return subject
        stored = await load_ask(self._around.db, AskId(key))
        turn_id = stored.ask.turn_id if stored is not None else None
        return f"turn:{turn_id}" if turn_id is not None else subject

    async def _mark_subject(self, subject: str) -> None:
        name = await self._unit_name(subject)
        kind, _, key = name.partition(":")
        match kind:
            case "turn":
                self._turns.mark_stale(key)
                self._mark_turn(key, Urgency.FINAL)
            case "queued":
                self._mark_queued(key)
            case "ask":
                self._mark_ask(key, Urgency.FINAL)
            case "status":
                self._mark_status()
            case _ if subject == CONTEXT_SUBJECT:
                self._mark_context()
            case _:
                pass  # a notice: its event is read back

    # --- events -----------------------------------------------------------------------------------------

    def _happen(self, numbered: e.Numbered) -> None:
        event = numbered.event
        match event:
            case e.BlockAdded():
                self._turns.add_block(event)
                self._mark_turn(event.turn_id, Urgency.STREAM)
                return
            case e.AskOpened() | e.AskDecided() | e.AskWithdrawn():
                self._ask_happens(event)
            case e.Noticed():
                self._notice_happens(event, numbered.number)
            case e.ActivityChanged() | e.LifecycleChanged():
                self._state_happens(event)
            case e.ContextMeasured():
                self._mark_context()
            case e.TurnQueued(alternative_of=str(root)):
                self._mark_alternatives(root)
                self._turn_happens(event.turn_id)
            case (
                e.TurnQueued()
                | e.TurnElsewhere()
                | e.TurnRequeued()
                | e.TurnEdited()
                | e.TurnMovedToFront()
                | e.TurnWithdrawn()
                | e.TurnSent()
                | e.TurnStarted()
                | e.BackgroundTurnStarted()
                | e.TurnEnded()
                | e.TurnContinued()
            ):
                self._turn_happens(event.turn_id)
                if isinstance(event, e.TurnEnded):
                    self._read_work_place()
            case _:
                pass
        self._info = None
        self._mark_status()

    def _turn_happens(self, turn_id: TurnId) -> None:
        """A turn moved on: its own posts, and the places of all that wait."""
        self._turns.mark_stale(turn_id)
        self._turns.set_waiting(turn_id, "")
        self._mark_queued(turn_id)
        for name in [name for name in self._units if name.startswith("queued:")]:
            self._mark_queued(name.removeprefix("queued:"))
        self._mark_turn(turn_id, Urgency.FINAL)

    def _ask_happens(self, event: e.AskOpened | e.AskDecided | e.AskWithdrawn) -> None:
        if isinstance(event, e.AskOpened):
            ask_id, turn = event.ask.id, event.ask.turn_id
        else:
            ask_id, turn = event.ask_id, None
        turn_id = self._turns.ask_changed(ask_id, turn)
        if turn_id is not None:
            self._mark_turn(turn_id, Urgency.PROMPT)
        else:
            self._mark_ask(ask_id, Urgency.PROMPT)

    def _notice_happens(self, event: e.Noticed, number: int) -> None:
        wish = notice(event, number, self.place.owner_id)
        if wish is not None:
            self._notices[wish.subject] = wish
            self._mark(self._unit(wish.subject, self._notice_renderer(wish.subject)), Urgency.FINAL)

    def _state_happens(self, event: e.ActivityChanged | e.LifecycleChanged) -> None:
        working = event.new is Activity.WORKING
        self._around.type_(self.place.channel_id, self.session_id, working)
        running = next((name for name in self._units if name.startswith("turn:")), None)
        if isinstance(event, e.ActivityChanged):
            waits = event.new is Activity.BLOCKED and event.blocker is not Blocker.NO_PROGRESS
            for name in [name for name in self._units if name.startswith("turn:")]:
                turn_id = name.removeprefix("turn:")
                if not self._turns.is_over(turn_id):
                    self._turns.set_waiting(turn_id, event.cause if waits else "")
                    self._mark_turn(turn_id, Urgency.STREAM)
        elif running is None:
            for name in [name for name in self._units if name.startswith("queued:")]:
                self._mark_queued(name.removeprefix("queued:"))

    # --- marking ----------------------------------------------------------------------------------------

    def _mark(self, unit: Unit, urgency: Urgency, after_s: float = 0.0) -> None:
        if self._catching_up and urgency is Urgency.PROMPT:
            urgency = Urgency.FINAL  # what was missed comes in its order
        self._around.mark(self.place.channel_id, unit, urgency, after_s)

    def _unit(
        self, name: str, render: Callable[[], Awaitable[Sequence[PostWish]]], number: int | None = None
    ) -> Unit:
        if name not in self._units:
            posts = Posts(self.session_id, self.place.channel_id)
            number = self.seen if number is None else number
            self._units[name] = Unit(name, number, posts, render, self._cleaner(name))
        return self._units[name]

    def _mark_turn(self, turn_id: str, urgency: Urgency) -> None:
        self._turns.hold(turn_id)
        name = f"turn:{turn_id}"
        if name not in self._units:
            self._unit(name, self._turn_renderer(turn_id))
        self._mark(self._units[name], urgency)

    def _mark_queued(self, turn_id: str) -> None:
        name = f"queued:{turn_id}"
        if name not in self._units:
            self._unit(name, self._queued_renderer(turn_id))
        # A prompt that is sent at once needs no post.
        self._mark(self._units[name], Urgency.FINAL, self._around.options.queue_post_after_s)

    def _mark_ask(self, ask_id: str, urgency: Urgency) -> None:
        self._mark(self._unit(f"ask:{ask_id}", self._ask_renderer(ask_id)), urgency)

    def _mark_status(self) -> None:
        self._mark(self._unit(STATUS_SUBJECT, self._render_status, 0), Urgency.STATUS)

    def _mark_context(self) -> None:
        self._mark(self._unit(CONTEXT_SUBJECT, self._render_context), Urgency.STATUS)

    def _mark_alternatives(self, root: str) -> None:
        async def mark() -> None:
            for turn in await self._turns.group_of(await load_turn(self._around.db, TurnId(root))):
                self._mark_turn(turn.id, Urgency.FINAL)

        self._around.spawn(f"alternatives of {root}", mark())

    async def show_alternative(self, root: str) -> None:
        """Another alternative of the group was chosen."""
        group = await self._turns.group_of(await load_turn(self._around.db, TurnId(root)))
        self._mark_turn(group[-1].id, Urgency.PROMPT)

    # --- rendering --------------------------------------------------------------------------------------

    async def _now(self) -> SessionInfo:
        while (info := self._info) is None:
            self._info = await self._around.core.perform(VIEWER, GetSession(session_id=self.session_id))
        return info

    def _setting(self, info: SessionInfo) -> Setting:
        options = self._around.options
        return Setting(
            self.session_id,
            self.place.owner_id,
            options.default_model,
            info.model,
            info.work_directory_name,
            options.ping_after_s,
        )

    async def _load_posts(self, unit: Unit, subject: str) -> None:
        if any(key[0] == subject for key in unit.posts.rows):
            return
        for row in await load_posts(self._around.db, self.session_id, subject):
            unit.posts.rows[row.subject, row.ordinal] = row

    def _turn_renderer(self, turn_id: str) -> Callable[[], Awaitable[Sequence[PostWish]]]:
        async def render() -> Sequence[PostWish]:
            info = await self._now()
            face = await self._turns.face(turn_id, info.work_directory_name)
            wishes = render_turn(face, self._setting(info))
            wishes += self._asks_elsewhere(face, wishes, info)
            unit = self._units[f"turn:{turn_id}"]
            for subject in dict.fromkeys([unit.name, *(wish.subject for wish in wishes)]):
                await self._load_posts(unit, subject)
            return wishes

        return render

    def _asks_elsewhere(self, face: TurnFace, wishes: Sequence[PostWish], info: SessionInfo) -> list[PostWish]:
        """The asks that have no place among the turn's posts: those of subagents."""
        there = {wish.subject for wish in wishes}
        return [
            ask_wish(ask, face, self._setting(info))
            for ask_id, ask in face.asks.items()
            if f"ask:{ask_id}" not in there
        ]

    def _queued_renderer(self, turn_id: str) -> Callable[[], Awaitable[Sequence[PostWish]]]:
        async def render() -> Sequence[PostWish]:
            info = await self._now()
            await self._load_posts(self._units[f"queued:{turn_id}"], f"queued:{turn_id}")
            if turn_id not in info.queued_turns:
                return []
            turn = await load_turn(self._around.db, TurnId(turn_id))
            ahead = info.queued_turns.index(TurnId(turn_id)) + (info.running_turn is not None)
            return [render_queued(turn, ahead, _why_it_waits(info), self._setting(info))]

        return render

    def _ask_renderer(self, ask_id: str) -> Callable[[], Awaitable[Sequence[PostWish]]]:
        async def render() -> Sequence[PostWish]:
            stored = await load_ask(self._around.db, AskId(ask_id))
            if stored is None:
                return []
            await self._load_posts(self._units[f"ask:{ask_id}"], f"ask:{ask_id}")
            return [ask_wish(stored, None, self._setting(await self._now()))]

        return render

    def _notice_renderer(self, subject: str) -> Callable[[], Awaitable[Sequence[PostWish]]]:
        async def render() -> Sequence[PostWish]:
            await self._load_posts(self._units[subject], subject)
            wish = self._notices.get(subject)
            return [wish] if wish is not None else []

        return render

    async def _render_context(self) -> Sequence[PostWish]:
        await self._load_posts(self._units[CONTEXT_SUBJECT], CONTEXT_SUBJECT)
        wish = context_notice(await self._now())
        return [wish] if wish is not None else []

    async def _render_status(self) -> Sequence[PostWish]:
        unit = self._units[STATUS_SUBJECT]
        await self._load_posts(unit, STATUS_SUBJECT)
        row = unit.posts.rows.get((STATUS_SUBJECT, 0))
        made_ms = (row.message_id >> 22) + _DISCORD_EPOCH_MS if row is not None and row.message_id else 0
        old = bool(made_ms) and self._around.clock.now_ms() - made_ms > _OLD_MESSAGE_MS
        unit.every_s = _OLD_STATUS_EVERY_S if old else self._around.options.status_every_s
        return [PostWish(STATUS_SUBJECT, 0, status_card(await self._now(), self._work_place))]

    def _read_work_place(self) -> None:
        async def read() -> None:
            snapshot = await load_snapshot(self._around.db, self.session_id)
            if snapshot is None or not snapshot.work_directory:
                return
            found = await read_work_place(Path(snapshot.work_directory))
            if found != self._work_place:
                self._work_place = found
                self._mark_status()

        if not self._catching_up:
            self._around.spawn(f"work place of {self.session_id}", read())

    # --- shown ------------------------------------------------------------------------------------------

    def _cleaner(self, name: str) -> Callable[[], Awaitable[None]]:
        async def clean() -> None:
            kind, _, key = name.partition(":")
            if kind == "turn" and self._turns.is_over(key):
                self._turns.let_go(key)
                self._units.pop(name, None)
            elif kind in ("queued", "ask", "notice"):
                self._notices.pop(name, None)
                if kind != "queued" or not self._units[name].posts.rows:
                    self._units.pop(name, None)
            if self.is_quiet and self.seen > self._noted:
                self._noted = self.seen
                await self._around.db.write([note_shown(self.session_id, self.seen)])

        return clean


def _why_it_waits(info: SessionInfo) -> str:
    if info.blocker is Blocker.USAGE_LIMIT:
        return "The usage limit is reached; it goes on when that opens again."
    if info.place_in_line:
        sessions = "1 session gets" if info.place_in_line == 1 else f"{info.place_in_line} sessions get"
        return f"{sessions} a place first."
    return ""

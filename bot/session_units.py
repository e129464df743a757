"""The units of one session: its turns, queue posts, asks, notices and status, each rendered when the pump asks.

Answers for the content of each unit and its existing posts. `shown_session.py` decides which events mark which
unit.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import groupby
from typing import assert_never

import msgspec
from msgspec.structs import replace

from api import Core, SessionInfo
from bot.actors import VIEWER
from bot.bodies import Plain, PostWish
from bot.cards import SESSION_CARDS
from bot.hints import hint_post
from bot.history import History, history_post
from bot.outgoing_files import pictures_of
from bot.post_unit import Unit
from bot.posting import Posts, SessionGone
from bot.render import AskAhead, Setting, TurnFace, ask_wish, render_queued, render_turn
from bot.rows import Place, load_fact, load_posts, muted_fact
from bot.session_reader import SessionReader
from bot.status_card import status_card
from bot.subjects import STATUS_SUBJECT, UnitKind, parse_subject, subject_of
from bot.thread_names import ThreadNames
from bot.traffic import Urgency
from bot.turn_store import TurnStore
from bot.wait_marks import WaitMarks
from sessions.clock import Clock
from sessions.errors import SessionNotFound, TurnNotFound
from sessions.model import Activity, Blocker, Lifecycle, TurnKind
from sessions.stored import StoredTurn
from storage import Database

_OLD_STATUS_EVERY_S = 60.0
_OLD_MESSAGE_MS = 50 * 60 * 1000  # Discord slows edits of messages older than an hour
_DISCORD_EPOCH_MS = 1_420_070_400_000

Wishes = Sequence[PostWish]


class ViewOptions(msgspec.Struct, frozen=True):
    """Options of the view; times in seconds. `admin_id` is pinged when a project waits for a decision."""

    default_model: str = ""
    admin_id: int | None = None
    edit_interval_s: float = 1.25
    first_edits_s: float = 1.0
    first_post_after_s: float = 0.4
    typing_interval_s: float = 7.5
    ping_after_s: float = 30.0
    queue_post_after_s: float = 1.0
    signs_waiting: bool = False
    status_every_s: float = 5.0


class Around(msgspec.Struct, frozen=True):
    """The dependencies of a shown session. `mark` and `type_` reach the pump of a channel."""

    core: Core
    db: Database
    clock: Clock
    options: ViewOptions
    mark: Callable[[int, Unit, Urgency, float], None]
    type_: Callable[[int, str, Callable[[], Awaitable[bool]]], None]
    spawn: Callable[[str, Coroutine[None, None, None]], None]
    names: ThreadNames
    waits: WaitMarks


class SessionUnits:
    """A session's units by name; the name is the subject of their posts. Awaits `cleaned` when one is shown."""

    def __init__(
        self, place: Place, around: Around, turns: TurnStore, cleaned: Callable[[], Awaitable[None]]
    ) -> None:
        self._info: SessionInfo | None = None
        self._changes = 0
        self._place = place
        self._reader = SessionReader(around.core, place.session_id)
        self._around = around
        self._turns = turns
        self._cleaned = cleaned
        self._units: dict[str, Unit] = {}
        self._notices: dict[str, PostWish] = {}
        self.history = History(place.channel_id)
        """The history that the session brought into this channel; set it before anything is rendered."""
        self._queue_of: tuple[SessionInfo | None, Sequence[StoredTurn]] = None, ()
        self._with_row: set[str] = set()

    @property
    def all_shown(self) -> bool:
        """Whether no unit waits to be sent."""
        return not any(unit.dirty for unit in self._units.values())

    def keys(self, kind: UnitKind) -> list[str]:
        """Return the keys of the units of this kind, for example turn ids."""
        return [key for each, key in map(parse_subject, self._units) if each is kind and key]

    def unit(self, name: str, number: int) -> Unit:
        """Return the unit of this name. A new one stands at `number` in the channel's order."""
        if name not in self._units:
            posts = Posts(self._place.session_id, self._place.channel_id)
            # The status stands at the head of the channel, whichever event came first.
            number = 0 if name == STATUS_SUBJECT else number
            self._units[name] = Unit(name, number, posts, self._renderer(name), self._cleaner(name))
        return self._units[name]

    def is_held(self, name: str) -> bool:
        """Whether a unit of this name is in memory: one that is shown and over is not."""
        return name in self._units

    def may_have_rows(self) -> set[str]:
        """Return the turns whose posts have the row of the last answer, or may be getting it just now."""
        return self._with_row.union(self.keys(UnitKind.TURN))

    def has_posts(self, name: str) -> bool:
        """Whether the unit of this name has posts, as far as is known."""
        unit = self._units.get(name)
        return unit is not None and bool(unit.posts.rows)

    def waits_already(self, name: str, urgency: Urgency) -> bool:
        """Whether the unit of this name waits to be sent and is at least so urgent."""
        unit = self._units.get(name)
        return unit is not None and unit.waits_already(urgency)

    def set_notice(self, wish: PostWish) -> None:
        """Set the post of a notice for its next rendering."""
        self._notices[wish.subject] = wish

    async def session(self) -> SessionInfo:
        """Return the session's present state. Raises `SessionNotFound`."""
        if self._info is not None:
            return self._info
        # A counter, not the event's content: several changes may come during the one await.
        changes = self._changes
        info = await self._reader.info()
        # A change during the request may be missing in the answer: then do not remember it.
        if changes == self._changes:
            self._info = info
        return info

    async def claude_works(self) -> bool:
        """Whether people should see Claude typing now."""
        try:
            return is_working(await self.session())
        except SessionNotFound:
            return False

    def session_changed(self) -> None:
        """Note that the session changed: its state is read again for the next rendering."""
        self._info = None
        self._changes += 1

    # --- rendering --------------------------------------------------------------------------------------

    def _renderer(self, name: str) -> Callable[[], Awaitable[Wishes]]:
        async def render() -> Wishes:
            unit = self._units.get(name)
            if unit is None:
                return []
            # Not at the unit's making: marking must not await, for it happens once an event.
            await self._load_posts(unit, name)
            try:
                return await self._without_muted_pings(await self._render(name, unit))
            except (SessionNotFound, TurnNotFound) as error:
                raise SessionGone from error

        return render

    async def _without_muted_pings(self, wishes: Wishes) -> Wishes:
        """Return `wishes` without pings of the owner, if the owner muted the session."""
        owner_id = self._place.owner_id
        if not any(wish.ping == owner_id for wish in wishes):
            return wishes
        if not await load_fact(self._around.db, muted_fact(self._place.session_id)):
            return wishes
        return [replace(wish, ping=None) if wish.ping == owner_id else wish for wish in wishes]

    async def _render(self, name: str, unit: Unit) -> Wishes:
        kind, key = parse_subject(name)
        match kind:
            case UnitKind.TURN:
                return await self._turn(key, unit)
            case UnitKind.QUEUED:
                self.sign_waiting()
                return await self._queued(key)
            case UnitKind.ASK:
                stored = await self._reader.ask(key)
                return [ask_wish(stored, None, self._setting(await self.session()))] if stored else []
            case UnitKind.STATUS:
                return await self._status(unit)
            case UnitKind.PICTURES:
                return await self._pictures(key, unit)
            case UnitKind.HINT:
                hint = await hint_post(self._around.db, self._place.session_id)
                return [PostWish(name, 0, hint, once=True)] if hint is not None else []
            case UnitKind.HISTORY:
                post = await history_post(self._around.core, self._place.session_id, self.history)
                return [PostWish(name, 0, post, once=True)] if post is not None else []
            case UnitKind.NOTICE if name in SESSION_CARDS:
                card = SESSION_CARDS[name].render(await self.session())
                return [PostWish(name, 0, card)] if card is not None else []
            case UnitKind.NOTICE:
                return [self._notices[name]] if name in self._notices else []
            case _:
                assert_never(kind)

    def _setting(self, info: SessionInfo) -> Setting:
        return Setting(
            info.id,
            self._place.owner_id,
            self._around.options.default_model,
            info.model,
            info.work_directory_name,
            self._around.options.ping_after_s,
            info.last_turn or "",
            info.lifecycle is Lifecycle.ENDED,
            info.goes_on_from or "",
            self.history,
        )

    async def _load_posts(self, unit: Unit, subject: str) -> None:
        if any(key[0] == subject for key in unit.posts.rows):
            return
        for row in await load_posts(self._around.db, self._place.session_id, self._place.channel_id, subject):
            unit.posts.rows[row.subject, row.ordinal] = row

    async def _turn(self, turn_id: str, unit: Unit) -> Wishes:
        info = await self.session()
        face = await self._turns.face(turn_id, info.work_directory_name)
        wishes = render_turn(face, self._setting(info))
        # Remembered, since the turn that begins next takes the row from each of these.
        if face.over and info.last_turn in (None, turn_id):
            self._with_row.add(turn_id)
        else:
            self._with_row.discard(turn_id)
        wishes += self._asks_elsewhere(face, wishes, info)
        for subject in dict.fromkeys(wish.subject for wish in wishes):
            await self._load_posts(unit, subject)
        return wishes

    async def _pictures(self, turn_id: str, unit: Unit) -> Wishes:
        """Return the post with a turn's pictures: made once, as the files are when the turn ends."""
        row = unit.posts.rows.get((unit.name, 0))
        # The post exists and is never edited: reading the pictures again would be in vain.
        if row is not None and row.message_id is not None:
            return [PostWish(unit.name, 0, Plain(""), once=True)]
        info = await self.session()
        face = await self._turns.face(turn_id, info.work_directory_name)
        post = await pictures_of(self._around.core, VIEWER, face.turn, face.flow.pictures)
        return [PostWish(unit.name, 0, post, once=True)] if post is not None else []

    def _asks_elsewhere(self, face: TurnFace, wishes: Wishes, info: SessionInfo) -> list[PostWish]:
        """Return the cards of asks that have no place among the turn's posts: those of subagents."""
        there = {wish.subject for wish in wishes}
        missing = [ask for ask_id, ask in face.asks.items() if subject_of(UnitKind.ASK, ask_id) not in there]
        return [ask_wish(ask, face, self._setting(info)) for ask in missing]

    async def _queued(self, turn_id: str) -> Wishes:
        info = await self.session()
        # No posts are wished any more, so the plan removes the one that exists.
        if turn_id not in info.queued_turns:
            return []
        row = sent_in_a_row(await self._queue(info), turn_id)
        if row[0].id != turn_id:
            return []  # the post of the first prompt in the row shows it
        ahead = info.queued_turns.index(row[0].id) + (info.running_turn is not None)
        asked = await self._ask_ahead(info)
        return [render_queued(row, ahead, _why_it_waits(info), self._setting(info), asked)]

    def sign_waiting(self) -> None:
        """Bring the signs on waiting messages up to date."""
        follow = self._around.waits.follow(self._place, self._waiting)
        self._around.spawn(f"signs of {self._place.session_id}", follow)

    async def _waiting(self) -> list[StoredTurn]:
        """Return the queued prompts. Raises `SessionNotFound`."""
        return list(await self._queue(await self.session()))

    async def _queue(self, info: SessionInfo) -> Sequence[StoredTurn]:
        """Return the queued prompts of `info`. Read once per `info`: each prompt's post needs all."""
        # By identity: `session()` returns the same object until the session changes.
        known, turns = self._queue_of
        if known is not info:
            turns = [await self._reader.turn_row(each) for each in info.queued_turns]
            self._queue_of = info, turns
        return turns

    async def _ask_ahead(self, info: SessionInfo) -> AskAhead | None:
        """Return the oldest open ask, with the address of its card."""
        stored = await self._reader.ask(info.open_asks[0]) if info.open_asks else None
        if stored is None:
            return None
        place, subject = self._place, subject_of(UnitKind.ASK, stored.ask.id)
        posts = await load_posts(self._around.db, place.session_id, place.channel_id, subject)
        message_id = next((post.message_id for post in posts if post.message_id), None)
        link = f"https://discord.com/channels/{place.guild_id}/{place.channel_id}/{message_id}"
        return AskAhead(stored, link if message_id is not None else "")

    async def _status(self, unit: Unit) -> Wishes:
        row = unit.posts.rows.get((STATUS_SUBJECT, 0))
        # A message's id holds the time of its creation above its lowest 22 bits.
        made_ms = (row.message_id >> 22) + _DISCORD_EPOCH_MS if row is not None and row.message_id else 0
        old = bool(made_ms) and self._around.clock.now_ms() - made_ms > _OLD_MESSAGE_MS
        unit.every_s = _OLD_STATUS_EVERY_S if old else self._around.options.status_every_s
        return [PostWish(STATUS_SUBJECT, 0, status_card(await self.session()))]

    # --- shown ------------------------------------------------------------------------------------------

    def _cleaner(self, name: str) -> Callable[[], Awaitable[None]]:
        async def clean() -> None:
            self._let_go(name)
            await self._cleaned()

        return clean

    def _let_go(self, name: str) -> None:
        """Forget a unit that is shown and over."""
        kind, key = parse_subject(name)
        match kind:
            # A running turn stays in memory: its text grows, and
            # reading it anew for each piece would cost too much.
            case UnitKind.TURN if self._turns.is_over(key):
                self._turns.let_go(key)
                self._units.pop(name, None)
            case UnitKind.PICTURES:
                self._units.pop(name, None)
                if self._turns.is_over(key) and subject_of(UnitKind.TURN, key) not in self._units:
                    self._turns.let_go(key)
            case UnitKind.ASK | UnitKind.NOTICE | UnitKind.HISTORY | UnitKind.HINT:
                self._notices.pop(name, None)
                self._units.pop(name, None)
            # While the post exists, the unit must know it: the prompt's start removes it.
            case UnitKind.QUEUED if name in self._units and not self._units[name].posts.rows:
                self._units.pop(name, None)
            case _:
                pass


def sent_in_a_row(queue: Sequence[StoredTurn], turn_id: str) -> Sequence[StoredTurn]:
    """Return the consecutive plain prompts of one person in the queue that `turn_id` belongs to."""
    for _, group in groupby(queue, key=_joins_with):
        row = list(group)
        if any(turn.id == turn_id for turn in row):
            return row
    raise TurnNotFound(turn_id)


def _joins_with(turn: StoredTurn) -> tuple[str, str]:
    """Grouping key: adjacent prompts with the same key can be joined. Other turns have a key of their own."""
    plain = turn.kind is TurnKind.PROMPT and turn.alternative_of is None
    return turn.author_id, "" if plain else turn.id


def is_working(info: SessionInfo) -> bool:
    """Whether Claude works or is being started for a prompt, and no ask, limit or full disk holds it up."""
    if info.waits_for_disk or info.open_asks or info.activity in (Activity.ASKING, Activity.BLOCKED):
        return False
    if info.lifecycle not in (Lifecycle.STARTING, Lifecycle.LIVE):
        return False  # it waits for a place or has nothing to do
    return info.running_turn is not None or bool(info.queued_turns) or info.activity is Activity.WORKING


def _why_it_waits(info: SessionInfo) -> str:
    if info.blocker is Blocker.USAGE_LIMIT:
        return "The usage limit is reached; it goes on when that opens again."
    if info.place_in_line:
        sessions = "1 session gets" if info.place_in_line == 1 else f"{info.place_in_line} sessions get"
        return f"{sessions} a place first."
    return ""

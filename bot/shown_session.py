"""One session in its channel: decide which events change which posts.

Events come live from the core, or are read back after a start or a gap; both go through `_happen`. This module
only marks units. Their content is read and rendered when the pump has time for them.
"""

from api.words.notices import waiting_text
from bot.cards import SESSION_CARDS, notice
from bot.delivery_rows import unconfirmed_subjects
from bot.hints import hint_post
from bot.history import load_history
from bot.rows import Place, load_posts, note_shown
from bot.session_reader import SessionReader
from bot.session_units import Around, SessionUnits
from bot.site_card import site_question
from bot.subjects import STATUS_SUBJECT, UnitKind, parse_subject, subject_of
from bot.traffic import Urgency
from bot.trust_card import trust_question
from bot.turn_store import TurnStore
from sessions import events as e
from sessions.model import Activity, Blocker, Lifecycle, SessionId, TurnStatus
from sessions.topics import Topic

_PAGE = 200


class ShownSession:
    """A session as its channel shows it. `seen` is the number of the last event taken in."""

    def __init__(self, place: Place, around: Around) -> None:
        self.place = place
        self.seen = place.shown_event
        self.session_id = SessionId(place.session_id)
        self._around = around
        self._noted = place.shown_event
        self._reader = SessionReader(around.core, place.session_id)
        self._turns = TurnStore(around.db, self._reader)
        self._units = SessionUnits(place, around, self._turns, self._note_shown)
        self._missed = True
        self._catching_up = False
        self._given_up = False
        self._newest = 0
        self._queued: dict[str, None] = {}

    @property
    def is_quiet(self) -> bool:
        """Whether every event taken in is shown, so that the session may leave memory."""
        return not self._missed and self._units.all_shown

    @property
    def is_behind(self) -> bool:
        """Whether events must be read back."""
        return self._missed

    # --- taking in --------------------------------------------------------------------------------------

    def take(self, item: e.Feed) -> bool:
        """Take in an item of the core's feed. Return False if earlier ones are missing: then `catch_up`."""
        # Events after a gap are not taken in: turns would be posted in the wrong order. `catch_up` reads them.
        if self._missed:
            if isinstance(item, e.Numbered):
                self._newest = max(self._newest, item.number)
                # A read of the state that runs now may lack this event: its answer is not remembered then.
                self._units.session_changed()
            return self._catching_up
        if isinstance(item, e.PartialText):
            self._turns.grow(item)
            subject = subject_of(UnitKind.TURN, item.turn_id)
            if not self._units.waits_already(subject, Urgency.STREAM):
                self._mark(subject, Urgency.STREAM)
            return True
        if item.number > self.seen + 1:
            self._missed = True
            return False
        if item.number == self.seen + 1:
            self.seen = item.number
            self._happen(item)
        return True

    def miss(self) -> None:
        """Note that the core dropped events for this follower: they must be read back."""
        self._missed = True

    def give_up(self) -> None:
        """Show nothing more: the session was deleted or is shown elsewhere. Running reads have no effect."""
        self._missed = False
        self._given_up = True

    async def catch_up(self) -> None:
        """Read the missing events back, then go on live. Raises `SessionNotFound`."""
        if self._catching_up:
            return
        self._catching_up = True
        try:
            await self._turns.load_asks()
            self._turns.mark_all_missed()
            self._units.session_changed()
            await self._units.session()
            self._mark(STATUS_SUBJECT, Urgency.FINAL)
            await self._mark_hint()
            await self._mark_history()
            # Discord may have these though no event is left that would
            # mark them: a kill hit before their confirmation.
            for subject in await unconfirmed_subjects(self._around.db, self.session_id):
                await self._mark_subject(subject)
            # A start knows no rows. Answers that end from here on come as events.
            await self._mark_near_answers()
            await self._read_back()
            self._missed = False
        finally:
            self._catching_up = False
        self._mark_last_answers()
        await self._mark_what_goes_on()
        self._follow_title()
        self._mark(STATUS_SUBJECT, Urgency.STATUS)  # it may have been shown while the core went on

    async def _mark_hint(self) -> None:
        subject = subject_of(UnitKind.HINT)
        shows = await hint_post(self._around.db, self.session_id) is not None
        if shows and not await self._has_posts(subject):
            self._mark(subject, Urgency.FINAL)

    async def _mark_history(self) -> None:
        """Mark the turns that the session brought along, unless the channel has their posts."""
        history = self._units.history = await load_history(
            self._around.db, self.session_id, self.place.channel_id
        )
        subjects = [subject_of(UnitKind.TURN, turn_id) for turn_id in history.turns]
        for subject in [subject_of(UnitKind.HISTORY), *subjects] if subjects else []:
            if not await self._has_posts(subject):
                self._mark(subject, Urgency.FINAL)

    async def _read_back(self) -> None:
        """Take in all stored events up to the core's last one; newer events come live.

        It must be all of them: otherwise a newer turn would be posted before the posts of missing events.
        """
        while True:
            info = await self._units.session()
            last = max(self._newest, info.last_event)
            if last <= self.seen:
                return
            while page := await self._reader.events(self.seen, _PAGE):
                for event in page:
                    # An event may be stored and not told yet: the core's state
                    # lacks it, and a card made now would stay behind.
                    if event.number <= last:
                        self.seen = event.number
                        self._happen(event)
                if self.seen >= last:
                    break
            # Read the session again: newer events may be there, or it was deleted and no event will come.
            self._units.session_changed()

    async def _mark_what_goes_on(self) -> None:
        info = await self._units.session()
        if info.running_turn is not None:
            if info.activity is Activity.BLOCKED:
                self._turns.set_waiting(info.running_turn, info.reason)
            self._mark(subject_of(UnitKind.TURN, info.running_turn), Urgency.FINAL)
        self._queued = dict.fromkeys(info.queued_turns)
        self._units.sign_waiting()
        for turn_id in info.queued_turns:
            self._mark_queued(turn_id)
        self._type()

    def _follow_title(self) -> None:
        if not self._catching_up:
            follow = self._around.names.follow(self.place, self._reader.info)
            self._around.spawn(f"name of {self.session_id}", follow)

    def _mark_last_answers(self, begun: str = "") -> None:
        """Show the buttons of the last answers anew: only the last one has a row of them.

        This takes every answer with a row. The two newest answers are not enough: several turns may begin and
        end before the view looks. `begun` is a turn that just began: its first post waits for its first words.
        """
        for turn_id in self._units.may_have_rows() if not self._catching_up else ():
            if turn_id != begun:
                self._mark(subject_of(UnitKind.TURN, turn_id), Urgency.STATUS)

    async def _mark_near_answers(self) -> None:
        """Show the buttons of the answers near the end anew: any of them may have the row of the last one.

        An answer without a post here gets none. A held turn may be posted just now.
        """
        for turn_id in reversed(await self._turns.near_answers()):
            subject = subject_of(UnitKind.TURN, turn_id)
            if self._units.is_held(subject) or await self._has_posts(subject):
                self._mark(subject, Urgency.STATUS)

    async def _has_posts(self, subject: str) -> bool:
        place = self.place
        return bool(await load_posts(self._around.db, self.session_id, place.channel_id, subject))

    def refresh(self) -> None:
        """Render again the posts that may have changed without an event."""
        for turn_id in self._turns.with_open_asks():
            self._mark(subject_of(UnitKind.TURN, turn_id), Urgency.PROMPT)
        self._mark(STATUS_SUBJECT, Urgency.STATUS)

    async def show_alternative(self, root: str) -> None:
        """Show the group of `root` again: another alternative was chosen."""
        group = await self._turns.group_of(await self._reader.turn_row(root))
        self._mark(subject_of(UnitKind.TURN, group[-1].id), Urgency.PROMPT)

    # --- events -----------------------------------------------------------------------------------------

    def _happen(self, numbered: e.Numbered) -> None:
        event = numbered.event
        match event:
            case e.BlockAdded():
                self._turns.add_block(event)
                self._mark(subject_of(UnitKind.TURN, event.turn_id), Urgency.STREAM)
                return
            case e.AskOpened() | e.AskDecided() | e.AskWithdrawn():
                self._ask_happens(event)
            case e.Noticed():
                self._notice_happens(event, numbered.number)
            case e.ActivityChanged() | e.LifecycleChanged():
                self._state_happens(event)
            case e.TitleChanged():
                self._follow_title()
            case e.TurnFilesCounted():
                self._turns.mark_stale(event.turn_id)
                self._mark(subject_of(UnitKind.TURN, event.turn_id), Urgency.STATUS)
                return
            case e.SessionRestored() | e.WentOnFrom():
                self._mark_last_answers()
            case (
                e.TurnQueued()
                | e.TurnElsewhere()
                | e.TurnRequeued()
                | e.TurnHeldBack()
                | e.TurnEdited()
                | e.TurnMovedToFront()
                | e.TurnWithdrawn()
                | e.TurnSent()
                | e.TurnStarted()
                | e.BackgroundTurnStarted()
                | e.TurnEnded()
                | e.TurnContinued()
            ):
                self._turn_happens(event)
            case _:
                pass
        self._units.session_changed()
        for subject, card in SESSION_CARDS.items():
            if isinstance(event, card.events):
                self._mark(subject, Urgency.STATUS)
        self._mark(STATUS_SUBJECT, Urgency.STATUS)
        self._type()

    def _turn_happens(self, event: e.Event) -> None:
        """Mark the posts of a turn that moved on, and those of all queued prompts: their places change."""
        turn_id: str = getattr(event, "turn_id", "")
        self._turns.mark_stale(turn_id)
        self._turns.set_waiting(turn_id, "")
        if isinstance(event, e.TurnQueued | e.TurnRequeued | e.TurnHeldBack):
            self._queued[turn_id] = None
        elif not isinstance(event, e.TurnEdited | e.TurnMovedToFront):
            self._queued.pop(turn_id, None)
            self._mark(subject_of(UnitKind.QUEUED, turn_id), Urgency.FINAL)  # its queue post may go
        for each in self._queued:
            self._mark_queued(each)
        # A queued turn gets no posts of its own: they must come after the posts of earlier turns.
        if isinstance(event, e.TurnSent | e.TurnStarted | e.BackgroundTurnStarted):
            # The first words make a better post than "Claude is working…", if they come soon.
            self._mark(
                subject_of(UnitKind.TURN, turn_id), Urgency.FINAL, self._around.options.first_post_after_s
            )
        elif not isinstance(event, e.TurnQueued | e.TurnEdited | e.TurnMovedToFront):
            self._mark(subject_of(UnitKind.TURN, turn_id), Urgency.FINAL)
        if isinstance(event, e.TurnEnded) and self._turns.may_have_pictures(turn_id):
            self._mark(subject_of(UnitKind.PICTURES, turn_id), Urgency.FINAL)
        # The answer that is asked for again loses its buttons at once, not only when the new one begins.
        if isinstance(event, e.TurnQueued) and event.alternative_of is not None:
            self._mark_alternatives(event.alternative_of)
        if isinstance(event, e.TurnSent | e.BackgroundTurnStarted | e.TurnElsewhere):
            self._mark_last_answers(turn_id)
        if isinstance(event, e.TurnHeldBack) and not self._catching_up:  # an earlier answer is the last again
            self._around.spawn(f"answers of {self.session_id}", self._mark_near_answers())
        if isinstance(event, e.TurnWithdrawn):  # the earlier alternative is the last answer again
            self._mark_alternatives(turn_id)

    def _ask_happens(self, event: e.AskOpened | e.AskDecided | e.AskWithdrawn) -> None:
        if isinstance(event, e.AskOpened):
            ask_id, turn = event.ask.id, event.ask.turn_id
        else:
            ask_id, turn = event.ask_id, None
        turn_id = self._turns.ask_changed(ask_id, turn)
        for each in self._queued:
            self._mark_queued(each)
        self._mark(
            subject_of(UnitKind.TURN, turn_id) if turn_id is not None else subject_of(UnitKind.ASK, ask_id),
            Urgency.PROMPT,
        )

    def _notice_happens(self, event: e.Noticed, number: int) -> None:
        wish = notice(event, number, self.place.owner_id)
        if event.topic is Topic.TRUST_WANTED:
            wish = trust_question(event, number, self.session_id, self._around.options.admin_id)
        if event.topic is Topic.END_PROPOSED:
            from bot.folder_cards import end_question  # ends are rare

            wish = end_question(event, number, self.session_id)
        if event.topic is Topic.OWN_COPY and event.about:
            from bot.branch_cards import own_copy_notice

            wish = own_copy_notice(event, number, self.session_id)
        if event.topic is Topic.SITE_WANTED:
            wish = site_question(event, number, self.session_id)
        if wish is not None:
            self._units.set_notice(wish)
            self._mark(wish.subject, Urgency.FINAL)

    def _state_happens(self, event: e.ActivityChanged | e.LifecycleChanged) -> None:
        if isinstance(event, e.LifecycleChanged):
            if event.new is Lifecycle.ENDED:
                self._mark_last_answers()
            for turn_id in self._queued:
                self._mark_queued(turn_id)
            return
        waits = event.new is Activity.BLOCKED and event.blocker is not Blocker.NO_PROGRESS
        for turn_id in self._units.keys(UnitKind.TURN):
            cause = waiting_text(event) if waits else ""
            if not self._turns.is_over(turn_id) and self._turns.set_waiting(turn_id, cause):
                self._mark(subject_of(UnitKind.TURN, turn_id), Urgency.STREAM)

    # --- marking ----------------------------------------------------------------------------------------

    def _type(self) -> None:
        """Have the pump check whether Claude works, and show it typing while it does."""
        if not self._given_up:
            self._around.type_(self.place.channel_id, self.session_id, self._units.claude_works)

    def _mark(self, name: str, urgency: Urgency, after_s: float = 0.0) -> None:
        if self._given_up:
            return
        kind, key = parse_subject(name)
        is_of_turn = kind in (UnitKind.TURN, UnitKind.PICTURES)
        # Replayed events of turns that were over when the session
        # came here post nothing: its file has these turns.
        if is_of_turn and self._units.history.leaves_out(key, self.seen):
            return
        if kind is UnitKind.TURN:
            self._turns.hold(key)
        self._around.mark(self.place.channel_id, self._units.unit(name, self.seen), urgency, after_s)

    def _mark_queued(self, turn_id: str) -> None:
        name = subject_of(UnitKind.QUEUED, turn_id)
        # Delayed: a prompt that goes to Claude at once needs no queue post.
        after_s = 0.0 if self._units.has_posts(name) else self._around.options.queue_post_after_s
        self._mark(name, Urgency.FINAL, after_s)

    async def _unit_name(self, subject: str) -> str:
        """Return the name of the unit with the posts of `subject`: an ask's card belongs to its turn's unit."""
        kind, key = parse_subject(subject)
        stored = await self._reader.ask(key) if kind is UnitKind.ASK else None
        turn_id = stored.ask.turn_id if stored is not None else None
        return subject_of(UnitKind.TURN, turn_id) if turn_id is not None else subject

    async def _mark_subject(self, subject: str) -> None:
        name = await self._unit_name(subject)
        kind, key = parse_subject(name)
        if kind is UnitKind.TURN:
            self._turns.mark_stale(key)
        if kind is not UnitKind.NOTICE or name in SESSION_CARDS:  # a notice is marked by its event
            self._mark(name, Urgency.FINAL)

    def _mark_alternatives(self, one: str) -> None:
        """Show all answers to the same prompt anew; `one` is any of their turns."""

        async def mark() -> None:
            first = await self._reader.turn_row(one)
            if first.alternative_of is not None:
                first = await self._reader.turn_row(first.alternative_of)
            for turn in await self._turns.group_of(first):
                if turn.status is not TurnStatus.QUEUED:
                    self._mark(subject_of(UnitKind.TURN, turn.id), Urgency.FINAL)

        self._around.spawn(f"alternatives of {one}", mark())

    async def _note_shown(self) -> None:
        """Store the last event up to which everything is shown."""
        # Only when nothing waits: a start skips the events up to this number.
        if self.is_quiet and self.seen > self._noted:
            self._noted = self.seen
            await self._around.db.write([note_shown(self.session_id, self.place.channel_id, self.seen)])

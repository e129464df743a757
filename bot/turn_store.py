"""The turns of one session that are being shown: read from the store when needed, grown by events meanwhile.

Answers for a `TurnFace` that is right at the moment it is asked for. A turn is held while it runs or is marked,
and let go when it is over and shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from bot.render import TurnFace
from bot.rows import load_fact
from bot.session_reader import SessionReader
from bot.turn_flow import TurnFlow
from sessions.events import BlockAdded, PartialText
from sessions.model import AskStatus, TurnKind, TurnStatus
from sessions.stored import StoredAsk, StoredTurn
from storage import Database

_ALTERNATIVES_AMONG = 50
"""Alternatives of an answer are among the last so many turns: only the last answer can be asked again."""


def picked_fact(ask_id: str) -> str:
    """The name of the `face_facts` row with the choices made so far on a question card.

    Its value is JSON: question number → list of answers in words, for example `{"0": ["Blue"]}`.
    """
    return f"picked:{ask_id}"


def chosen_fact(root_turn: str) -> str:
    """The name of the `face_facts` row with the alternative that is shown: its value is a turn id."""
    return f"alternative:{root_turn}"


async def load_picked(db: Database, ask_id: str) -> dict[str, list[str]]:
    """The choices made so far on a question card; see `picked_fact`."""
    stored = await load_fact(db, picked_fact(ask_id))
    return msgspec.json.decode(stored, type=dict[str, list[str]]) if stored else {}


@dataclass(slots=True)
class _Held:
    """A turn in memory. `stale` and `missed` say what must be read again: the row and asks, the blocks.

    `pending` is text that came while the blocks were being read.
    """

    row: StoredTurn | None = None
    flow: TurnFlow | None = None
    stale: bool = True
    missed: bool = True
    asks: dict[str, StoredAsk] = field(default_factory=dict)
    pending: list[PartialText] | None = None
    waiting: str = ""


class TurnStore:
    """What is known of a session's turns, for rendering."""

    def __init__(self, db: Database, reader: SessionReader) -> None:
        self._db = db
        self._reader = reader
        self._held: dict[str, _Held] = {}
        self._asks: dict[str, str] = {}  # ask → turn

    async def load_asks(self) -> None:
        """Learn which asks there are, and of which turns."""
        for stored in await self._reader.asks():
            if stored.ask.turn_id is not None:
                self._asks[stored.ask.id] = stored.ask.turn_id

    # --- events -----------------------------------------------------------------------------------------

    def hold(self, turn_id: str) -> _Held:
        """Keep the turn in memory; nothing of it is read yet."""
        held = self._held.get(turn_id)
        if held is None:
            held = self._held[turn_id] = _Held()
        return held

    def let_go(self, turn_id: str) -> None:
        """Forget the turn; it is read again when it is asked for."""
        self._held.pop(turn_id, None)

    def is_over(self, turn_id: str) -> bool:
        """Whether the turn is held, read, and over."""
        held = self._held.get(turn_id)
        return held is not None and held.row is not None and not held.stale and _face_is_over(held.row)

    def mark_stale(self, turn_id: str) -> None:
        """The turn's row has changed."""
        self.hold(turn_id).stale = True

    def mark_all_missed(self) -> None:
        """Events may have been missed: read everything again."""
        for held in self._held.values():
            held.stale = held.missed = True

    def add_block(self, event: BlockAdded) -> None:
        """Add a block if it is the next one; else all are read again when the turn is asked for."""
        held = self.hold(event.turn_id)
        stands_earlier = event.before is not None
        if held.flow is None or held.missed or stands_earlier or event.ordinal > held.flow.blocks:
            held.missed = True
        elif event.ordinal == held.flow.blocks:
            held.flow.add(event.block)
        elif held.flow.has_open_text:
            # It was read already, when text that it grew from still came: that stands there a second time.
            held.missed = True

    def grow(self, piece: PartialText) -> None:
        """Add text that is being written; what is missing before it is asked for."""
        held = self.hold(piece.turn_id)
        if held.pending is not None:
            held.pending.append(piece)
        elif held.flow is not None and not held.missed and not held.flow.grow(piece):
            held.missed = True  # else it comes with the blocks

    def ask_changed(self, ask_id: str, turn_id: str | None) -> str | None:
        """An ask was opened, decided or withdrawn; return its turn, if it has one."""
        if turn_id is not None:
            self._asks[ask_id] = turn_id
        known = self._asks.get(ask_id)
        if known is not None:
            self.hold(known).stale = True
        return known

    def set_waiting(self, turn_id: str, sentence: str) -> bool:
        """Note in words what the running turn waits for, empty when it goes on; return whether that is new."""
        held = self.hold(turn_id)
        before, held.waiting = held.waiting, sentence
        return before != sentence

    def with_open_asks(self) -> list[str]:
        """The turns held that wait for an answer."""
        return [
            turn_id
            for turn_id, held in self._held.items()
            if any(ask.status is AskStatus.OPEN for ask in held.asks.values())
        ]

    async def latest_over(self) -> Sequence[str]:
        """The turns with the last two answers, newest first."""
        near = await self._reader.last_turns(_ALTERNATIVES_AMONG)
        return [each.id for each in near if _face_is_over(each) and each.status is not TurnStatus.WITHDRAWN][:2]

    # --- faces ------------------------------------------------------------------------------------------

    async def face(self, turn_id: str, work_directory: str) -> TurnFace:
        """The turn as it is to be shown now. Raises `TurnNotFound`."""
        held = self.hold(turn_id)
        await self._refresh(turn_id, held, work_directory)
        assert held.row is not None
        assert held.flow is not None
        picked = {
            ask_id: await load_picked(self._db, ask_id)
            for ask_id, ask in held.asks.items()
            if ask.status is AskStatus.OPEN
        }
        face = TurnFace(held.row, held.flow, dict(held.asks), picked, held.waiting)
        if face.over:
            held.flow.drop_open()
        if not face.over or face.turn.kind is not TurnKind.PROMPT:
            return face
        return await self._among_alternatives(face, work_directory)

    async def _refresh(self, turn_id: str, held: _Held, work_directory: str) -> None:
        while held.stale or held.missed or held.row is None or held.flow is None:
            missed = held.missed or held.flow is None
            held.stale = held.missed = False
            if missed:
                # A block that comes meanwhile would be added to what is thrown away; text waits.
                held.flow, held.pending = None, []
            try:
                view = await self._reader.turn(turn_id, with_blocks=missed)
                held.row, held.asks = view.turn, {stored.ask.id: stored for stored in view.asks}
                if missed:
                    held.flow = TurnFlow(work_directory)
                    for block in view.contents:
                        held.flow.add(block)
                    for piece in (*view.growing, *(held.pending or ())):
                        held.missed = held.missed or not held.flow.grow(piece)
            finally:
                if missed:
                    held.pending = None

    async def group_of(self, turn: StoredTurn) -> list[StoredTurn]:
        """The alternatives of an answer in order, itself among them; alone if there are none."""
        root = turn.alternative_of or turn.id
        near = await self._reader.last_turns(_ALTERNATIVES_AMONG)
        group = [each for each in near if root in (each.id, each.alternative_of)]
        group = [each for each in group if each.status is not TurnStatus.WITHDRAWN]
        return sorted(group, key=lambda each: each.number) if turn.id in {each.id for each in group} else [turn]

    async def _among_alternatives(self, face: TurnFace, work_directory: str) -> TurnFace:
        """A turn that was asked again says so; the last of its group shows the alternative that was chosen."""
        group = await self.group_of(face.turn)
        if len(group) < 2:
            return face
        if group[-1].id != face.turn.id:
            return replace(face, replaced=True)
        ids = tuple(each.id for each in group)
        chosen = await load_fact(self._db, chosen_fact(group[0].id))
        row = next((each for each in group if each.id == chosen), None)
        if row is None or row.id == face.turn.id:
            return replace(face, alternatives=ids)
        flow = TurnFlow(work_directory)
        for block in (await self._reader.turn(row.id)).contents:
            flow.add(block)
        return TurnFace(row, flow, alternatives=ids, posts_of=face.turn.id)


def _face_is_over(row: StoredTurn) -> bool:
    return row.status not in (TurnStatus.QUEUED, TurnStatus.SENT, TurnStatus.RUNNING)

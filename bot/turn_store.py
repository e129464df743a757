"""The turns of one session that the view shows: read from the core when needed, kept current by events.

Answers for a `TurnFace` that is correct at the moment of the call. A turn is held while it runs or is marked,
and let go when it is over and shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from bot.render import TurnFace
from bot.rows import load_fact
from bot.session_reader import SessionReader
from bot.turn_flow import TurnFlow
from sessions.events import BlockAdded, PartialText
from sessions.model import AskStatus, TurnKind, TurnStatus
from sessions.stored import StoredAsk, StoredTurn
from storage import Database

_ALTERNATIVES_AMONG = 50
"""Alternatives are among the last so many turns, since only the last prompt can be asked again."""


def picked_fact(ask_id: str) -> str:
    """Return the name of the `face_facts` row with the choices made so far on a question card.

    Its value is JSON: question number → list of answers in words, for example `{"0": ["Blue"]}`.
    """
    return f"picked:{ask_id}"


def chosen_fact(root_turn: str) -> str:
    """Return the name of the `face_facts` row with the shown alternative; its value is a turn id."""
    return f"alternative:{root_turn}"


async def load_picked(db: Database, ask_id: str) -> dict[str, list[str]]:
    """Return the choices made so far on a question card; see `picked_fact`."""
    stored = await load_fact(db, picked_fact(ask_id))
    return msgspec.json.decode(stored, type=dict[str, list[str]]) if stored else {}


@dataclass(slots=True)
class _Held:
    """A turn in memory. `stale`: its row and asks must be read again; `missed`: its blocks too.

    `pending` is the text that came while the blocks were being read.
    """

    row: StoredTurn | None = None
    flow: TurnFlow | None = None
    stale: bool = True
    missed: bool = True
    asks: dict[str, StoredAsk] = field(default_factory=dict)
    pending: list[PartialText] | None = None
    waiting: str = ""


class TurnStore:
    """A session's turns in memory, for rendering."""

    def __init__(self, db: Database, reader: SessionReader) -> None:
        self._db = db
        self._reader = reader
        self._held: dict[str, _Held] = {}
        self._asks: dict[str, str] = {}  # ask → turn

    async def load_asks(self) -> None:
        """Read the session's asks, to know the turn of each."""
        for stored in await self._reader.asks():
            if stored.ask.turn_id is not None:
                self._asks[stored.ask.id] = stored.ask.turn_id

    # --- events -----------------------------------------------------------------------------------------

    def hold(self, turn_id: str) -> _Held:
        """Hold the turn in memory and return it. Reads nothing."""
        held = self._held.get(turn_id)
        if held is None:
            held = self._held[turn_id] = _Held()
        return held

    def let_go(self, turn_id: str) -> None:
        """Forget the turn; it is read again when needed."""
        self._held.pop(turn_id, None)

    def is_over(self, turn_id: str) -> bool:
        """Whether the turn is held, read, and over."""
        held = self._held.get(turn_id)
        return held is not None and held.row is not None and not held.stale and _face_is_over(held.row)

    def may_have_pictures(self, turn_id: str) -> bool:
        """Whether the turn names pictures, as far as is known. True if its blocks are not read."""
        held = self._held.get(turn_id)
        if held is None or held.flow is None or held.missed:
            return True
        return held.flow.pictures.may_be_some

    def mark_stale(self, turn_id: str) -> None:
        """Note that the turn's row has changed."""
        self.hold(turn_id).stale = True

    def mark_all_missed(self) -> None:
        """Have every held turn read again, since events may have been missed."""
        for held in self._held.values():
            # The gap may have had events of any turn, so none that is held can be trusted.
            held.stale = held.missed = True

    def add_block(self, event: BlockAdded) -> None:
        """Add a block if it is the next one; else all blocks are read again when the turn is needed."""
        held = self.hold(event.turn_id)
        # Such a block was read back from Claude's transcript, and
        # belongs between others that are laid out already.
        stands_earlier = event.before is not None
        if held.flow is None or held.missed or stands_earlier or event.ordinal > held.flow.blocks:
            held.missed = True
        elif event.ordinal == held.flow.blocks:
            held.flow.add(event.block)
        elif held.flow.has_open_text:
            # The block was read before its partial text came: that text would be shown a second time.
            held.missed = True

    def grow(self, piece: PartialText) -> None:
        """Add a piece of partial text. If text before it is missing, the blocks are read again when needed."""
        held = self.hold(piece.turn_id)
        if held.pending is not None:
            held.pending.append(piece)
        elif held.flow is not None and not held.missed and not held.flow.grow(piece):
            held.missed = True  # a turn that is not read yet gets the text with its blocks

    def ask_changed(self, ask_id: str, turn_id: str | None) -> str | None:
        """Note that an ask was opened, decided or withdrawn. Return its turn, if it has one."""
        if turn_id is not None:
            self._asks[ask_id] = turn_id
        known = self._asks.get(ask_id)
        # Decisions come without a turn, so the turn is remembered from the ask's opening.
        if known is not None:
            self.hold(known).stale = True
        return known

    def set_waiting(self, turn_id: str, sentence: str) -> bool:
        """Set the sentence on why the turn waits, empty if it does not. Return whether it changed."""
        held = self.hold(turn_id)
        before, held.waiting = held.waiting, sentence
        return before != sentence

    def with_open_asks(self) -> list[str]:
        """Return the held turns with an open ask."""
        return [
            turn_id
            for turn_id, held in self._held.items()
            if any(ask.status is AskStatus.OPEN for ask in held.asks.values())
        ]

    async def near_answers(self) -> Sequence[str]:
        """Return the turns with the last answers, newest first."""
        near = await self._reader.last_turns(_ALTERNATIVES_AMONG)
        return [each.id for each in near if _face_is_over(each) and each.status is not TurnStatus.WITHDRAWN]

    # --- faces ------------------------------------------------------------------------------------------

    async def face(self, turn_id: str, work_directory: str) -> TurnFace:
        """Return the turn as its posts should show it now. Raises `TurnNotFound`."""
        held = self.hold(turn_id)
        await self._refresh(turn_id, held, work_directory)
        assert held.row is not None
        assert held.flow is not None
        # Choices are rows of the face: no event of the core tells of them, so they are read at each rendering.
        picked = {
            ask_id: await load_picked(self._db, ask_id)
            for ask_id, ask in held.asks.items()
            if ask.status is AskStatus.OPEN
        }
        face = TurnFace(held.row, held.flow, dict(held.asks), picked, held.waiting)
        # A turn that was cut leaves open text that no block will complete.
        if face.over:
            held.flow.drop_open()
        if not face.over or face.turn.kind is not TurnKind.PROMPT:
            return face
        return await self._among_alternatives(face, work_directory)

    async def _refresh(self, turn_id: str, held: _Held, work_directory: str) -> None:
        while held.stale or held.missed or held.row is None or held.flow is None:
            missed = held.missed or held.flow is None
            # Reset before the read: an event during the await sets them again, and the loop reads once more.
            held.stale = held.missed = False
            if missed:
                # Without a flow, a block that comes meanwhile sets `missed` again; text waits in `pending`.
                held.flow, held.pending = None, []
            try:
                view = await self._reader.turn(turn_id, with_blocks=missed)
                held.row, held.asks = view.turn, {stored.ask.id: stored for stored in view.asks}
                if missed:
                    held.flow = TurnFlow(work_directory)
                    for block in view.contents:
                        held.flow.add(block)
                    # Both may have the same text; `grow` skips what it knows.
                    for piece in (*view.growing, *(held.pending or ())):
                        held.missed = held.missed or not held.flow.grow(piece)
            finally:
                if missed:
                    held.pending = None

    async def group_of(self, turn: StoredTurn) -> list[StoredTurn]:
        """Return the alternatives of an answer in order, itself included; alone if there are no others."""
        root = turn.alternative_of or turn.id
        near = await self._reader.last_turns(_ALTERNATIVES_AMONG)
        group = [each for each in near if root in (each.id, each.alternative_of)]
        group = [each for each in group if each.status is not TurnStatus.WITHDRAWN]
        return sorted(group, key=lambda each: each.number) if turn.id in {each.id for each in group} else [turn]

    async def _among_alternatives(self, face: TurnFace, work_directory: str) -> TurnFace:
        """Mark a turn that was asked again as replaced. The last of its group shows the chosen alternative."""
        group = await self.group_of(face.turn)
        if len(group) < 2:
            return face
        if group[-1].id != face.turn.id:
            return replace(face, replaced=True)
        ids = tuple(each.id for each in group)
        # The posts of the group's last answer show the chosen one; those of the others say so (`replaced`).
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

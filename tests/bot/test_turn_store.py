"""A shown turn is the same whether its blocks came one by one or are read anew."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from api import TurnView
from bot.render import TurnFace
from bot.session_reader import SessionReader
from bot.turn_parts import TextPart
from bot.turn_store import TurnStore
from bridge.schema import schema
from sessions.events import BlockAdded, PartialText
from sessions.model import GrowingKind, SessionId, Text, TurnId
from sessions.rows import project_event
from storage import Database, Statement
from tests.bot.stage import Clock, Stage

SESSION, TURN = SessionId("s"), TurnId("t")
MADE = (
    Statement(
        "INSERT INTO sessions (id, user_id, channel_id, status, model, created_at, updated_at, data)"
        " VALUES ('s', 'u', 'c', 'live', '', 0, 0, '{}')"
    ),
    Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, queued_ms)"
        " VALUES ('t', 's', 1, 'prompt', 'running', 'u', 1)"
    ),
)


def words(face: TurnFace, between: str = "") -> str:
    parts = (part for part in face.flow._segments if isinstance(part, TextPart))
    return between.join(text for part in parts for text in part.pieces)


async def test_a_block_that_was_read_back_is_shown_before_the_one_that_it_came_before(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write(MADE)
        turns = TurnStore(db, SessionReader(Stage(db, Clock()), SESSION))

        async def said(*events: BlockAdded) -> str:
            for event in events:
                await db.write(list(project_event(SESSION, event, 1)))
                turns.add_block(event)
            return words(await turns.face(TURN, "w"), " ")

        assert await said(BlockAdded(TURN, 0, Text("one")), BlockAdded(TURN, 1, Text("three"))) == "one three"
        assert await said(BlockAdded(TURN, 2, Text("two"), "u", before=1)) == "one two three"
        assert await said(BlockAdded(TURN, 3, Text("four"))) == "one two three four"


class BusyReader(SessionReader):
    """Reads of a session to which something happens before the answer arrives."""

    def __init__(self, stage: Stage, happens: Callable[[], Awaitable[None]]) -> None:
        super().__init__(stage, SESSION)
        self._happens = happens

    async def turn(self, turn_id: str, *, with_blocks: bool = True) -> TurnView:
        found = await super().turn(turn_id, with_blocks=with_blocks)
        await self._happens()
        return found


async def test_a_block_that_comes_while_all_are_read_anew_is_not_lost(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write(MADE)
        late: list[BlockAdded] = []

        async def it_comes() -> None:
            while late:
                await said(late.pop())

        turns = TurnStore(db, BusyReader(Stage(db, Clock()), it_comes))

        async def said(event: BlockAdded) -> None:
            await db.write(list(project_event(SESSION, event, 1)))
            turns.add_block(event)

        await said(BlockAdded(TURN, 0, Text("one")))
        await turns.face(TURN, "w")
        late.append(BlockAdded(TURN, 1, Text("two")))
        turns.mark_all_missed()
        face = await turns.face(TURN, "w")
        assert face.flow.blocks == 2


async def test_text_that_grows_while_its_turn_is_read_is_shown_without_a_hole(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write(MADE)
        stage = Stage(db, Clock())
        text = ["He"]

        def grown() -> list[PartialText]:
            return [PartialText(SESSION, 0, TURN, "m/0", GrowingKind.TEXT, 0, "".join(text))]

        stage.bus._partials = lambda _: grown()

        async def it_grows() -> None:
            if len(text) == 1:
                piece = PartialText(SESSION, 0, TURN, "m/0", GrowingKind.TEXT, len(text[0]), "llo")
                text.append("llo")
                turns.grow(piece)

        turns = TurnStore(db, BusyReader(stage, it_grows))
        face = await turns.face(TURN, "w")
        assert words(face) == "Hello"
        turns.grow(PartialText(SESSION, 0, TURN, "m/0", GrowingKind.TEXT, 7, "!"))  # " w" got lost on the way
        text.append(" w!")
        assert words(await turns.face(TURN, "w")) == "Hello w!"


async def test_text_that_grew_while_its_whole_block_was_read_is_shown_once(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write(MADE)
        whole = BlockAdded(TURN, 0, Text("Hello"))
        await db.write(list(project_event(SESSION, whole, 1)))  # stored, and not told of yet

        async def it_grows() -> None:
            turns.grow(PartialText(SESSION, 0, TURN, "m/0", GrowingKind.TEXT, 0, "Hello"))

        turns = TurnStore(db, BusyReader(Stage(db, Clock()), it_grows))
        await turns.face(TURN, "w")
        turns.add_block(whole)
        turns._reader = SessionReader(Stage(db, Clock()), SESSION)
        assert words(await turns.face(TURN, "w")) == "Hello"

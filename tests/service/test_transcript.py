"""Page and stream are one transcript: whenever a page is read, the events after it bring the rest, once."""

import asyncio
import random
import uuid
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest

import api as c
from service.cutting import MOST_BYTES, cut_block
from service.transcript import event_page, read_block, turn_page, turn_view
from sessions import events as e
from sessions.bus import Bus
from sessions.draft import Draft
from sessions.errors import TurnNotFound
from sessions.events import Numbered
from sessions.model import (
    Block,
    Other,
    SessionId,
    Text,
    Thinking,
    ToolCall,
    ToolOutput,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.state import Snapshot
from storage import Database

ID = SessionId("01890000-0000-7000-8000-000000000001")
OTHER = SessionId("01890000-0000-7000-8000-000000000002")
SEEDS = range(12)
STEPS = 60


class Core:
    """Stores and publishes as a session does, what a test lets happen."""

    def __init__(self, db: Database, session_id: SessionId = ID) -> None:
        self.db = db
        self.bus = Bus(db, lambda _: ())
        self.snapshot = Snapshot(session_id)

    async def happen(self, *events: e.Event) -> None:
        is_new = self.snapshot.next_event == 1
        draft = Draft(self.snapshot, 1)
        draft.add_all(events)
        await self.db.write(draft.statements(new_session=is_new))
        self.snapshot = draft.snapshot
        self.bus.publish(self.snapshot.id, draft.numbered)

    async def turn(self) -> TurnId:
        turn_id = TurnId(str(uuid.uuid4()))
        number = self.snapshot.next_turn
        await self.happen(e.TurnQueued(turn_id, number, TurnKind.PROMPT, "u", f"prompt {number}", "", turn_id))
        return turn_id

    async def page(self, **wish: object) -> c.TurnPage:
        command = c.ReadTurns(session_id=self.snapshot.id, **wish)  # type: ignore[arg-type]  # by name
        return await turn_page(self.db, self.bus, self.snapshot.id, command)

    async def live_through(self, chance: random.Random, steps: int) -> None:
        """Turns come, run, get blocks (some of them late, in an earlier place), and end."""
        running: TurnId | None = None
        ordinal = 0
        for _ in range(steps):
            if running is None:
                running, ordinal = await self.turn(), 0
                await self.happen(e.TurnSent(running, 1), e.TurnStarted(running))
            elif chance.random() < 0.15:
                await self.happen(e.TurnEnded(running, chance.choice([TurnStatus.DONE, TurnStatus.FAILED])))
                running = None
            else:
                before = chance.randrange(ordinal) if ordinal and chance.random() < 0.2 else None
                await self.happen(e.BlockAdded(running, ordinal, a_block(chance, ordinal), before=before))
                ordinal += 1
            if chance.random() < 0.3:
                await asyncio.sleep(0)


def a_block(chance: random.Random, number: int) -> Block:
    long = chance.choice([10, MOST_BYTES, MOST_BYTES + 1, 3 * MOST_BYTES])
    kinds: list[Block] = [
        Text(f"text {number}"),
        ToolCall(f"t{number}", "Write", {"file_path": "a", "content": "é" * long}),
        ToolOutput(f"t{number}", "x" * long, patch="+y\n" * (long // 3)),
    ]
    return chance.choice(kinds)


@dataclass
class Reader:
    """A page, and what the stream adds to it."""

    turns: dict[TurnId, str] = field(default_factory=dict)
    blocks: dict[TurnId, dict[int, tuple[int | None, Block]]] = field(default_factory=dict)

    def begin(self, page: c.TurnPage) -> None:
        for view in page.turns:
            self.turns[view.turn.id] = view.turn.status
            self.blocks[view.turn.id] = {each.ordinal: (each.before, each.block) for each in view.blocks}

    def take(self, numbered: Numbered) -> None:
        match numbered.event:
            case e.TurnQueued(turn_id=turn_id):
                assert turn_id not in self.turns, "a double"
                self.turns[turn_id], self.blocks[turn_id] = TurnStatus.QUEUED, {}
            case e.TurnSent(turn_id=turn_id):
                self.turns[turn_id] = TurnStatus.SENT
            case e.TurnStarted(turn_id=turn_id):
                self.turns[turn_id] = TurnStatus.RUNNING
            case e.TurnEnded(turn_id=turn_id, status=status):
                self.turns[turn_id] = status
            case e.BlockAdded(turn_id=turn_id, ordinal=ordinal, before=before, block=block):
                assert ordinal not in self.blocks[turn_id], "a double"
                assert ordinal == len(self.blocks[turn_id]), "a gap"
                self.blocks[turn_id][ordinal] = (before, cut_block(block)[0])
            case _:
                pass

    def shown(self) -> dict[TurnId, tuple[str, list[Block]]]:
        def place(item: tuple[int, tuple[int | None, Block]]) -> tuple[int, bool, int]:
            ordinal, (before, _) = item
            return (ordinal if before is None else before, before is None, ordinal)

        return {
            turn_id: (status, [block for _, (_, block) in sorted(self.blocks[turn_id].items(), key=place)])
            for turn_id, status in self.turns.items()
        }


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_page_and_the_events_after_it_are_the_transcript_without_gap_or_double(
    db: Database, seed: int
) -> None:
    chance, core, reader = random.Random(seed), Core(db), Reader()
    living = asyncio.create_task(core.live_through(chance, STEPS))
    for _ in range(random.Random(-seed).randrange(40)):
        await asyncio.sleep(0.0005)
    page = await core.page(limit=100)
    reader.begin(page)
    await living
    last = core.snapshot.next_event - 1
    async with aclosing(core.bus.follow(ID, page.as_of)) as feed:
        number = page.as_of
        while number < last:
            item = await anext(feed)
            assert isinstance(item, Numbered)
            assert item.number == number + 1
            number = item.number
            reader.take(item)
    whole = await core.page(limit=100)
    assert whole.as_of == last
    assert reader.shown() == {view.turn.id: (view.turn.status, list(view.contents)) for view in whole.turns}


async def test_pages_follow_each_other_to_the_first_turn(db: Database) -> None:
    core = Core(db)
    turns = [await core.turn() for _ in range(5)]
    seen: list[TurnId] = []
    before: int | None = None
    while True:
        page = await core.page(limit=2, before=before)
        seen += [view.turn.id for view in page.turns]
        if (before := page.before) is None:
            break
    assert seen == turns[::-1]


async def test_a_long_body_is_cut_and_marked_and_the_block_alone_is_whole(db: Database) -> None:
    core = Core(db)
    turn_id = await core.turn()
    output = ToolOutput("t", "é" * 10_000, patch="+" * 10)
    await core.happen(e.BlockAdded(turn_id, 0, Text("x" * 20_000)), e.BlockAdded(turn_id, 1, output))
    text, cut = (await core.page()).turns[0].blocks
    assert text.left_out == 0
    assert isinstance(cut.block, ToolOutput)
    shown = len(cut.block.text.encode()) + len(cut.block.patch)
    assert shown <= MOST_BYTES
    assert shown + cut.left_out in (20_010, 20_011)  # a character of two bytes may fall out whole
    wish = c.ReadBlock(session_id=ID, turn_id=turn_id, ordinal=1)
    assert await read_block(db, ID, wish) == c.PlacedBlock(1, output)
    view = await turn_view(db, core.bus, ID, c.ReadTurn(session_id=ID, turn_id=turn_id, whole=True))
    assert view.contents[1] == output


@pytest.mark.parametrize(
    "block",
    [
        Text("x" * 9_000),
        Thinking("x" * 9_000),
        ToolCall("t", "Write", {"a": ["x" * 9_000, {"b": "y" * 9_000}], "n": 1}),
        ToolOutput("t", "\udc80" * 9_000),
        Other("strange", {"deep": {"er": "z" * 9_000}}),
    ],
)
def test_a_cut_body_keeps_its_shape_and_only_tools_are_cut(block: Block) -> None:
    cut, left_out = cut_block(block, 100)
    assert type(cut) is type(block)
    assert (left_out == 0) == isinstance(block, Text | Thinking)
    if isinstance(cut, ToolCall):
        assert (cut.input["a"][0], cut.input["a"][1], cut.input["n"]) == ("x" * 100, {"b": ""}, 1)


async def test_nothing_of_another_session_is_given_out(db: Database) -> None:
    core, other = Core(db), Core(db, OTHER)
    await core.turn()
    foreign = await other.turn()
    await other.happen(e.BlockAdded(foreign, 0, Text("secret")))
    with pytest.raises(TurnNotFound):
        await turn_view(db, core.bus, ID, c.ReadTurn(session_id=ID, turn_id=foreign))
    with pytest.raises(TurnNotFound):
        await read_block(db, ID, c.ReadBlock(session_id=ID, turn_id=foreign, ordinal=0))


async def test_events_are_read_in_order_from_a_number_on(db: Database) -> None:
    core = Core(db)
    for _ in range(4):
        await core.turn()
    page = await event_page(db, ID, c.ReadEvents(session_id=ID, after=1, limit=2))
    assert [each.number for each in page.events] == [2, 3]
    assert (await event_page(db, ID, c.ReadEvents(session_id=ID, after=4))).events == ()

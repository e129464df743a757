"""What is held of a turn that is shown: the same whether its blocks came one by one or are read anew."""

from pathlib import Path

import pytest

from bot import turn_store
from bot.turn_parts import TextPart
from bot.turn_store import TurnStore
from bridge.schema import schema
from sessions.bus import Bus
from sessions.events import BlockAdded
from sessions.model import Block, SessionId, Text, TurnId
from sessions.rows import load_blocks, project_event
from storage import Database, Statement

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


async def test_a_block_that_was_read_back_is_shown_before_the_one_that_it_came_before(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write(MADE)
        turns = TurnStore(db, Bus(db, lambda _session: ()), SESSION)

        async def said(*events: BlockAdded) -> str:
            for event in events:
                await db.write(list(project_event(SESSION, event, 1)))
                turns.add_block(event)
            face = await turns.face(TURN, "w")
            parts = (part for part in face.flow._segments if isinstance(part, TextPart))
            return " ".join(text for part in parts for text in part.pieces)

        assert await said(BlockAdded(TURN, 0, Text("one")), BlockAdded(TURN, 1, Text("three"))) == "one three"
        assert await said(BlockAdded(TURN, 2, Text("two"), "u", before=1)) == "one two three"
        assert await said(BlockAdded(TURN, 3, Text("four"))) == "one two three four"


async def test_a_block_that_comes_while_all_are_read_anew_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write(MADE)
        turns = TurnStore(db, Bus(db, lambda _session: ()), SESSION)

        async def said(event: BlockAdded) -> None:
            await db.write(list(project_event(SESSION, event, 1)))
            turns.add_block(event)

        await said(BlockAdded(TURN, 0, Text("one")))
        await turns.face(TURN, "w")
        late = [BlockAdded(TURN, 1, Text("two"))]

        async def read_before_it_comes(database: Database, turn_id: TurnId) -> list[Block]:
            found = await load_blocks(database, turn_id)
            while late:
                await said(late.pop())
            return found

        monkeypatch.setattr(turn_store, "load_blocks", read_before_it_comes)
        turns.mark_all_missed()
        face = await turns.face(TURN, "w")
        assert face.flow.blocks == 2

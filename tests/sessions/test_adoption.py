"""Processes that the database does not know: taken over with what they said, never killed."""

import asyncio
from pathlib import Path

from api.access import Action, Actor, Role, SessionFacts, may
from bridge.schema import schema
from sessions import rows
from sessions.adoption import NOBODY
from sessions.model import Lifecycle, Text
from sessions.prompt_queue import Sender
from sessions.session import Session
from storage import Database
from tests.sessions.kit import DEADLINE_S, USER, House


async def ask(session: Session, prompt: str) -> None:
    await session.send_message(prompt, sender=Sender(USER, prompt))
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)


async def said(db: Database, session: Session) -> list[str]:
    turns = reversed(await rows.load_turns(db, session.id))
    blocks = [block for turn in turns for block in await rows.load_blocks(db, turn.id)]
    return [block.text for block in blocks if isinstance(block, Text)]


async def test_a_host_without_any_record_is_taken_over_and_goes_on(here: House, tmp_path: Path) -> None:
    session = await here.session()
    await ask(session, "before")
    known = await said(here.db, session)
    async with Database.open(tmp_path / "another.db", schema()) as another:
        here.db = another
        await here.restart()
        adopted = await here.again(session)
        async with asyncio.timeout(DEADLINE_S):
            await adopted.until(lambda snapshot: snapshot.is_idle)
        assert adopted.snapshot.user_id == NOBODY
        assert adopted.snapshot.conversation_id == session.snapshot.conversation_id
        assert await said(another, adopted) == known
        await ask(adopted, "after")
        assert here.machine.launches == 1
        assert len(await said(another, adopted)) == len(known) + 1
        await here.bury()


async def test_a_database_from_a_backup_finds_the_newer_host(here: House, tmp_path: Path) -> None:
    session = await here.session()
    await ask(session, "one")
    await session.park("to make a second host")
    copy = await here.db.back_up()
    await ask(session, "two")
    assert session.snapshot.host == 2
    (tmp_path / "older.db").write_bytes(copy.read_bytes())
    async with Database.open(tmp_path / "older.db", schema()) as older:
        here.db = older
        await here.restart()
        again = await here.again(session)
        async with asyncio.timeout(DEADLINE_S):
            await again.until(lambda snapshot: snapshot.lifecycle is Lifecycle.LIVE and snapshot.is_idle)
        assert (again.snapshot.host, again.snapshot.user_id) == (2, USER)
        assert again.snapshot.cost_usd == 0.5, "the second process counts on from the first one's total"
        assert len(here.machine.living()) == 1
        await here.bury()


def test_only_admins_reach_an_adopted_session() -> None:
    facts = SessionFacts(NOBODY)
    assert may(Actor("x", "terminal", Role.ADMIN), Action.VIEW, facts)
    assert not may(Actor("x", "discord", Role.USER), Action.VIEW, facts)

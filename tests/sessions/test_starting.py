"""Starting and ending processes: one at a time for a session, and none that nobody knows of."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions import rows
from sessions.session import Sender, Session
from storage import Database
from tests.sessions.kit import DEADLINE_S, USER, House, house


@pytest.fixture
async def here(db: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with house(db, tmp_path) as made:
        yield made


async def send(session: Session, *prompts: str) -> None:
    for prompt in prompts:
        await session.send_message(prompt, sender=Sender(USER, f"{session.id} {prompt}"))


async def idle(session: Session) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await session.until(lambda snapshot: snapshot.is_idle and not snapshot.queue)


async def statuses(here: House, session: Session) -> list[tuple[str, str]]:
    return [(turn.prompt, turn.status.value) for turn in reversed(await rows.load_turns(here.db, session.id))]


async def test_prompts_that_come_at_once_start_one_process(here: House) -> None:
    session = await here.session()
    await asyncio.gather(send(session, "one"), send(session, "two"), send(session, "three"))
    await idle(session)
    assert await statuses(here, session) == [("one", "done"), ("two", "done"), ("three", "done")]
    assert here.machine.launches == 1

"""One of several answers is chosen, and the next prompt follows it; with the real CLI."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge.demo.model import DemoModel
from sessions.errors import IllegalMove, NotAllowed
from sessions.model import TurnStatus
from sessions.session import Session
from tests.sessions.running_core import RunningCore, idle, real_cli_core

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(180)]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with DemoModel() as demo, real_cli_core(tmp_path, demo) as core:
        yield core


async def again(core: RunningCore, session: Session, origin: str) -> c.TurnView:
    """Ask the last prompt again; the new answer."""
    await core.do(c.Regenerate(session_id=session.id, origin=origin))
    await idle(session)
    page: c.TurnPage = await core.do(c.ReadTurns(session_id=session.id))
    return page.turns[0]


def path_to(core: RunningCore, session: Session, uuid: str) -> set[str]:
    """The rows of the transcript that lead to row `uuid`: what Claude has heard and said before it."""
    transcript = core.manager._around.conversations.transcript(
        session.snapshot.conversation_id, Path(session.snapshot.work_directory)
    )
    assert transcript is not None
    rows = {row["uuid"]: row for row in map(json.loads, transcript.read_text().splitlines()) if "uuid" in row}

    def up(at: str | None) -> Iterator[str]:
        while at:
            yield at
            at = rows[at].get("parentUuid") or rows[at].get("logicalParentUuid")

    return set(up(uuid))


async def test_the_next_prompt_follows_the_answer_that_was_chosen(core: RunningCore) -> None:
    session = await core.session()
    await core.ask(session, "demo:text before")
    first = await core.do(c.ReadTurn(session_id=session.id, turn_id=await core.ask(session, "demo:text one")))
    second = await again(core, session, "again")
    info = await core.do(c.GoOnFrom(session_id=session.id, turn_id=first.turn.id))
    assert (info.goes_on_from, session.run) == (first.turn.id, None)
    leaf = await core.ask(session, "demo:text leaf")
    assert await core.status(leaf) is TurnStatus.DONE
    said = await core.do(c.ReadTurn(session_id=session.id, turn_id=leaf))
    heard = path_to(core, session, said.turn.last_uuid)
    assert first.turn.last_uuid in heard
    assert second.turn.last_uuid not in heard
    assert session.snapshot.goes_on_from is None
    with pytest.raises(IllegalMove):
        await core.do(c.GoOnFrom(session_id=session.id, turn_id=second.turn.id))


async def test_asking_again_replaces_the_answer_that_was_chosen(core: RunningCore) -> None:
    session = await core.session()
    first = await core.do(c.ReadTurn(session_id=session.id, turn_id=await core.ask(session, "demo:text one")))
    second = await again(core, session, "again")
    await core.do(c.GoOnFrom(session_id=session.id, turn_id=first.turn.id))
    third = await again(core, session, "once more")
    heard = path_to(core, session, third.turn.last_uuid)
    assert heard.isdisjoint({first.turn.last_uuid, second.turn.last_uuid})


async def test_it_is_refused_while_a_prompt_waits_and_to_those_who_may_not_prompt(core: RunningCore) -> None:
    session = await core.session()
    first = await core.ask(session, "demo:text one")
    wish = c.GoOnFrom(session_id=session.id, turn_id=first)
    with pytest.raises(NotAllowed):
        await core.do(wish, Actor("test:eve", "test", Role.USER))
    await core.do(c.SendMessage(session_id=session.id, content="demo:gate held", origin="held"))
    with pytest.raises(IllegalMove):
        await core.do(wish)

"""Asks as people answer them, on the scripted CLI in real processes."""

import asyncio

import pytest

from sessions import rows
from sessions.errors import (
    AlreadyDecided,
    WrongAnswer,
)
from sessions.manager import SessionManager
from sessions.model import (
    Allow,
    AllowSession,
    Answer,
    ApprovePlan,
    Decision,
    Deny,
    PermissionMode,
    RevisePlan,
    ToolOutput,
)
from tests.sessions.scripted import USER, make, open_ask, rest, seen, send, turns
from tests.sessions.scripted_manager import manager, place

__all__ = ["manager", "place"]


PERMISSIONS: dict[str, tuple[Decision, str, bool]] = {
    "allow": (Allow(), "yes", False),
    "allow for the session": (AllowSession(), "yes", False),
    "deny": (Deny("not on a Sunday"), "not on a Sunday", True),
}
WRITES = "demo:bash touch made; echo yes"


@pytest.mark.parametrize("case", PERMISSIONS)
async def test_a_permission_takes_effect(manager: SessionManager, case: str) -> None:
    decision, said, is_error = PERMISSIONS[case]
    session = await make(manager)
    await send(session, WRITES)
    (ask,) = (await open_ask(session)).asks
    await session.answer(ask.id, decision, by=USER)
    await rest(session)
    ((turn, *_),) = [await rows.load_turns(manager.db, session.id)]
    (output,) = [b for b in await rows.load_blocks(manager.db, turn.id) if isinstance(b, ToolOutput)]
    assert (said in output.text, output.is_error) == (True, is_error)
    stored = await rows.load_ask(manager.db, ask.id)
    assert stored is not None
    assert (stored.status, stored.decided_by, stored.decision) == ("decided", USER, decision)


async def test_what_was_allowed_for_the_session_is_not_asked_again(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:bash touch a", "demo:bash touch a b")
    (ask,) = (await open_ask(session)).asks
    await session.answer(ask.id, AllowSession(), by=USER)
    await rest(session)
    assert [status for _, status, _ in await turns(session)] == ["done", "done"]
    assert len(await rows.load_asks(manager.db, session.id)) == 1


async def test_the_first_answer_wins(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, WRITES)
    (ask,) = (await open_ask(session)).asks
    answers = [session.answer(ask.id, Allow(), by=f"discord:{n}") for n in range(5)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    refused = [each for each in results if isinstance(each, AlreadyDecided)]
    assert len(refused) == 4
    await rest(session)


async def test_an_answer_of_another_kind_is_refused_and_leaves_the_ask_open(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, WRITES)
    (ask,) = (await open_ask(session)).asks
    with pytest.raises(WrongAnswer):
        await session.answer(ask.id, Answer({"a": "b"}), by=USER)
    assert session.snapshot.asks == (ask,)
    await session.answer(ask.id, Deny(), by=USER)
    await rest(session)


async def test_a_question_is_answered(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:ask-question Which way?")
    (ask,) = (await open_ask(session)).asks
    await session.answer(ask.id, Answer({"Which way?": "Left"}), by=USER)
    await rest(session)
    ((_, status, _),) = await turns(session)
    blocks = await rows.load_blocks(manager.db, (await rows.load_turns(manager.db, session.id))[0].id)
    assert status == "done"
    assert any("Left" in block.text for block in blocks if isinstance(block, ToolOutput))


async def test_a_plan_is_revised_and_approved(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, "demo:plan first demo:plan second")
    (ask,) = (await open_ask(session)).asks
    await session.answer(ask.id, RevisePlan("shorter"), by=USER)
    await seen(session, lambda snapshot: bool(snapshot.asks) and snapshot.asks[0].id != ask.id)
    await session.answer(session.snapshot.asks[0].id, ApprovePlan(accept_edits=True), by=USER)
    await rest(session)
    assert session.snapshot.mode is PermissionMode.ACCEPT_EDITS


async def test_interrupting_withdraws_the_ask(manager: SessionManager) -> None:
    session = await make(manager)
    await send(session, WRITES)
    (ask,) = (await open_ask(session)).asks
    await session.stop()
    await rest(session)
    stored = await rows.load_ask(manager.db, ask.id)
    assert stored is not None
    assert stored.status == "withdrawn"
    with pytest.raises(AlreadyDecided):
        await session.answer(ask.id, Allow(), by=USER)

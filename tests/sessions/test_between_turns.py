"""Single steps between two turns, on parts made by hand or a whole session."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

import sessions.between_turns
from sessions.between_turns import Feeding, _keep_files_before, _send
from sessions.control_requests import ControlRequests
from sessions.errors import IllegalMove
from sessions.prompt_queue import Sender
from tests.sessions.kit import USER, House, idle, send, statuses


async def test_a_prompt_moved_to_the_front_waits_for_its_own_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Sent(Exception):
        pass

    async def make_context(_: object, turn: Any) -> None:
        raise Sent(turn.turn_id)

    monkeypatch.setattr(sessions.between_turns, "make_context", make_context)
    first, second = SimpleNamespace(turn_id="first"), SimpleNamespace(turn_id="second")
    snapshot = SimpleNamespace(queue=[first, second])
    taken: list[str] = []

    async def before_prompt(_: object, turn_id: str) -> None:
        if not taken:
            snapshot.queue = [second, first]
        taken.append(turn_id)

    around = SimpleNamespace(checkpoints=SimpleNamespace(before_prompt=before_prompt))
    host = SimpleNamespace(session=SimpleNamespace(snapshot=snapshot, around=around))
    feeding = Feeding(cast("Any", host))
    assert await _keep_files_before(feeding)
    assert not await _send(feeding)
    assert await _keep_files_before(feeding)
    with pytest.raises(Sent, match="second"):
        await _send(feeding)
    assert taken == ["first", "second"]


@pytest.mark.parametrize("when", ["before the request", "after the answer"])
async def test_a_prompt_for_which_claude_forgets_its_last_answer_is_no_longer_withdrawn(
    when: str, here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that prompt, the answer would be missing for the next one."""
    session = await here.session()
    await send(session, "one")
    await idle(session)
    refused: list[str] = []
    rewind = ControlRequests.rewind_conversation

    async def withdraw() -> None:
        try:
            await session.prompts.withdraw(session.snapshot.queue[0].turn_id, by=USER)
        except IllegalMove as error:
            refused.append(error.state)

    async def rewind_and_withdraw(control: ControlRequests, *arguments: str) -> Any:
        if when == "before the request":
            await withdraw()
        outcome = await rewind(control, *arguments)
        if when == "after the answer":
            await withdraw()
        return outcome

    monkeypatch.setattr(ControlRequests, "rewind_conversation", rewind_and_withdraw)
    await session.regenerate(sender=Sender(USER, "again"))
    await idle(session)
    await send(session, "two")
    await idle(session)
    told = here.claude.conversations[session.snapshot.conversation_id].prompts()
    assert (told, refused) == (["one", "two"], ["already working on it"])
    assert await statuses(here, session) == [("one", "done"), ("one", "done"), ("two", "done")]
    # It may be withdrawn as long as Claude has forgotten nothing.
    await session.park("test")
    monkeypatch.setattr(session, "want_process", lambda: None)
    again = await session.regenerate(sender=Sender(USER, "once more"))
    await session.prompts.withdraw(again.turn_id, by=USER)
    assert here.claude.conversations[session.snapshot.conversation_id].prompts() == ["one", "two"]

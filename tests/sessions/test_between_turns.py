"""Single steps between two turns, on parts made by hand."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

import sessions.between_turns
from sessions.between_turns import Feeding, _keep_files_before, _send


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

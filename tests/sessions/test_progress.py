"""Claude's list of steps: read from any input of the tool, kept while it is not done."""

from typing import Any

import pytest

from sessions import events as e
from sessions.model import (
    Block,
    Lifecycle,
    Progress,
    SessionId,
    Text,
    ToolCall,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.progress import progress_of
from sessions.snapshot import Snapshot
from sessions.state import apply

_STEPS = [
    {"content": "a", "status": "completed", "activeForm": "Doing a"},
    {"content": "b", "status": "in_progress", "activeForm": "Doing\n b"},
    {"content": "c", "status": "pending"},
]


def call(todos: Any, name: str = "TodoWrite", parent: str | None = None) -> ToolCall:
    return ToolCall("1", name, {"todos": todos}, parent)


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (call(_STEPS), Progress(3, 1, "Doing b")),
        (call(_STEPS[:1]), Progress(1, 1, "")),
        (call([{"status": "in_progress", "content": "only"}]), Progress(1, 0, "only")),
        (call([]), Progress()),
        (call(["no step", 7, {"status": 7, "activeForm": 7}]), Progress(1, 0, "")),
        (call([{"status": "in_progress", "content": "x" * 5_000}]), Progress(1, 0, "x" * 200)),
        (call("no list"), None),
        (call(_STEPS, name="Bash"), None),
        (call(_STEPS, parent="an agent's"), None),
        (Text("words"), None),
    ],
)
def test_a_list_is_read_whatever_it_holds(block: Block, found: Progress | None) -> None:
    assert progress_of(block) == found


def test_a_list_stays_until_it_is_done_and_the_next_turn_begins() -> None:
    a, b = TurnId("a"), TurnId("b")
    snapshot = Snapshot(SessionId("01890000-0000-7000-8000-000000000001"), lifecycle=Lifecycle.LIVE)

    def told(*events: e.Event) -> Progress:
        nonlocal snapshot
        for event in events:
            snapshot = apply(snapshot, event, 1)
        return snapshot.progress

    def turn(name: TurnId, number: int) -> tuple[e.Event, ...]:
        queued = e.TurnQueued(name, number, TurnKind.PROMPT, "u", "p", name, name)
        return queued, e.TurnSent(name, 1), e.TurnStarted(name)

    assert told(*turn(a, 1), e.BlockAdded(a, 0, call(_STEPS))) == Progress(3, 1, "Doing b")
    assert told(e.BlockAdded(a, 1, Text("words"))) == Progress(3, 1, "Doing b")
    assert told(e.TurnEnded(a, TurnStatus.DONE), *turn(b, 2)) == Progress(3, 1, "Doing b")
    assert told(e.BlockAdded(b, 0, call(_STEPS[:1])), e.TurnEnded(b, TurnStatus.DONE)) == Progress(1, 1, "")
    assert told(*turn(TurnId("c"), 3)) == Progress()

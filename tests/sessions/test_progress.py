"""Claude's list of steps: read from any input of the tool, kept while it is not done."""

from typing import Any

import pytest
from msgspec.structs import replace

from api.words.progress import left_words
from sessions import events as e
from sessions.model import (
    Block,
    Lifecycle,
    Progress,
    SessionId,
    Text,
    TimeLeft,
    ToolCall,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.progress import followed_by, progress_of, time_left
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
        return replace(snapshot.progress, step_ms=(), since_ms=0)

    def turn(name: TurnId, number: int) -> tuple[e.Event, ...]:
        queued = e.TurnQueued(name, number, TurnKind.PROMPT, "u", "p", name, name)
        return queued, e.TurnSent(name, 1), e.TurnStarted(name)

    assert told(*turn(a, 1), e.BlockAdded(a, 0, call(_STEPS))) == Progress(3, 1, "Doing b")
    assert told(e.BlockAdded(a, 1, Text("words"))) == Progress(3, 1, "Doing b")
    assert told(e.TurnEnded(a, TurnStatus.DONE), *turn(b, 2)) == Progress(3, 1, "Doing b")
    assert told(e.BlockAdded(b, 0, call(_STEPS[:1])), e.TurnEnded(b, TurnStatus.DONE)) == Progress(1, 1, "")
    assert told(*turn(TurnId("c"), 3)) == Progress()


def listed(done: int, total: int) -> ToolCall:
    return call([{"status": "completed" if n < done else "pending", "content": "x"} for n in range(total)])


def at(*moments: tuple[int, int, int]) -> Progress:
    """Follow lists of (seconds, done, total)."""
    known = Progress()
    for at_s, done, total in moments:
        known = followed_by(known, listed(done, total), at_s * 1000)
    return known


@pytest.mark.parametrize(
    ("moments", "now_s", "left"),
    [
        ([(0, 0, 5)], 9, None),
        ([(0, 0, 5), (10, 1, 5)], 10, None),
        ([(0, 0, 5), (10, 1, 5), (40, 2, 5)], 40, TimeLeft(30, 90, 2)),
        ([(0, 0, 5), (10, 1, 5), (40, 2, 5)], 46, TimeLeft(24, 84, 2)),
        # The current step takes longer than all before: it may take as long again.
        ([(0, 0, 5), (10, 1, 5), (40, 2, 5)], 140, TimeLeft(20, 160, 2)),
        # Two at once share their time; a step that is added to the list does not begin it anew.
        ([(0, 0, 4), (20, 2, 4), (20, 2, 6)], 20, TimeLeft(40, 40, 2)),
        # Another list begins without a basis.
        ([(0, 0, 2), (10, 1, 2), (20, 2, 2), (30, 0, 3)], 30, None),
        ([(0, 0, 3), (10, 1, 3), (20, 2, 3), (30, 3, 3)], 30, None),
        ([(0, 0, 3), (10, 2, 3), (20, 1, 3)], 30, None),
    ],
)
def test_the_time_left_goes_by_the_steps_so_far(
    moments: list[tuple[int, int, int]], now_s: int, left: TimeLeft | None
) -> None:
    assert time_left(at(*moments), now_s * 1000) == left


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (TimeLeft(30, 90, 2), "30 to 90 s left, going by 2 steps"),
        (TimeLeft(100, 290, 3), "1 to 5 min left, going by 3 steps"),
        (TimeLeft(10, 290, 3), "under 5 min left, going by 3 steps"),
        (TimeLeft(180, 180, 3), "3 min left, going by 3 steps"),
        (TimeLeft(4_000, 8_000, 9), "1 to 3 h left, going by 9 steps"),
        (None, ""),
    ],
)
def test_an_estimate_names_its_basis(left: TimeLeft | None, words: str) -> None:
    assert left_words(left) == words

"""Every recorded stream can be followed: no word is lost, and any line is taken in any state."""

from collections.abc import Iterable

import pytest

from sessions import events as e
from sessions.claude import lines as c
from sessions.claude.parse import parse
from sessions.draft import Draft
from sessions.interpreter import Moment, interpret
from sessions.model import (
    Lifecycle,
    TurnId,
    TurnKind,
)
from sessions.state import Snapshot
from tests.sessions.claude.record_samples import SAMPLES
from tests.sessions.interpreted import ID, SENT, WORKS, blocks, ended, live, turn

STREAMS = sorted(path.stem for path in (SAMPLES / "streams").glob("*.ndjson"))


def recorded(name: str) -> list[c.CliLine]:
    return [parse(line) for line in (SAMPLES / "streams" / f"{name}.ndjson").read_bytes().split(b"\n")[:-1]]


def as_sent(lines: Iterable[c.CliLine], start: Snapshot) -> Draft:
    """Play a recording, with each prompt noted as sent just before the CLI first speaks of it."""
    draft = Draft(start, 10)
    known: set[str] = set()
    for offset, line in enumerate(lines, start=1):
        if isinstance(line, c.PromptLifecycle) and line.prompt_uuid not in known:
            known.add(line.prompt_uuid)
            name = TurnId(line.prompt_uuid)
            draft.add(
                e.TurnQueued(
                    name,
                    draft.snapshot.next_turn,
                    TurnKind.PROMPT,
                    "u",
                    "p",
                    line.prompt_uuid,
                    line.prompt_uuid,
                )
            )
            draft.add(e.TurnSent(name, 1))
        draft.add_all(list(interpret(draft.snapshot, line, Moment(1, offset, 10))))
    return draft


@pytest.mark.parametrize("name", STREAMS)
def test_every_recorded_stream_can_be_followed_to_its_end(name: str) -> None:
    draft = as_sent(recorded(name), live())
    texts = blocks(draft)
    started = {each.event.turn_id for each in draft.numbered if isinstance(each.event, e.TurnStarted)}
    over = [turn_id for turn_id, _ in ended(draft)]
    assert len(over) == len(set(over)), "a turn ended twice"
    assert started <= {*over, draft.snapshot.running.turn_id if draft.snapshot.running else ""}
    assert texts
    numbers = [each.number for each in draft.numbered]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("name", STREAMS)
def test_no_word_of_a_recorded_stream_is_lost_or_told_twice(name: str) -> None:
    lines = recorded(name)
    expected = [
        block.text
        for line in lines
        if isinstance(line, c.AssistantBlocks) and line.error is None
        for block in line.blocks
        if isinstance(block, c.TextBlock)
    ]
    draft = as_sent(lines, live())
    results = {line.text for line in lines if isinstance(line, c.TurnResult) and line.local_command}
    told = [text for texts in blocks(draft).values() for text in texts if text not in results]
    assert sorted(told) == sorted(text for text in expected if text not in results)


def test_a_line_of_any_kind_is_taken_in_any_state() -> None:
    """The whole recording, line by line, against states that do not fit it: nothing raises."""
    lines = [line for name in STREAMS for line in recorded(name)]
    for start in (
        Snapshot(ID),
        live(),
        SENT,
        WORKS,
        Snapshot(ID, lifecycle=Lifecycle.STOPPING, sent=turn("z")),
    ):
        for offset, line in enumerate(lines):
            draft = Draft(start, 10)
            draft.add_all(list(interpret(start, line, Moment(1, offset, 10))))

"""Growing text reaches a subscriber whole, each character once, however lines are batched and whoever dies."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.claude import lines as c
from sessions.claude.parse import parse
from sessions.events import PartialText
from sessions.live_text import LiveText
from sessions.model import SessionId, TurnId
from tests.sessions.claude.record_samples import SAMPLES

ID = SessionId("01890000-0000-7000-8000-000000000001")
TURN = TurnId("t")


@dataclass
class Screen:
    """The text that a subscriber shows while it grows; pieces must fit, or begin anew."""

    shown: dict[str, str] = field(default_factory=dict)

    def take(self, pieces: Sequence[PartialText]) -> None:
        for piece in pieces:
            if piece.void:
                self.shown.clear()
                continue
            known = "" if piece.start == 0 else self.shown.get(piece.key, "")
            assert piece.start == len(known), "a hole or a repetition"
            self.shown[piece.key] = known + piece.added


TEXT: list[c.CliLine] = [
    c.MessageStarted("m1", "opus"),
    c.BlockStarted(0, "thinking"),
    c.BlockDelta(0, "thinking", "hm"),
    c.AssistantBlocks("u0", "m1", "opus", (c.ThinkingBlock("hm"),)),
    c.BlockStopped(0),
    c.BlockStarted(1, "text"),
    c.BlockDelta(1, "text", "one "),
    c.BlockDelta(1, "text", "two "),
    c.BlockDelta(1, "text", "three"),
]
DONE: list[c.CliLine] = [
    c.AssistantBlocks("u1", "m1", "opus", (c.TextBlock("one two three"),)),
    c.BlockStopped(1),
    c.MessageStopped(),
]


def read_all(live: LiveText, lines: Sequence[c.CliLine], start: int = 0) -> None:
    for offset, line in enumerate(lines, start=start):
        live.read(line, offset)


def test_text_comes_in_pieces_that_continue_each_other() -> None:
    live = LiveText()
    told = []
    for offset, line in enumerate(TEXT):
        live.read(line, offset)
        told += [(piece.start, piece.added) for piece in live.publish(ID, TURN, 0)]
    assert told == [(0, "hm"), (0, "one "), (4, "two "), (8, "three")]


def test_a_batch_is_one_piece_and_a_finished_block_is_none() -> None:
    live = LiveText()
    read_all(live, TEXT)
    assert [piece.added for piece in live.publish(ID, TURN, 0)] == ["one two three"]
    read_all(live, DONE, len(TEXT))
    assert live.publish(ID, TURN, 0) == []
    assert live.whole(ID, TURN, 0) == []


def test_a_retry_voids_what_was_shown_and_only_then() -> None:
    shown, unseen = LiveText(), LiveText()
    for live in (shown, unseen):
        read_all(live, TEXT)
    shown.publish(ID, TURN, 0)
    again = c.MessageStarted("m2", "opus")
    for live in (shown, unseen):
        live.read(again, 20)
    assert [piece.void for piece in shown.publish(ID, TURN, 0)] == [True]
    assert unseen.publish(ID, TURN, 0) == []


def test_a_subagents_text_is_not_shown() -> None:
    live = LiveText()
    read_all(live, [c.MessageStarted("s", "opus", "tool"), c.BlockStarted(0, "text", parent="tool")])
    live.read(c.BlockDelta(0, "text", "inside", "tool"), 9)
    assert live.publish(ID, TURN, 0) == []


def test_reading_begins_again_where_the_open_message_began() -> None:
    live = LiveText()
    assert live.replay_from(0) == 0
    for offset, line in enumerate([c.Ignored("x"), *TEXT]):
        live.read(line, offset * 10)
        assert live.replay_from(offset * 10 + 10) == 10
    for offset, line in enumerate(DONE, start=1 + len(TEXT)):
        live.read(line, offset * 10)
    assert live.replay_from(999) == 999


STREAMS = {
    path.stem: [parse(line) for line in path.read_bytes().split(b"\n")[:-1]]
    for path in sorted((SAMPLES / "streams").glob("*.ndjson"))
}


def open_text(lines: Sequence[c.CliLine]) -> dict[str, str]:
    live = LiveText()
    read_all(live, lines)
    return {piece.key: piece.added for piece in live.whole(ID, TURN, 0)}


@settings(deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_any_batching_shows_the_same_text(name: str, data: st.DataObject) -> None:
    lines = STREAMS[name][: data.draw(st.integers(0, len(STREAMS[name])))]
    live, screen, at = LiveText(), Screen(), 0
    while at < len(lines):
        size = data.draw(st.integers(1, 40))
        read_all(live, lines[at : at + size], at)
        screen.take(live.publish(ID, TURN, 0))
        at += size
    for key, text in open_text(lines).items():
        assert screen.shown[key] == text


@settings(deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_reader_that_dies_anywhere_goes_on_with_the_same_text(name: str, data: st.DataObject) -> None:
    """After each death a new reader begins at `replay_from`; subscribers of the old one are gone with it."""
    lines = STREAMS[name]
    live, at, replay_from = LiveText(), 0, 0
    while at < len(lines):
        size = data.draw(st.integers(1, 9))
        read_all(live, lines[at : at + size], at)
        at = min(at + size, len(lines))
        replay_from = live.replay_from(at)
        assert replay_from <= at
        if data.draw(st.booleans()):
            live = LiveText()
            read_all(live, lines[replay_from:at], replay_from)
        texts = {piece.key: piece.added for piece in live.whole(ID, TURN, 0)}
        assert texts == open_text(lines[:at])
        screen = Screen()
        screen.take(live.whole(ID, TURN, 0))
        live.publish(ID, TURN, 0)


def test_a_state_that_was_copied_is_not_touched_by_what_is_read_later() -> None:
    live = LiveText()
    read_all(live, TEXT[:7])
    live.publish(ID, TURN, 0)
    before = live.copy()
    read_all(live, TEXT[7:], 7)
    read_all(before, TEXT[7:], 7)
    assert [p.added for p in before.publish(ID, TURN, 0)] == [p.added for p in live.publish(ID, TURN, 0)]

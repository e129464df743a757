"""The text shown while a message streams is the text that the CLI later calls complete; void text goes."""

import time
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sessions.claude.lines import (
    AssistantBlocks,
    BlockDelta,
    BlockStarted,
    CliLine,
    CliState,
    MessageStarted,
    MessageStopped,
    StateChanged,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from sessions.claude.parse import parse
from sessions.claude.partial import Partial, Pieces, fold
from tests.sessions.claude.record_samples import SAMPLES

BEGUN: tuple[CliLine, ...] = (
    MessageStarted("m1", "opus"),
    BlockStarted(0, "text"),
    BlockDelta(0, "text", "one "),
    BlockDelta(0, "text", "two"),
)


def folded(lines: Iterable[CliLine], start: Partial | None = None) -> Partial:
    partial = start or Partial()
    for line in lines:
        partial = fold(partial, line)
    return partial


def shown(partial: Partial, parent: str | None = None) -> list[str]:
    return [block.text for block in partial.blocks(parent)]


def recorded(name: str) -> list[CliLine]:
    return [parse(line) for line in (SAMPLES / "streams" / f"{name}.ndjson").read_bytes().split(b"\n")[:-1]]


def test_text_grows_with_each_piece() -> None:
    assert [shown(folded(BEGUN[:n])) for n in range(1, 5)] == [[], [""], ["one "], ["one two"]]


def test_a_complete_block_takes_the_place_of_the_streamed_one() -> None:
    complete = AssistantBlocks("u", "m1", "opus", (TextBlock("one two"),))
    assert shown(folded((*BEGUN, complete))) == []
    later = folded((*BEGUN, complete, BlockStarted(1, "text"), BlockDelta(1, "text", "three")))
    assert shown(later) == ["three"]


def test_a_complete_block_takes_the_first_of_its_kind() -> None:
    lines = (
        MessageStarted("m1", "opus"),
        BlockStarted(0, "redacted_thinking"),
        BlockStarted(1, "text"),
        BlockStarted(2, "tool_use", "Bash", "toolu_1"),
        BlockDelta(2, "input_json", '{"a'),
    )
    partial = folded((*lines, AssistantBlocks("u", "m1", "opus", (ToolUseBlock("toolu_1", "Bash", {}),))))
    assert [block.kind for block in partial.blocks()] == ["redacted_thinking", "text"]
    partial = folded([AssistantBlocks("u", "m1", "opus", (ThinkingBlock(""),))], partial)
    assert [block.kind for block in partial.blocks()] == ["text"]


def test_a_new_message_voids_the_text_of_the_one_before_and_of_no_other_thread() -> None:
    inner = (MessageStarted("m9", "opus", "toolu_1"), BlockStarted(0, "text", parent="toolu_1"))
    partial = folded((*BEGUN, *inner, BlockDelta(0, "text", "inner", "toolu_1")))
    assert (shown(partial), shown(partial, "toolu_1")) == (["one two"], ["inner"])
    partial = fold(partial, MessageStarted("m2", "opus"))
    assert (shown(partial), shown(partial, "toolu_1")) == ([], ["inner"])


def test_a_lost_connection_voids_the_blocks_that_it_abandons() -> None:
    assert shown(folded((*BEGUN, MessageStopped(None, 0)))) == []
    assert shown(folded((*BEGUN, MessageStopped(None, 1)))) == ["one two"]
    assert shown(folded((*BEGUN, MessageStopped(None)))) == ["one two"]


def test_nothing_streams_when_the_cli_is_idle() -> None:
    assert folded((*BEGUN, StateChanged(CliState.IDLE))) == Partial()


def test_a_line_of_another_message_or_without_one_changes_nothing() -> None:
    partial = folded(BEGUN)
    assert fold(partial, AssistantBlocks("u", "other", "<synthetic>", (TextBlock("one two"),))) is partial
    assert fold(Partial(), BlockDelta(0, "text", "late")) == Partial()
    assert fold(Partial(), BlockStarted(0, "text")) == Partial()


def test_recorded_streams_show_each_block_as_it_is_when_complete() -> None:
    compared = 0
    for name in ("answers_and_tools", "interruptions", "tasks", "commands", "controls"):
        partial = Partial()
        for line in recorded(name):
            if isinstance(line, AssistantBlocks) and line.parent is None and not line.synthetic:
                for block in line.blocks:
                    if isinstance(block, TextBlock) and not block.text.endswith("…"):
                        assert shown(partial)[:1] == [block.text]
                        compared += 1
            partial = fold(partial, line)
        assert partial == Partial()
    assert compared > 10


def test_a_dropped_connection_leaves_nothing_of_the_first_try() -> None:
    lines = recorded("troubles")
    drop = next(
        i for i, line in enumerate(lines) if isinstance(line, MessageStopped) and line.abandoned_from == 0
    )
    assert shown(folded(lines[:drop])) != []
    assert shown(folded(lines[: drop + 1])) == []


@given(st.lists(st.text(max_size=20)))
def test_pieces_are_their_texts_one_after_another_however_they_come(texts: list[str]) -> None:
    pieces = Pieces()
    earlier = []
    for text in texts:
        earlier.append(pieces)
        pieces = pieces.appended(text)
    assert str(pieces) == "".join(texts)
    assert len(pieces) == len(str(pieces))
    assert [str(old) for old in earlier] == ["".join(texts[:n]) for n in range(len(texts))]


def test_eight_megabytes_in_small_pieces_are_folded_in_seconds_and_few_parts() -> None:
    pieces = Pieces()
    started = time.process_time()
    for _ in range(8 * 1024 * 1024 // 32):
        pieces = pieces.appended("x" * 32)
    assert time.process_time() - started < 5
    assert len(pieces) == 8 * 1024 * 1024
    assert len(pieces.parts) < 32

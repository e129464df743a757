"""A batch as values: pieces of one block are joined, nothing else is, and every byte stays where it was."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import OutputLine
from sessions.claude import lines as c
from sessions.claude.parse import parse_batch
from sessions.output_lines import ReadLine, read_batch

TEXT = c.BlockDelta(0, "text", "a")
OTHERS: list[c.CliLine] = [
    c.BlockDelta(1, "text", "a"),
    c.BlockDelta(0, "thinking", "a"),
    c.BlockDelta(0, "text", "a", "toolu_1"),
    c.BlockStopped(0),
]
LINES = st.lists(st.sampled_from([TEXT, TEXT, TEXT, *OTHERS]), max_size=30)


def read(*lines: c.CliLine) -> list[ReadLine]:
    """`lines` as a batch of ten bytes a line, which begins at byte 100."""
    batch = [OutputLine(printed(line), 110 + 10 * number) for number, line in enumerate(lines)]
    return read_batch(parse_batch, batch, 100)


def printed(line: c.CliLine) -> bytes:
    """`line` as the CLI prints it."""
    event: dict[str, Any] = {"type": "content_block_stop", "index": 0}
    if isinstance(line, c.BlockDelta):
        delta = {"type": f"{line.kind}_delta", line.kind: line.text}
        event = {"type": "content_block_delta", "index": line.index, "delta": delta}
    parent = line.parent if isinstance(line, c.BlockDelta) else None
    body = {"type": "stream_event", "event": event, "parent_tool_use_id": parent}
    return json.dumps(body, separators=(",", ":")).encode()


def test_pieces_of_a_block_that_follow_each_other_are_one_line() -> None:
    assert read(TEXT, TEXT, TEXT) == [ReadLine(c.BlockDelta(0, "text", "aaa"), 100, 130)]


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_whatever_else_comes_between_stays_a_line(other: c.CliLine) -> None:
    assert read(TEXT, other, TEXT) == [(TEXT, 100, 110), (other, 110, 120), (TEXT, 120, 130)]


def test_other_lines_are_not_joined_with_their_like() -> None:
    assert read(c.BlockStopped(0), c.BlockStopped(0)) == [
        (c.BlockStopped(0), 100, 110),
        (c.BlockStopped(0), 110, 120),
    ]


@given(LINES)
def test_all_text_and_every_byte_stays(lines: list[c.CliLine]) -> None:
    found = read(*lines)
    ends = [each.end for each in found]
    assert [each.begins_at for each in found] == [100, *ends][: len(found)]
    assert ends[-1:] == [100 + 10 * len(lines)][: len(found)]

    def shown(those: list[c.CliLine]) -> list[str]:
        return [sign for line in those for sign in (line.text if isinstance(line, c.BlockDelta) else "|")]

    assert shown([each.line for each in found]) == shown(lines)

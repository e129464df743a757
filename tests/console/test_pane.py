"""Panes show every recorded stream readably, and streamed text once."""

import io
import re
from pathlib import Path

import pytest

from console.pane import Pane
from console.watch import FAILED, OK, watch
from sessions.claude import lines as c
from sessions.claude.parse import parse

STREAMS = sorted((Path(__file__).parents[1] / "sessions" / "claude" / "samples" / "streams").glob("*.ndjson"))
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def shown(*lines: c.CliLine) -> str:
    pane = Pane()
    return STYLES.sub("", "".join(pane.show(line) for line in lines))


def said(text: str) -> c.AssistantBlocks:
    return c.AssistantBlocks("u", "m", "opus", (c.TextBlock(text),))


def test_streamed_text_is_not_repeated_when_it_is_complete() -> None:
    text = shown(
        c.PromptEchoed("p", "", "hello\nthere"),
        c.MessageStarted("m", "opus"),
        c.BlockDelta(0, "thinking", "hm"),
        c.AssistantBlocks("u", "m", "opus", (c.ThinkingBlock("hm"),)),
        c.BlockDelta(1, "text", "one "),
        c.BlockDelta(1, "text", "two"),
        said("one two"),
        c.AssistantBlocks("u", "m", "opus", (c.ToolUseBlock("t", "Bash", {"command": "ls"}),)),
        c.ToolResults((c.ToolResult("u", "t", "a\nb", False),)),
        said("not streamed"),
    )
    assert text == "\n❯ hello\n  there\n\nhm\n\none two\n\n● Bash ls\n  ✓ a (+1 lines)\n\nnot streamed\n"


def test_void_text_is_said_to_be_void() -> None:
    text = shown(
        c.MessageStarted("m", "opus"),
        c.BlockDelta(0, "text", "half"),
        c.MessageStopped(None, 0),
        c.MessageStarted("n", "opus"),
        c.BlockDelta(0, "text", "whole"),
    )
    assert "half\n  · what was written last is void\n" in text


def test_a_request_of_a_server_is_shown_as_one_line() -> None:
    form, link = c.FormAsked("r", "shop", "Which\nsize?\x1b[2J", ()), c.LinkAsked("r", "shop", "Log in.", "u")
    text = shown(form, link)
    assert "The MCP server shop asks for input: Which size?" in text
    assert "The MCP server shop asks you to open a page: Log in." in text
    assert "\x1b" not in text


def test_a_control_sequence_in_pieces_reaches_no_terminal() -> None:
    text = shown(*(c.BlockDelta(0, "text", sign) for sign in "a\x1b[2Jb\x1b]0;t\x07c"))
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_every_recorded_stream_is_readable(path: Path) -> None:
    pane = Pane()
    text = STYLES.sub("", "".join(pane.show(parse(line)) for line in path.read_bytes().split(b"\n") if line))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert "❯ " in text


def test_watch_follows_a_directory_to_its_end_and_refuses_another(tmp_path: Path) -> None:
    out = io.StringIO()
    assert watch(tmp_path, out) == FAILED
    (tmp_path / "output.ndjson").write_bytes(STREAMS[0].read_bytes() + b'{"torn')
    (tmp_path / "exit").write_text("0")
    assert watch(tmp_path, out) == OK
    assert "❯" in out.getvalue()
    assert out.getvalue().endswith("Claude's process has ended.\n")

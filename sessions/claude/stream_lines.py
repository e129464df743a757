"""Lines of a message that is being streamed: its blocks begin, grow and end.

Format: Claude Code CLI, `--include-partial-messages`; events of the Messages API. `lines.py` hands them all on.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one API message or of a whole turn."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """A new API message streams. All partial text of this `parent` shown before is void.

    `prompt_uuid`: the prompt that it answers; the first message of a turn says it.
    """

    message_id: str
    model: str
    parent: str | None = None
    prompt_uuid: str | None = None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """`kind` is text, thinking, tool_use or whatever comes; `tool_name` and `tool_use_id` for tool_use."""

    index: int
    kind: str
    tool_name: str = ""
    tool_use_id: str = ""
    parent: str | None = None


class BlockDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the block at `index`. `kind`: text, thinking, input_json; signatures come as `other`."""

    # Nearly all lines are these, and a frozen dataclass takes ten times as long to make.

    index: int
    kind: Literal["text", "thinking", "input_json", "other"]
    text: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class BlockStopped:
    index: int
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """`message_delta`: the message's final stop reason and usage (count it once per message id)."""

    message_id: str
    stop_reason: str | None
    usage: Usage
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class MessageStopped:
    """`abandoned_from`: the blocks from this index on will never be complete (connection lost, interrupted)."""

    parent: str | None = None
    abandoned_from: int | None = None

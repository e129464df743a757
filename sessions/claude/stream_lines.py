"""Lines of a streaming message: its blocks begin, grow and end.

Format: Claude Code CLI, `--include-partial-messages`; events of the Messages API. `lines.py` re-exports them.
"""

from typing import Literal

import msgspec

BlockKind = Literal["text", "thinking", "input_json", "other"]
"""The kinds of growing blocks; signatures count as `other`."""


class Usage(msgspec.Struct, frozen=True):
    """Token counts of one API message or of a whole turn."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class MessageStarted(msgspec.Struct, frozen=True):
    """A new API message begins. All partial text of this `parent` shown before is void.

    `prompt_uuid`: the prompt that the message answers. Only the first message of a turn has it.
    """

    message_id: str
    model: str
    parent: str | None = None
    prompt_uuid: str | None = None


class BlockStarted(msgspec.Struct, frozen=True):
    """A block begins. `kind` is text, thinking, tool_use or an unknown one; tool_use has the `tool_` fields."""

    index: int
    kind: str
    tool_name: str = ""
    tool_use_id: str = ""
    parent: str | None = None


class BlockDelta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the block at `index`."""

    # A Struct, because nearly all lines are deltas, and a frozen dataclass takes ten times as long to make.

    index: int
    kind: BlockKind
    text: str
    parent: str | None = None


class BlockStopped(msgspec.Struct, frozen=True):
    index: int
    parent: str | None = None


class MessageUsage(msgspec.Struct, frozen=True):
    """`message_delta`: the message's final stop reason and usage. Count the usage once per message id."""

    message_id: str
    stop_reason: str | None
    usage: Usage
    parent: str | None = None


class MessageStopped(msgspec.Struct, frozen=True):
    """The message ended. `abandoned_from`: the blocks from this index on stay incomplete (connection lost,
    interrupted).
    """

    parent: str | None = None
    abandoned_from: int | None = None

"""The visible part of the API messages that stream right now, as a pure fold over lines.

It holds only blocks that are not final yet. A complete block (`AssistantBlocks`) replaces the streamed one: the
fold drops it, and the caller takes it from the line itself. Nothing here is stored. After a restart, the lines
are folded again from the saved offset of the output log, which lies before the first line that is not final.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from sessions.claude.lines import (
    AssistantBlocks,
    BlockDelta,
    BlockStarted,
    CliLine,
    CliState,
    ContentBlock,
    ConversationReset,
    MessageStarted,
    MessageStopped,
    OtherBlock,
    StateChanged,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    TurnResult,
)

# Structs, because each piece of text makes four of these: frozen dataclasses take ten times as long to make.


class Pieces(msgspec.Struct, frozen=True):
    """An immutable text that grows at its end. Appending n characters copies O(n log n) characters in all."""

    parts: tuple[str, ...] = ()

    def appended(self, text: str) -> "Pieces":
        # A part no longer than the text after it is merged with it. So the parts shrink from first to last, and
        # there are few of them.
        parts = self.parts
        while parts and len(parts[-1]) <= len(text):
            text = parts[-1] + text
            parts = parts[:-1]
        return Pieces((*parts, text))

    def __str__(self) -> str:
        return "".join(self.parts)

    def __len__(self) -> int:
        return sum(map(len, self.parts))


class OpenBlock(msgspec.Struct, frozen=True):
    """A streaming block. `kind` is as in `BlockStarted`. The text of a tool call is its input as JSON."""

    index: int
    kind: str
    tool_name: str = ""
    tool_use_id: str = ""
    pieces: Pieces = Pieces()

    @property
    def text(self) -> str:
        """The whole text so far. Each access joins the pieces again, so read it once per rendering."""
        return str(self.pieces)


class OpenMessage(msgspec.Struct, frozen=True):
    """A streaming API message, with its blocks that are not final, in order."""

    message_id: str
    model: str
    blocks: tuple[OpenBlock, ...] = ()


class Partial(msgspec.Struct, frozen=True):
    """The open messages by `parent`: None for the main thread, else the tool-use id of a subagent."""

    messages: Mapping[str | None, OpenMessage] = msgspec.field(default_factory=dict)

    def blocks(self, parent: str | None = None) -> tuple[OpenBlock, ...]:
        """Return the open blocks of one thread, in order; empty if nothing streams there."""
        message = self.messages.get(parent)
        return () if message is None else message.blocks


def fold(partial: Partial, line: CliLine) -> Partial:
    """Return the visible part after `line`; `partial` itself if the line does not change it."""
    match line:
        case BlockDelta():
            return _delta(partial, line)
        case MessageStarted():
            # In place of an open message: after a lost connection the CLI begins anew, and the shown part is
            # void.
            return _with(partial, line.parent, OpenMessage(line.message_id, line.model))
        case BlockStarted():
            return _block_started(partial, line)
        case AssistantBlocks():
            return _completed(partial, line)
        case MessageStopped():
            return _stopped(partial, line)
        case TurnResult():
            # The main thread only: subagents in the background go on after a result.
            return _without(partial, None)
        case StateChanged(CliState.IDLE) | ConversationReset():
            return Partial() if partial.messages else partial
        case _:
            return partial


def _delta(partial: Partial, line: BlockDelta) -> Partial:
    # Runs for each piece of text. No `replace` here: it would take longer than the rest of the function.
    message = partial.messages.get(line.parent)
    if message is None or not line.text:
        return partial
    for at, block in enumerate(message.blocks):
        if block.index == line.index:
            pieces = block.pieces.appended(line.text)
            grown = OpenBlock(block.index, block.kind, block.tool_name, block.tool_use_id, pieces)
            blocks = (*message.blocks[:at], grown, *message.blocks[at + 1 :])
            return _with(partial, line.parent, OpenMessage(message.message_id, message.model, blocks))
    return partial


def _block_started(partial: Partial, line: BlockStarted) -> Partial:
    message = partial.messages.get(line.parent)
    if message is None:
        return partial
    started = OpenBlock(line.index, line.kind, line.tool_name, line.tool_use_id)
    others = tuple(block for block in message.blocks if block.index != line.index)
    return _with(partial, line.parent, replace(message, blocks=(*others, started)))


def _completed(partial: Partial, line: AssistantBlocks) -> Partial:
    message = partial.messages.get(line.parent)
    # A complete block of an earlier message must not take one of the message that streams now.
    if message is None or message.message_id != line.message_id:
        return partial
    blocks = message.blocks
    for complete in line.blocks:
        blocks = _minus_first(blocks, _kind(complete))
    return _with(partial, line.parent, replace(message, blocks=blocks))


def _stopped(partial: Partial, line: MessageStopped) -> Partial:
    message = partial.messages.get(line.parent)
    if message is None or line.abandoned_from is None:
        return partial
    kept = tuple(block for block in message.blocks if block.index < line.abandoned_from)
    return _with(partial, line.parent, replace(message, blocks=kept))


def _minus_first(blocks: tuple[OpenBlock, ...], kind: str) -> tuple[OpenBlock, ...]:
    """Return `blocks` without the earliest one of this kind: the line of a complete block has no index."""
    for at, block in enumerate(blocks):
        if block.kind.removeprefix("redacted_") == kind:
            return blocks[:at] + blocks[at + 1 :]
    return blocks


def _kind(block: ContentBlock) -> str:
    match block:
        case TextBlock():
            return "text"
        case ThinkingBlock():
            return "thinking"
        case ToolUseBlock():
            return "tool_use"
        case OtherBlock():
            return block.kind


def _with(partial: Partial, parent: str | None, message: OpenMessage) -> Partial:
    return Partial({**partial.messages, parent: message})


def _without(partial: Partial, parent: str | None) -> Partial:
    if parent not in partial.messages:
        return partial
    return Partial({key: message for key, message in partial.messages.items() if key != parent})

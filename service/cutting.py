"""Cuts the bodies of tools for a page, so that reading a transcript does not load a whole build log. Pure."""

from typing import Any

from msgspec.structs import replace

from sessions.model import Block, Other, ToolCall, ToolOutput

MOST_BYTES = 8_192
"""The largest body of a tool on a page."""


def cut_block(block: Block, most: int = MOST_BYTES) -> tuple[Block, int]:
    """Return `block` with at most `most` bytes in its tool's body, and the number of bytes left out."""
    room = _Room(most)
    match block:
        case ToolOutput():
            # The patch first: the text of an edit only says that it was made.
            patch = room.text(block.patch)
            return replace(block, patch=patch, text=room.text(block.text)), room.left_out
        case ToolCall():
            return replace(block, input=room.value(block.input)), room.left_out
        case Other():
            return replace(block, body=room.value(block.body)), room.left_out
        case _:
            return block, 0


class _Room:
    """The bytes that one body may still use. Only texts count: names and numbers are small beside them."""

    def __init__(self, most: int) -> None:
        self.left_out = 0
        self._left = most

    def text(self, text: str) -> str:
        """Return as much of `text` as there is room for, cut between characters."""
        if len(text) <= self._left // 4:  # a character has at most 4 bytes
            self._left -= len(text.encode(errors="surrogatepass"))
            return text
        data = text.encode(errors="surrogatepass")
        taken = data[: self._left]
        self._left -= len(taken)
        self.left_out += len(data) - len(taken)
        return text if len(taken) == len(data) else taken.decode(errors="ignore")

    def value(self, value: Any) -> Any:
        """Return the JSON value with its texts cut and its shape unchanged."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {name: self.value(each) for name, each in value.items()}
            case list():
                return [self.value(each) for each in value]
            case _:
                return value

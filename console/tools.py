"""A tool call in a few words, to read at a glance. Pure."""

from collections.abc import Mapping
from typing import Any

from api.words.tools import telling_field, tool_label
from console.text import one_line


def tool_words(name: str, arguments: Mapping[str, Any], width: int) -> str:
    """Return the most telling part of the input, on one line of at most `width` characters; may be empty."""
    value = str(arguments.get(telling_field(name, arguments), ""))
    # Cut first: a tool may be given a whole file.
    return one_line(value[: 4 * width], width)


def tool_name(name: str) -> str:
    """Return the tool's name for people."""
    return one_line(tool_label(name), 60)


def output_words(text: str, width: int) -> str:
    """Return a tool's output at a glance: its first line and the number of further lines."""
    lines = [line for line in text.splitlines() if line.strip()] if len(text) < 200_000 else [text[:200], "…"]
    if not lines:
        return ""
    more = f" (+{len(lines) - 1} lines)" if len(lines) > 1 else ""
    return one_line(lines[0][: 4 * width], max(10, width - len(more))) + more

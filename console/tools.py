"""A tool call in a few words: what a person wants to know of it at a glance. Pure."""

from collections.abc import Mapping
from typing import Any

from console.text import one_line

# What matters of the tools that Claude Code brings; of any other tool, the first text is shown.
_TELLING = {
    "Bash": "command",
    "BashOutput": "bash_id",
    "Edit": "file_path",
    "Glob": "pattern",
    "Grep": "pattern",
    "MultiEdit": "file_path",
    "NotebookEdit": "notebook_path",
    "Read": "file_path",
    "Skill": "skill",
    "Task": "description",
    "Agent": "description",
    "WebFetch": "url",
    "WebSearch": "query",
    "Write": "file_path",
}


def tool_words(name: str, arguments: Mapping[str, Any], width: int) -> str:
    """What the call is about, on one line of at most `width` characters; may be empty."""
    value = arguments.get(_TELLING.get(name, ""))
    if not isinstance(value, str):
        value = next((each for each in arguments.values() if isinstance(each, str)), "")
    # Cut first: a tool may be given a whole file.
    return one_line(value[: 4 * width], width)


def tool_name(name: str) -> str:
    """The name as people know it: `mcp__github__search` is the server's `github: search`."""
    if name.startswith("mcp__"):
        server, _, tool = name.removeprefix("mcp__").partition("__")
        return one_line(f"{server}: {tool}", 60)
    return one_line(name, 60)


def output_words(text: str, width: int) -> str:
    """A tool's output at a glance: its first line, and how many more there are."""
    lines = [line for line in text.splitlines() if line.strip()] if len(text) < 200_000 else [text[:200], "…"]
    if not lines:
        return ""
    more = f" (+{len(lines) - 1} lines)" if len(lines) > 1 else ""
    return one_line(lines[0][: 4 * width], max(10, width - len(more))) + more

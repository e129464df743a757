"""Claude's own list of steps, as its tool `TodoWrite` keeps it. Pure.

Source: Claude Code tools reference, TodoWrite. Each call carries the whole list.
"""

from collections.abc import Mapping
from typing import Any

from sessions.model import Block, Progress, ToolCall

_TOOL = "TodoWrite"
_LONGEST = 200


def progress_of(block: Block) -> Progress | None:
    """Return the state of the list that `block` writes; None if it writes no list."""
    if not isinstance(block, ToolCall) or block.name != _TOOL or block.parent is not None:
        return None
    todos = block.input.get("todos")
    if not isinstance(todos, list):
        return None
    steps = [each for each in todos if isinstance(each, Mapping)]
    done = sum(each.get("status") == "completed" for each in steps)
    now: Mapping[str, Any] = next((each for each in steps if each.get("status") == "in_progress"), {})
    return Progress(len(steps), done, _text(now, "activeForm") or _text(now, "content"))


def _text(step: Mapping[str, Any], name: str) -> str:
    value = step.get(name)
    return " ".join(value.split())[:_LONGEST] if isinstance(value, str) else ""

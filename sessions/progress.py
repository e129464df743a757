"""Claude's own list of steps, as its tool `TodoWrite` keeps it, and the time that the rest may take. Pure.

Source: Claude Code tools reference, TodoWrite. Each call carries the whole list.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from sessions.model import Block, Progress, TimeLeft, ToolCall

_TOOL = "TodoWrite"
_LONGEST = 200
_REMEMBERED = 20
_LEAST_BASIS = 2
"""One step tells nothing about how much steps differ."""


def progress_of(block: Block) -> Progress | None:
    """Return the state of the list that `block` writes; None if it writes no list."""
    # Subagents keep lists of their own, which say nothing of the session's work as a whole.
    if not isinstance(block, ToolCall) or block.name != _TOOL or block.parent is not None:
        return None
    todos = block.input.get("todos")
    if not isinstance(todos, list):
        return None
    steps = [each for each in todos if isinstance(each, Mapping)]
    done = sum(each.get("status") == "completed" for each in steps)
    now: Mapping[str, Any] = next((each for each in steps if each.get("status") == "in_progress"), {})
    return Progress(len(steps), done, _text(now, "activeForm") or _text(now, "content"))


def followed_by(known: Progress, block: Block, at_ms: int) -> Progress:
    """Return the progress after `block` at `at_ms`: done steps keep their durations while the list goes on."""
    new = progress_of(block)
    if new is None:
        return known
    goes_on = known.total > 0 and known.done <= new.done and known.done < known.total and new.total
    if not goes_on:
        return replace(new, since_ms=at_ms)
    count = new.done - known.done
    if not count:
        return replace(new, step_ms=known.step_ms, since_ms=known.since_ms)
    # Steps that were ticked off together took their time together.
    each_ms = max(0, at_ms - known.since_ms) // count
    return replace(new, step_ms=(*known.step_ms, *[each_ms] * count)[-_REMEMBERED:], since_ms=at_ms)


def time_left(progress: Progress, now_ms: int) -> TimeLeft | None:
    """Return how long the steps that are left may take; None without a basis.

    The range is the middle half of the durations of the steps so far, for each step that is left. The current
    step has used some of it; one that takes longer than most may take as long again.
    """
    durations, left = sorted(progress.step_ms), progress.total - progress.done
    if len(durations) < _LEAST_BASIS or left < 1:
        return None
    low, high = durations[(len(durations) - 1) // 4], durations[-1 - (len(durations) - 1) // 4]
    used = max(0, now_ms - progress.since_ms)
    least = max(0, low - used) + low * (left - 1)
    most = (high - used if used < high else used) + high * (left - 1)
    return TimeLeft(least // 1000, -(-most // 1000), len(durations))


def _text(step: Mapping[str, Any], name: str) -> str:
    value = step.get(name)
    return " ".join(value.split())[:_LONGEST] if isinstance(value, str) else ""

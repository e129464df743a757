"""Quiet lines for Claude's steps between its texts: tool calls, thinking, progress.

Pure. Tools define their inputs, so any field may be missing or of another type.
"""

import re
from collections.abc import Mapping
from typing import Any

from api.words.tools import telling_field, tool_label
from bot.markdown.cards import escape_inline, one_line
from bot.wording import counted
from sessions.model import Thinking, ToolCall, ToolOutput

CALL_CHARS = 80
"""Most characters of a line without its result."""
RESULT_CHARS = 32
EARLIER_CHARS = 32
"""Most characters that `after_earlier` adds."""
_NAME_CHARS = 32
_QUOTED = ("Grep", "WebSearch", "ToolSearch")
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|webp)\Z", re.IGNORECASE)
_PATHS = frozenset({"file_path", "notebook_path", "path"})


def is_picture_name(path: str) -> bool:
    """Return whether a file of this name is a picture that people can be shown."""
    return _PICTURE.search(path) is not None


def short_path(path: str, work_directory: str) -> str:
    """Return `path` relative to the work directory of that name; else its last parts if it is long."""
    # By the directory's name: the face does not know where it lies on the machine.
    _, found, below = path.partition(f"/{work_directory}/") if work_directory else ("", "", "")
    if found and below:
        return below
    # The beginning of a foreign path names directories of the machine; the end tells people more.
    parts = [part for part in path.split("/") if part]
    return path if len(parts) <= 3 else "…/" + "/".join(parts[-2:])


def summary(call: ToolCall, work_directory: str = "") -> str:
    """Return the subject of a call as one line, not escaped."""
    field = telling_field(call.name, call.input)
    text = _text(call.input, field)
    if field in _PATHS:
        text = short_path(text, work_directory)
    text = one_line(text, CALL_CHARS)
    return f'"{text}"' if text and call.name in _QUOTED else text


def tool_line(call: ToolCall) -> str:
    """Return the line of a call that names only its tool."""
    return f"-# {escape_inline(tool_label(call.name), _NAME_CHARS)}"


def call_line(call: ToolCall, work_directory: str = "") -> str:
    """Return the line of a call without its result; at most `CALL_CHARS`."""
    name = escape_inline(tool_label(call.name), _NAME_CHARS)
    about = escape_inline(summary(call, work_directory), CALL_CHARS - len(name) - 4)
    return f"-# {name} {about}".rstrip()


def result_mark(call: ToolCall, output: ToolOutput | None, steps: int, *, over: bool) -> str:
    """Return the result of a call in a few words; at most `RESULT_CHARS`.

    `steps` counts the steps of a subagent; `over`: the turn has ended.
    """
    done = f"{counted(steps, 'step')}" if steps else ""
    if output is None:
        state = "not finished" if over else "running"
        return f"{done}, {state}" if done else state
    if output.is_error:
        return _failure(output)
    return done or _result(call, output)


def _failure(output: ToolOutput) -> str:
    words = re.sub(r"</?[a-z_]+>", "", output.text)
    first = next((line for line in words.split("\n") if line.strip()), "")
    shown = escape_inline(first, RESULT_CHARS - len("failed: "))
    return f"failed: {shown}" if shown else "failed"


def _result(call: ToolCall, output: ToolOutput) -> str:
    if output.patch:
        added, removed = patch_size(output.patch)
        return f"+{added}" if not removed else f"+{added} −{removed}"
    lines = sum(1 for line in output.text.split("\n") if line.strip())
    if output.pictures and not lines:
        return counted(output.pictures, "picture")
    match call.name:
        case "Read" if is_picture_name(_text(call.input, "file_path")):
            return counted(max(output.pictures, 1), "picture")
        case "Read":
            return counted(lines, "line") if lines else "empty"
        case "Grep" | "Glob":
            nothing = output.text.startswith("No ") or not lines
            return "nothing found" if nothing else counted(lines, "line")
        case "Bash":
            return counted(lines, "line") if lines else "no output"
        case _:
            return "done"


def patch_size(patch: str) -> tuple[int, int]:
    """Return how many lines a patch adds and removes."""
    lines = patch.split("\n")
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)


def thinking_line(block: Thinking) -> str:
    """Return a complete thought as one line."""
    first = next((line for line in block.text.split("\n") if line.strip(" *#`")), "")
    shown = escape_inline(first.strip(" *#"), CALL_CHARS - len("-# Thought: "))
    return f"-# Thought: {shown}" if shown else "-# Thought for a while"


def after_earlier(line: str, earlier: int, failed: int) -> str:
    """Return the line of a step after others of its group: `-# 3 steps, 1 failed, then Bash pytest`."""
    if not earlier:
        return line
    troubles = f", {failed} failed" if failed else ""
    return f"-# {counted(earlier, 'step')}{troubles}, then {line.removeprefix('-# ')}"


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""

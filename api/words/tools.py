"""A tool call at a glance: the tool's name for people, and the most telling field of its input."""

import re
from collections.abc import Mapping
from typing import Any

_TELLS_MOST = {
    "Bash": "command",
    "BashOutput": "bash_id",
    "Read": "file_path",
    "Write": "file_path",
    "Edit": "file_path",
    "MultiEdit": "file_path",
    "NotebookEdit": "notebook_path",
    "Grep": "pattern",
    "Glob": "pattern",
    "WebFetch": "url",
    "WebSearch": "query",
    "Task": "description",
    "Agent": "description",
    "Skill": "skill",
}
_LIKELY = ("description", "file_path", "path", "command", "query", "pattern", "url", "name", "prompt")
_NAMES = {"AskUserQuestion": "Question", "ExitPlanMode": "Plan", "Task": "Agent"}


def telling_field(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the most telling field of a call's input for the tool `name`; empty if no field has text.

    Each tool defines its own input, so no field is certain to be there.
    """
    known = _TELLS_MOST.get(name)
    if known is not None:
        return known if _is_text(arguments, known) else ""
    likely = next((field for field in _LIKELY if _is_text(arguments, field)), "")
    return likely or next((field for field in arguments if _is_text(arguments, field)), "")


def relative(text: str, work_directory: str) -> str:
    """Return `text` with every path in the work directory of that name made relative to it; itself is `.`.

    People who follow from elsewhere need not know where the machine keeps its projects.
    """
    if not work_directory or "/" not in text:
        return text
    name = re.escape(work_directory)
    end = r"(?:(?P<below>/)(?=[^\s\"'`<>|:;,)])|/?(?![\w/-]|\.\w))"
    path = rf"(?<![\w.:/~])(?:file://|~)?(?:/[^\s/\"'`<>|:]+){{0,24}}/{name}{end}"
    # Before the full stop of a sentence `..` would be another directory.
    return re.sub(
        path, lambda found: "" if found["below"] else "./" if text[found.end() :][:1] == "." else ".", text
    )


def tool_label(name: str) -> str:
    """Return a tool's name for people: `mcp__github__list_issues` becomes `github list_issues`."""
    if name in _NAMES:
        return _NAMES[name]
    parts = name.split("__")
    # A tool's own name may have two underscores in it.
    return f"{parts[1]} {'__'.join(parts[2:])}" if len(parts) >= 3 and parts[0] == "mcp" else name


def _is_text(arguments: Mapping[str, Any], field: str) -> bool:
    return isinstance(arguments.get(field), str)

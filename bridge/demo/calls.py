"""Turns a directive into a call of one of the CLI's tools, with its input. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from bridge.demo.script import Call


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Facts from the request about the place where tools run. `plan_file` is empty outside of plan mode."""

    cwd: str
    plan_file: str
    tools: frozenset[str]


_Input = dict[str, Any]


def tool_call(call: Call, around: Dependencies) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the tool and its input. Relative paths begin at the work directory."""
    if call.verb == "tool":
        return call.arguments[0] or "Bash", _json_object(call.arguments[1])
    # Versions of the CLI without the list offer single tasks instead.
    if call.verb == "todo" and "TodoWrite" not in around.tools:
        return "TaskCreate", {"subject": "DEMO task", "description": "Show a list of things to do"}
    name, make = _CALLS[call.verb]
    return name, make(call.arguments, around)


def _json_object(text: str) -> _Input:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {"text": text}
    return value if isinstance(value, dict) else {"value": value}


def _path(name: str, around: Dependencies) -> str:
    return str(PurePosixPath(around.cwd) / (name or "demo.txt"))


def _bash(arguments: tuple[str, ...], _: Dependencies) -> _Input:
    return {"command": arguments[0], "description": "Run a DEMO command"}


def _background(arguments: tuple[str, ...], around: Dependencies) -> _Input:
    return {**_bash(arguments, around), "run_in_background": True}


def _read(arguments: tuple[str, ...], around: Dependencies) -> _Input:
    return {"file_path": _path(arguments[0], around)}


def _write(arguments: tuple[str, ...], around: Dependencies) -> _Input:
    return {"file_path": _path(arguments[0], around), "content": arguments[1] or "DEMO\n"}


def _edit(arguments: tuple[str, ...], around: Dependencies) -> _Input:
    path, old, new = arguments
    return {"file_path": _path(path, around), "old_string": old, "new_string": new}


def _question(arguments: tuple[str, ...], _: Dependencies) -> _Input:
    options = [
        {"label": "Left", "description": "The way with the table"},
        {"label": "Right", "description": "The way with the code"},
        {"label": "Both", "description": "First one, then the other"},
    ]
    return {
        "questions": [{"question": arguments[0], "header": "DEMO", "options": options, "multiSelect": False}]
    }


def _plan_file(arguments: tuple[str, ...], around: Dependencies) -> _Input:
    path = around.plan_file or _path("demo-plan.md", around)
    return {"file_path": path, "content": f"# DEMO plan\n\n{arguments[0]}\n"}


def _todo(_: tuple[str, ...], __: Dependencies) -> _Input:
    items = [
        ("Start", "Starting", "completed"),
        ("Go on", "Going on", "in_progress"),
        ("Finish", "Finishing", "pending"),
    ]
    return {"todos": [{"content": text, "activeForm": form, "status": status} for text, form, status in items]}


def _subagent(arguments: tuple[str, ...], _: Dependencies) -> _Input:
    return {
        "description": "DEMO subagent",
        "prompt": arguments[0],
        "subagent_type": "general-purpose",
        # By default the CLI runs a subagent beside the turn, which would end before it.
        "run_in_background": False,
    }


_CALLS: Mapping[str, tuple[str, Callable[[tuple[str, ...], Dependencies], _Input]]] = {
    "bash": ("Bash", _bash),
    "background": ("Bash", _background),
    "read": ("Read", _read),
    "write": ("Write", _write),
    "edit": ("Edit", _edit),
    "ask-question": ("AskUserQuestion", _question),
    "enter-plan": ("EnterPlanMode", lambda *_: {}),
    "plan-file": ("Write", _plan_file),
    "exit-plan": ("ExitPlanMode", lambda arguments, _: {"plan": f"# DEMO plan\n\n{arguments[0]}\n"}),
    "todo": ("TodoWrite", _todo),
    "subagent": ("Agent", _subagent),
}

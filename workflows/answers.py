"""Reads Claude's structured answers: a plan with its commands, a list of tasks. Pure and strict.

The answer is the last fenced block of JSON in the text. An answer that does not fit raises `AnswerWrong`, with
a sentence that goes back to Claude.
"""

import re
from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from api.run_model import Check, RunTask
from texts.unseen import spelled

MOST_TASKS = 40
MOST_CHECKS = 12
MOST_OF_CHECKS = 1_500
"""All commands together: so much fits into one card beside the plan."""
_MOST_TEXT = 60_000
_FENCE = re.compile(r"^[ \t]*```json[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)

T = TypeVar("T")

_Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Words = Annotated[str, msgspec.Meta(max_length=8_000)]
# One line each: a second line would be a command that people overlook. `$` would match before a last line end.
_Command = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class AnswerWrong(Exception):
    """The answer does not fit; the message says how, for Claude and for people."""


class _Check(msgspec.Struct, forbid_unknown_fields=True):
    name: _Name
    command: _Command


class _PlanFacts(msgspec.Struct):
    checks: Annotated[list[_Check], msgspec.Meta(max_length=MOST_CHECKS)] = []


class _Task(msgspec.Struct, forbid_unknown_fields=True):
    title: _Title
    details: _Words = ""
    acceptance: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=400)]], msgspec.Meta(max_length=20)
    ] = []
    independent: bool = False


class _TaskList(msgspec.Struct):
    tasks: Annotated[list[_Task], msgspec.Meta(min_length=1, max_length=MOST_TASKS)]


def read_plan(text: str) -> tuple[str, tuple[Check, ...]]:
    """Return the plan's text without its JSON, and the commands that Claude proposes (perhaps none)."""
    block = _last_block(text)
    words = text.replace(block[0], "").strip() if block else text.strip()
    if not words:
        raise AnswerWrong("the plan has no text")
    if len(words) > _MOST_TEXT:
        raise AnswerWrong("the plan is too long")
    if block is None:
        return words, ()
    return words, _shown_whole(_decoded(block[1], _PlanFacts).checks)


def read_tasks(text: str) -> tuple[RunTask, ...]:
    """Return the tasks of an answer, numbered from 1."""
    block = _last_block(text)
    if block is None:
        raise AnswerWrong("there is no block of JSON in it")
    return tasks_of(_decoded(block[1], _TaskList).tasks)


def checked_tasks(tasks: Sequence[RunTask]) -> tuple[RunTask, ...]:
    """Return tasks that came by a tool, numbered from 1. Raises `AnswerWrong`."""
    # Through the same JSON as an answer in words, so that no way around its limits exists.
    facts = [
        {
            "title": each.title,
            "details": each.details,
            "acceptance": list(each.acceptance),
            "independent": each.independent,
        }
        for each in tasks
    ]
    return tasks_of(_decoded(msgspec.json.encode({"tasks": facts}), _TaskList).tasks)


def tasks_of(tasks: Sequence[_Task]) -> tuple[RunTask, ...]:
    """Return checked tasks, numbered from 1."""
    # Numbered here and not by Claude: steps and sessions are named by these ids.
    return tuple(
        RunTask(str(number), each.title, each.details, tuple(each.acceptance), each.independent)
        for number, each in enumerate(tasks, 1)
    )


def check_commands(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return commands of a person or a template. Raises `AnswerWrong` for one that cannot be shown or run."""
    raw = msgspec.json.encode({"checks": [msgspec.to_builtins(each) for each in checks]})
    return _shown_whole(_decoded(raw, _PlanFacts).checks)


def _shown_whole(checks: Sequence[_Check]) -> tuple[Check, ...]:
    """Return commands that a card can show as they are. A part that nobody sees must not be approved."""
    for each in checks:
        if spelled(each.command + each.name) != each.command + each.name:
            raise AnswerWrong(f"the command “{spelled(each.name)}” has characters that nobody sees")
    if sum(len(each.name) + len(each.command) + 3 for each in checks) > MOST_OF_CHECKS:
        raise AnswerWrong(f"the commands are longer than {MOST_OF_CHECKS:,} characters together; use a script")
    return tuple(Check(each.name, each.command) for each in checks)


def _last_block(text: str) -> tuple[str, str] | None:
    found = [(match[0], match[1]) for match in _FENCE.finditer(text)]
    # The last one: an answer may show other JSON on its way.
    return found[-1] if found else None


def _decoded(raw: str | bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        raise AnswerWrong(f"its JSON does not fit: {error}") from error

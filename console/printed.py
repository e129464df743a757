"""The things that are printed once on the terminal: a class for each kind. `render.py` draws them."""

from dataclasses import dataclass

import msgspec

from sessions import events as e
from sessions.model import Ask, Decision


class OpenTool(msgspec.Struct, frozen=True):
    """A tool call without a result yet. `nested` calls are a subagent's."""

    tool_use_id: str
    name: str
    words: str
    nested: bool = False


@dataclass(frozen=True, slots=True)
class PromptShown:
    """A person's prompt."""

    text: str


@dataclass(frozen=True, slots=True)
class TextShown:
    """A whole block of Claude's text, as Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class ThoughtShown:
    """A whole block of Claude's thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolShown:
    """A finished tool call; `succeeded` is None if its result was never seen."""

    tool: OpenTool
    succeeded: bool | None
    output: str = ""
    added_lines: int = 0
    removed_lines: int = 0


@dataclass(frozen=True, slots=True)
class NoticeShown:
    """A sentence of ours about the session."""

    text: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class AskShown:
    """An ask that waits for an answer."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class AskSettled:
    """A closed ask. `decision` is None if it was withdrawn; `cause` says why."""

    ask: Ask
    decision: Decision | None
    by: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class TurnOver:
    """The end of a turn."""

    ended: e.TurnEnded


Shown = PromptShown | TextShown | ThoughtShown | ToolShown | NoticeShown | AskShown | AskSettled | TurnOver

"""Asks: questions that Claude or an MCP server waits on, and the decisions that answer them.

Frozen values. `sessions.model` re-exports all of them.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from sessions.forms import FillForm, FollowLink, FormBody, LinkBody, Postpone, ServerBody
from sessions.ids import AskId, TurnId, Value


class Suggestion(Value, frozen=True):
    """A rule that "always" could give. `body` goes back to the CLI unchanged; `words` is for people."""

    body: dict[str, Any]
    words: str


class PermissionBody(msgspec.Struct, frozen=True, tag="permission"):
    """May this tool run with this input?

    `place` is the file as seen from the work directory. `is_outside`: it, or the path that stopped the CLI,
    lies outside. `blocked_path` alone does not mean that: the CLI sends it for any path that the mode forbids.
    """

    tool_name: str
    tool_use_id: str
    # Kept as it came: the answer that allows a call gives the whole input back to the CLI.
    input: dict[str, Any]
    description: str = ""
    reason: str = ""
    blocked_path: str = ""
    suggestions: tuple[Suggestion, ...] = ()
    place: str = ""
    is_outside: bool = False


class Choice(Value, frozen=True):
    """A choice that a question offers."""

    label: str
    description: str = ""


class Question(Value, frozen=True):
    """One question; with `multi_select` several choices may be taken."""

    text: str
    header: str
    choices: tuple[Choice, ...]
    multi_select: bool = False


class QuestionBody(msgspec.Struct, frozen=True, tag="question"):
    """Questions from Claude. The answer to each is the label of a choice, or free text."""

    tool_use_id: str
    questions: tuple[Question, ...]
    input: dict[str, Any]


class PlanBody(msgspec.Struct, frozen=True, tag="plan"):
    """Shall Claude go on with this plan?"""

    tool_use_id: str
    plan: str
    input: dict[str, Any]


AskBody = PermissionBody | QuestionBody | PlanBody | FormBody | LinkBody


def tool_use_of(body: AskBody) -> str:
    """Return the id of the call that asks; empty for an MCP server's request, which names none."""
    return "" if isinstance(body, ServerBody) else body.tool_use_id


def foreign_parts(body: AskBody) -> Iterator[dict[str, Any]]:
    """Yield the parts of an ask whose shape the CLI decided, not we."""
    if not isinstance(body, ServerBody):
        yield body.input
    if isinstance(body, PermissionBody):
        yield from (each.body for each in body.suggestions)


class Ask(Value, frozen=True):
    """A question that Claude waits on. `request_id` is the CLI's name for it on host `host`."""

    id: AskId
    turn_id: TurnId | None
    host: int
    request_id: str
    opened_ms: int
    body: AskBody


class Allow(msgspec.Struct, frozen=True, tag="allow"):
    """Run it this once."""


class AllowSession(msgspec.Struct, frozen=True, tag="allow_session"):
    """Run it, and do not ask about similar calls again in this session."""


class AllowAlways(msgspec.Struct, frozen=True, tag="allow_always"):
    """Run it, and keep the CLI's suggestion number `suggestion` as a rule; see `permission_rules`."""

    suggestion: int = 0


class Deny(msgspec.Struct, frozen=True, tag="deny"):
    """Do not run it; Claude reads `note` and goes on."""

    note: str = ""


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """Answers, by the text of the question."""

    answers: dict[str, str]


class ApprovePlan(msgspec.Struct, frozen=True, tag="approve_plan"):
    """Go on with the plan; with `accept_edits`, edits need no ask from here on."""

    accept_edits: bool = False


class RevisePlan(msgspec.Struct, frozen=True, tag="revise_plan"):
    """Not yet: Claude reads `note` and plans again."""

    note: str


Decision = (
    Allow
    | AllowSession
    | AllowAlways
    | Deny
    | Answer
    | ApprovePlan
    | RevisePlan
    | FillForm
    | FollowLink
    | Postpone
)

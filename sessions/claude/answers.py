"""Answers to Claude's asks: one line each, ready for the CLI's stdin.

The CLI takes the first answer to a request id and ignores every later one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sessions.claude.control import encoded

REVISE_DEFAULT = "Please revise the plan."
DENY_DEFAULT = "The user said no."


def allow(request_id: str, given: Mapping[str, Any], suggestions: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Allow the call that asks, with its whole input `given`. The process keeps `suggestions` while it lives.

    They never go to a file: our launch line excludes the project's settings, and the user's own are not ours.
    """
    # A suggestion names a settings file. Written there, an "always" would outlive what we can list and take
    # back.
    return _allow(request_id, given, [{**each, "destination": "session"} for each in suggestions])


def deny(request_id: str, message: str = DENY_DEFAULT) -> bytes:
    """Deny any kind of ask. Claude reads `message` and goes on."""
    return _answer(request_id, {"behavior": "deny", "message": message.strip() or DENY_DEFAULT})


def answer_question(
    request_id: str, given: Mapping[str, Any], answers: Mapping[str, str | Sequence[str]]
) -> bytes:
    """Answer the questions. `answers` maps a question's text to a label, several labels, or free text."""
    joined = {text: said if isinstance(said, str) else ", ".join(said) for text, said in answers.items()}
    # The CLI reads the answers from the input that an allowed call gets back.
    return _allow(request_id, {**given, "answers": joined})


def approve_plan(request_id: str, given: Mapping[str, Any], *, accept_edits: bool = False) -> bytes:
    """Let Claude carry out its plan; with `accept_edits` it may change files without asking."""
    return allow(request_id, given, [{"type": "setMode", "mode": "acceptEdits"}] if accept_edits else [])


def revise_plan(request_id: str, feedback: str) -> bytes:
    """Send the plan back: Claude stays in plan mode and reads `feedback`."""
    return deny(request_id, feedback.strip() or REVISE_DEFAULT)


def accept(request_id: str, content: Mapping[str, Any] | None = None) -> bytes:
    """Give an MCP server the input that it asked for; without `content`, agree to open its page."""
    return _answer(request_id, {"action": "accept", **({"content": content} if content is not None else {})})


def decline(request_id: str) -> bytes:
    """Refuse an MCP server the input that it asked for."""
    return _answer(request_id, {"action": "decline"})


def postpone(request_id: str) -> bytes:
    """Close an MCP server's request for input without a decision."""
    return _answer(request_id, {"action": "cancel"})


def _allow(
    request_id: str, updated_input: Mapping[str, Any], updates: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    body: dict[str, Any] = {"behavior": "allow", "updatedInput": updated_input}
    if updates:
        body["updatedPermissions"] = list(updates)
    return _answer(request_id, body)


def _answer(request_id: str, body: Mapping[str, Any]) -> bytes:
    response = {"subtype": "success", "request_id": request_id, "response": body}
    return encoded({"type": "control_response", "response": response})

"""Parse control lines: the CLI's requests to us, and its answers to our requests.

Called by `parse`. Returns None for a line of an unknown kind.
"""

from sessions.claude.lines import (
    AnswerEchoed,
    AskCancelled,
    AskLine,
    CliLine,
    ControlFailed,
    ControlRequested,
    ControlSucceeded,
    PermissionAsked,
    PermissionSuggestion,
    PlanAsked,
    Question,
    QuestionAsked,
    QuestionOption,
)
from sessions.claude.wire import Json, flag_of, maybe_text, object_of, objects_of, text_of


def request(body: Json) -> CliLine:
    """Return the CLI's ask, or another of its control requests."""
    asked = object_of(body, "request")
    if text_of(asked, "subtype") == "can_use_tool":
        return _ask(text_of(body, "request_id"), asked)
    return ControlRequested(text_of(body, "request_id"), text_of(asked, "subtype"), asked)


def cancelled(body: Json) -> CliLine:
    """Return the ask that the CLI no longer waits for."""
    return AskCancelled(text_of(body, "request_id"))


def response(body: Json) -> CliLine | None:
    """Return the answer to a control request of ours, or the echo of our answer to an ask; else None."""
    outer = object_of(body, "response")
    request_id = text_of(outer, "request_id")
    inner = object_of(outer, "response")
    match text_of(outer, "subtype"):
        case "error":
            return ControlFailed(request_id, text_of(outer, "error"), text_of(outer, "error_code"))
        case "success" if text_of(inner, "behavior") in ("allow", "deny"):
            # Only the echo of our answer to an ask has a `behavior`; the CLI's answers to us have none.
            return AnswerEchoed(request_id, text_of(inner, "behavior"), text_of(inner, "message"))
        case "success":
            return ControlSucceeded(request_id, inner, _pending(outer))
    return None


def _pending(outer: Json) -> tuple[AskLine, ...]:
    waiting = objects_of(outer, "pending_permission_requests")
    return tuple(_ask(text_of(line, "request_id"), object_of(line, "request")) for line in waiting)


def _ask(request_id: str, asked: Json) -> AskLine:
    tool_use_id = text_of(asked, "tool_use_id")
    given = object_of(asked, "input")
    match text_of(asked, "tool_name"):
        case "AskUserQuestion" if questions := _questions(given):
            return QuestionAsked(request_id, tool_use_id, questions, given)
        case "ExitPlanMode":
            return PlanAsked(request_id, tool_use_id, text_of(given, "plan"), given)
    return PermissionAsked(
        request_id=request_id,
        tool_use_id=tool_use_id,
        tool_name=text_of(asked, "tool_name"),
        input=given,
        description=text_of(asked, "description"),
        reason=text_of(asked, "decision_reason"),
        blocked_path=text_of(asked, "blocked_path"),
        suggestions=tuple(
            PermissionSuggestion(text_of(body, "type"), body)
            for body in objects_of(asked, "permission_suggestions")
        ),
        parent=maybe_text(asked, "parent_tool_use_id"),
        agent_id=maybe_text(asked, "agent_id"),
    )


def _questions(given: Json) -> tuple[Question, ...]:
    return tuple(
        Question(
            text=text_of(question, "question"),
            header=text_of(question, "header"),
            options=tuple(
                QuestionOption(text_of(option, "label"), text_of(option, "description"))
                for option in objects_of(question, "options")
            ),
            multi_select=flag_of(question, "multiSelect"),
        )
        for question in objects_of(given, "questions")
    )

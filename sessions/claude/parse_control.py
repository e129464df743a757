"""Parse control lines: the CLI's requests to us, and its answers to our requests.

Called by `parse`. Returns None for a line of an unknown kind.
"""

from collections.abc import Iterator

from sessions.claude.control_lines import TO_SERVER
from sessions.claude.elicitation import elicitation
from sessions.claude.lines import (
    ELICITATION,
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

_FORMS = "pending_elicitation_requests"
"""In the CLI's schema, but 2.1.332 does not send it from a session of ours."""


def request(body: Json) -> CliLine:
    """Return the CLI's ask, or another of its control requests."""
    asked = object_of(body, "request")
    request_id, subtype = text_of(body, "request_id"), text_of(asked, "subtype")
    if subtype == "can_use_tool":
        return _ask(request_id, asked)
    if subtype == TO_SERVER:
        from sessions.claude.tool_server import server_message  # not at a start of the bridge

        return server_message(request_id, asked) or ControlRequested(request_id, subtype, asked)
    wanted = elicitation(request_id, asked) if subtype == ELICITATION and request_id else None
    return wanted or ControlRequested(request_id, subtype, asked)


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
        case "success" if text_of(inner, "action") in ("accept", "decline", "cancel"):
            return AnswerEchoed(request_id, text_of(inner, "action"))
        # The echo of our answer to a call of our own tools.
        case "success" if "mcp_response" in inner:
            return AnswerEchoed(request_id)
        case "success":
            return ControlSucceeded(request_id, inner, tuple(_pending(outer)), _FORMS in outer)
    return None


def _pending(outer: Json) -> Iterator[AskLine]:
    for line in objects_of(outer, "pending_permission_requests"):
        yield _ask(text_of(line, "request_id"), object_of(line, "request"))
    for line in objects_of(outer, _FORMS):
        asked = elicitation(text_of(line, "request_id"), object_of(line, "request"))
        if asked is not None:
            yield asked


def _ask(request_id: str, asked: Json) -> AskLine:
    tool_use_id = text_of(asked, "tool_use_id")
    given = object_of(asked, "input")
    match text_of(asked, "tool_name"):
        # Without readable questions it is shown as an ordinary call: a person can at least refuse it.
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

"""The answers that an ask offers, and the name of each before and after it is given."""

from typing import assert_never

from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    ApprovePlan,
    AskBody,
    Decision,
    Deny,
    PermissionBody,
    PlanBody,
    QuestionBody,
    RevisePlan,
)


def offered(body: AskBody) -> tuple[Decision, ...]:
    """Return the answers that need no text, most permissive first; a question has choices of its own."""
    match body:
        case PermissionBody():
            always = (AllowAlways(number) for number in range(len(body.suggestions)))
            return (Allow(), AllowSession(), *always, Deny())
        case PlanBody():
            return (ApprovePlan(accept_edits=True), ApprovePlan())
        case QuestionBody():
            return ()
        case _:
            assert_never(body)


def answer_label(decision: Decision, body: AskBody | None = None) -> str:
    """Return the answer's label for a button or a list. `body` says what "always" means."""
    match decision:
        case Allow():
            return "Allow once"
        case AllowSession():
            return "Allow for session"
        case AllowAlways():
            return _suggestion(decision, body) or "Always"
        case Deny():
            return "Deny with note" if decision.note else "Deny"
        case ApprovePlan():
            return "Approve and accept edits" if decision.accept_edits else "Approve"
        case RevisePlan():
            return "Revise"
        case Answer():
            return "Submit"
        case _:
            assert_never(decision)


def decided_words(decision: Decision) -> str:
    """Return the outcome of an ask with this answer, in words; the face shows the answer's note itself."""
    match decision:
        case Allow():
            return "Allowed once"
        case AllowSession():
            return "Allowed for this session"
        case AllowAlways():
            return "Allowed"
        case Deny():
            return "Denied"
        case ApprovePlan():
            return "Approved"
        case RevisePlan():
            return "Sent back"
        case Answer():
            return "Answered"
        case _:
            assert_never(decision)


def note_of(decision: Decision) -> str:
    """Return the text that a person wrote to Claude with the answer, or an empty string."""
    return decision.note if isinstance(decision, Deny | RevisePlan) else ""


def _suggestion(decision: AllowAlways, body: AskBody | None) -> str:
    suggestions = body.suggestions if isinstance(body, PermissionBody) else ()
    there = 0 <= decision.suggestion < len(suggestions)
    return suggestions[decision.suggestion].words if there else ""

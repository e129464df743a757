"""The answers that an ask offers, and what each is called before and after somebody gave it."""

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
    """The answers that need no words, the most permissive first; a question offers its own choices instead."""
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
    """What the answer is called on a button or in a list. `body` says what "always" means."""
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
    """What became of the ask by this answer; its note is left to the face."""
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
    """What somebody wrote with the answer for Claude to read; empty if nothing."""
    return decision.note if isinstance(decision, Deny | RevisePlan) else ""


def _suggestion(decision: AllowAlways, body: AskBody | None) -> str:
    suggestions = body.suggestions if isinstance(body, PermissionBody) else ()
    there = 0 <= decision.suggestion < len(suggestions)
    return suggestions[decision.suggestion].words if there else ""

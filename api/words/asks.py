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
    FillForm,
    FollowLink,
    FormBody,
    LinkBody,
    PermissionBody,
    PlanBody,
    Postpone,
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
        case FormBody():
            return (FillForm(), Deny(), Postpone())
        case LinkBody():
            return (FollowLink(), Deny(), Postpone())
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
        case Deny() if isinstance(body, FormBody | LinkBody):
            return "Decline"
        case Deny():
            return "Deny with note" if decision.note else "Deny"
        case ApprovePlan():
            return "Approve and accept edits" if decision.accept_edits else "Approve"
        case RevisePlan():
            return "Revise"
        case Answer():
            return "Submit"
        case FillForm():
            return "Confirm" if isinstance(body, FormBody) and not body.fields else "Fill in"
        case FollowLink():
            return "I opened it"
        case Postpone():
            return "Not now"
        case _:
            assert_never(decision)


_PLACES = {"discord": "in Discord", "web": "in the browser", "terminal": "in the terminal", "mcp": "over MCP"}


def place_words(face: str) -> str:
    """Return where an ask was answered, such as `in Discord`; empty if that is not known."""
    return _PLACES.get(face, "")


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
        case Answer() | FillForm():
            return "Answered"
        case FollowLink():
            return "Opened"
        case Postpone():
            return "Not answered"
        case _:
            assert_never(decision)


def asking_words(body: FormBody | LinkBody) -> str:
    """Return the heading of an MCP server's request; the server chose its own name."""
    wish = "asks for input" if isinstance(body, FormBody) else "asks you to open a page"
    return f"The MCP server {body.server or 'of this session'} {wish}"


FORM_WARNING = "The input goes to this server and is kept in the session. Do not enter passwords."


def filled_lines(body: FormBody, decision: FillForm) -> list[tuple[str, str]]:
    """Return each field with input: its title, and what was given, as people read it."""
    lines = []
    for each in body.fields:
        labels = {choice.value: choice.label for choice in each.choices}
        given = [labels.get(value, value) for value in decision.values.get(each.name, ()) if value]
        if given:
            lines.append((each.title, ", ".join(given)))
    return lines


def request_text(body: FormBody | LinkBody, decision: Decision | None) -> str:
    """Return everything that the server asks for, as plain text."""
    lines = [asking_words(body), "", body.message, ""]
    if isinstance(body, LinkBody):
        lines.append(body.url)
    else:
        for each in body.fields:
            lines.append(f"- {each.title}{' (required)' if each.is_required else ''}: {each.description}")
            lines += [f"    {choice.label}" for choice in each.choices]
        if isinstance(decision, FillForm):
            lines += ["", *(f"→ {title}: {text}" for title, text in filled_lines(body, decision))]
    return "\n".join(lines)


def note_of(decision: Decision) -> str:
    """Return the text that a person wrote to Claude with the answer, or an empty string."""
    return decision.note if isinstance(decision, Deny | RevisePlan) else ""


def _suggestion(decision: AllowAlways, body: AskBody | None) -> str:
    suggestions = body.suggestions if isinstance(body, PermissionBody) else ()
    there = 0 <= decision.suggestion < len(suggestions)
    return suggestions[decision.suggestion].words if there else ""

"""Words of asks: titles, texts, and the answers that one offers, before and after one is given.

A kind of ask that no face treats specially is shown and answered by these functions alone.
"""

from typing import assert_never

from api.words.tools import tool_label
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
    Question,
    QuestionBody,
    RevisePlan,
)


def title_words(body: AskBody) -> str:
    """Return the heading of an ask."""
    match body:
        case PermissionBody():
            return "Claude asks for permission"
        case QuestionBody():
            return "Claude wants to know"
        case PlanBody():
            return "Claude has a plan"
        case FormBody() | LinkBody():
            return asking_words(body)
        case _:
            assert_never(body)


def asked_texts(body: AskBody) -> tuple[str, ...]:
    """Return the texts of an ask that are Markdown, as they came; a permission has none."""
    match body:
        case PermissionBody():
            return ()
        case QuestionBody():
            return tuple(question.text for question in body.questions)
        case PlanBody():
            return (body.plan,)
        case FormBody() | LinkBody():
            return (body.message,)
        case _:
            assert_never(body)


def subject_words(body: AskBody) -> str:
    """Return the subject of an ask in a few words, for a list."""
    match body:
        case PermissionBody():
            return f"May Claude use {tool_label(body.tool_name)}?"
        case QuestionBody():
            return "A question"
        case PlanBody():
            return "The plan"
        case FormBody() | LinkBody():
            return "A request of a server"
        case _:
            assert_never(body)


def line_words(body: AskBody) -> str:
    """Return an ask as one line for a program's log; texts in it may have several lines."""
    match body:
        case PermissionBody():
            return f"{body.tool_name} {body.description}".strip()
        case QuestionBody():
            return "; ".join(asked_texts(body))
        case PlanBody():
            return "a plan"
        case FormBody() | LinkBody():
            return f"{asking_words(body)}: {body.message}"
        case _:
            assert_never(body)


def whole_text(body: AskBody, decision: Decision | None) -> tuple[str, str]:
    """Return an ask as a text file: its name, and all that is asked, with what was answered."""
    match body:
        case PermissionBody():
            return "input.txt", str(body.input)
        case QuestionBody():
            text = "\n\n".join(_question_text(each) for each in body.questions)
            if isinstance(decision, Answer):
                text += "".join(f"\n\n→ {asked}\n{said}" for asked, said in decision.answers.items())
            return "questions.txt", text
        case PlanBody():
            return "plan.md", body.plan
        case FormBody() | LinkBody():
            return "request.txt", request_text(body, decision)
        case _:
            assert_never(body)


def worded(body: AskBody, words: str) -> Decision | None:
    """Return the decision that answers an ask with a person's own words; None if words cannot answer it."""
    match body:
        case PermissionBody():
            return Deny(words)
        case PlanBody():
            return RevisePlan(words)
        # One text answers one question. Several are answered one by one.
        case QuestionBody(questions=(question,)):
            return Answer({question.text: words})
        case FormBody(fields=(field,)):
            return FillForm({field.name: (words,)})
        case QuestionBody() | FormBody() | LinkBody():
            return None
        case _:
            assert_never(body)


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


def mark_words(decision: Decision | None) -> str:
    """Return the outcome in the line of the call that asked; empty if the call's result tells more."""
    match decision:
        case None | Allow() | AllowSession() | AllowAlways():
            return ""
        case _:
            return decided_words(decision).lower()


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


def _question_text(question: Question) -> str:
    choices = "\n".join(f"- {each.label}: {each.description}" for each in question.choices)
    return f"{question.header}\n{question.text}\n{choices}"


def _suggestion(decision: AllowAlways, body: AskBody | None) -> str:
    suggestions = body.suggestions if isinstance(body, PermissionBody) else ()
    there = 0 <= decision.suggestion < len(suggestions)
    return suggestions[decision.suggestion].words if there else ""

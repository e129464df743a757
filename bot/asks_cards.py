"""The cards of asks: permission, question, plan; open, decided or withdrawn. Pure.

An open card pings the owner and has the buttons; a decided one says who and when, and has none. Whatever Claude
wrote is in a block of code or escaped. What does not fit is cut, with a button that shows all of it.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import msgspec

from bot.bodies import Button, Card, Control, File, Option, Row, Select, Style, Verb
from bot.markdown.answer import split_answer
from bot.markdown.cards import code_block, diff_block, escape_inline, one_line
from bot.tool_lines import short_path, tool_name
from bot.wording import moment, person
from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    ApprovePlan,
    Decision,
    Deny,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    RevisePlan,
)
from sessions.rows import StoredAsk
from sessions.supervision import TIMEOUT_ACTOR

ASKING = 0xF0B232
DECIDED = 0x4E5058
ALLOWED = 0x248046
DENIED = 0xDA373C
MOST_CODE = 1_500
"""Characters of a command or diff on a card; a phone shows about a screen of it."""
MOST_PLAN = 2_800
_DECIDED_CODE = 500
_MOST_QUESTIONS = 4
_MOST_ALWAYS = 3
OWN_WORDS = "Own words"


@dataclass(frozen=True, slots=True)
class AskFace:
    """An ask as it is to be shown. `picked`: question number → answers chosen so far.

    `work_directory` is a directory's name, to shorten paths.
    """

    ask: StoredAsk
    session_id: str
    owner_id: int
    picked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    work_directory: str = ""

    def button(self, verb: Verb, label: str, style: Style = Style.SECONDARY, detail: str = "") -> Button:
        return Button(Control(verb, self.session_id, self.ask.ask.id, detail), label, style)


def ask_card(face: AskFace) -> Card:
    """The card of the ask as it stands."""
    body = face.ask.ask.body
    if face.ask.status != "open":
        return _closed_card(face)
    match body:
        case PermissionBody():
            return _permission(face, body)
        case QuestionBody():
            return _questions(face, body)
        case PlanBody():
            return _plan(face, body)
        case _:
            assert_never(body)


def ask_mark(ask: StoredAsk) -> str:
    """What the line of the tool call says of its ask; empty where the tool's result tells more."""
    if ask.status == "open":
        return "waits for you"
    match ask.decision:
        case Deny():
            return "denied"
        case Answer():
            return "answered"
        case ApprovePlan():
            return "approved"
        case RevisePlan():
            return "sent back"
        case _:
            return ""


def whole_ask(ask: StoredAsk) -> File:
    """Everything that the ask is about, as a file: what `Show all` gives."""
    body = ask.ask.body
    match body:
        case PermissionBody():
            text, language = _what(body)
            name = {"bash": "command.sh", "diff": "change.diff", "json": "input.json"}.get(
                language, "input.txt"
            )
        case QuestionBody():
            name, text = "questions.txt", "\n\n".join(_question_text(each) for each in body.questions)
        case PlanBody():
            name, text = "plan.md", body.plan
        case _:
            assert_never(body)
    return File(name, text.encode(errors="replace"), "Everything that Claude asks about")


# --- permission -----------------------------------------------------------------------------------------


def _permission(face: AskFace, body: PermissionBody) -> Card:
    what, language = _what(body, face.work_directory)
    shown = _code(what, language, MOST_CODE)
    cut = _is_cut(what, MOST_CODE)
    texts = [
        f"<@{face.owner_id}> **Claude asks for permission**",
        f"**{escape_inline(tool_name(body.tool_name), 80)}**{_described(body)}",
        shown,
        *_reasons(body),
    ]
    rows: list[Row] = [
        (
            face.button(Verb.ALLOW, "Allow once", Style.SUCCESS),
            face.button(Verb.ALLOW_SESSION, "Allow for session"),
        )
    ]
    always = tuple(
        face.button(Verb.ALLOW_ALWAYS, one_line(each.words, 76) or "Always", detail=str(number))
        for number, each in enumerate(body.suggestions[:_MOST_ALWAYS])
    )
    if always:
        rows.append(always)
    rows.append(
        (
            face.button(Verb.DENY, "Deny", Style.DANGER),
            face.button(Verb.DENY_NOTE, "Deny with note"),
            *((face.button(Verb.SHOW_ALL, "Show all"),) if cut else ()),
        )
    )
    return Card(tuple(texts), tuple(rows), accent=ASKING)


def _described(body: PermissionBody) -> str:
    words = escape_inline(body.description, 200)
    return f" · {words}" if words else ""


def _reasons(body: PermissionBody) -> list[str]:
    parts = []
    if body.reason:
        parts.append(f"-# Why it asks: {escape_inline(body.reason, 300)}")
    if body.blocked_path:
        parts.append(f"-# Outside of what it may touch: {escape_inline(body.blocked_path, 200)}")
    return ["\n".join(parts)] if parts else []


def _what(body: PermissionBody, work_directory: str = "") -> tuple[str, str]:
    """What the tool would do, in full, and the language to show it in."""
    given = body.input
    command = given.get("command")
    if isinstance(command, str):
        return command, "bash"
    path = next(
        (given[name] for name in ("file_path", "notebook_path") if isinstance(given.get(name), str)), ""
    )
    path = short_path(path, work_directory)
    edits = given.get("edits")
    if isinstance(edits, list):
        parts = [_diff(each) for each in edits if isinstance(each, Mapping)]
        return "\n".join([f"--- {path}", *parts]), "diff"
    if "new_string" in given:
        return f"--- {path}\n{_diff(given)}", "diff"
    content = given.get("content")
    if path and isinstance(content, str):
        added = "\n".join(f"+{line}" for line in content.split("\n"))
        return f"+++ {path}\n{added}", "diff"
    if len(given) == 1 and isinstance(value := next(iter(given.values())), str):
        return value, ""
    return msgspec.json.format(msgspec.json.encode(given), indent=2).decode(), "json"


def _diff(edit: Mapping[str, Any]) -> str:
    old, new = str(edit.get("old_string", "")), str(edit.get("new_string", ""))
    lines = list(difflib.unified_diff(old.split("\n"), new.split("\n"), lineterm="", n=2))[2:]
    every = "\n(everywhere in the file)" if edit.get("replace_all") is True else ""
    return "\n".join(line for line in lines if not line.startswith("@@")) + every


def _code(text: str, language: str, limit: int) -> str:
    return diff_block(text, limit) if language == "diff" else code_block(text, language, limit)


def _is_cut(text: str, limit: int) -> bool:
    return len(text) > limit - 40


# --- question -------------------------------------------------------------------------------------------


def _questions(face: AskFace, body: QuestionBody) -> Card:
    shown = body.questions[:_MOST_QUESTIONS]
    texts = [f"<@{face.owner_id}> **Claude wants to know**"]
    rows: list[Row] = []
    for number, question in enumerate(shown):
        picked = face.picked.get(str(number), ())
        texts.append(_question_words(question, picked))
        if question.choices:
            rows.append(_choices(face, number, question, picked))
    several = len(shown) > 1
    words = tuple(
        face.button(Verb.CHOOSE_TEXT, f"{OWN_WORDS} {number + 1}" if several else OWN_WORDS, detail=str(number))
        for number in range(len(shown))
    )
    rows.append(words)
    skip = face.button(Verb.DENY_NOTE, "Do not answer")
    cut = sum(map(len, texts)) > 3_000 or len(body.questions) > _MOST_QUESTIONS
    more = (face.button(Verb.SHOW_ALL, "Show all"),) if cut else ()
    rows.append((face.button(Verb.SUBMIT_ANSWERS, "Submit", Style.PRIMARY), skip, *more))
    return Card(tuple(texts), tuple(rows), accent=ASKING)


def _question_words(question: Question, picked: Sequence[str]) -> str:
    lines = [f"**{escape_inline(question.header, 60)}**" if question.header else ""]
    lines.append(escape_inline(question.text, 500))
    lines += [
        f"- {escape_inline(each.label, 80)}: {escape_inline(each.description, 150)}"
        for each in question.choices[:10]
        if each.description
    ]
    if picked:
        lines.append(f"-# Chosen: {escape_inline(', '.join(picked), 200)}")
    return "\n".join(line for line in lines if line)


def _choices(face: AskFace, number: int, question: Question, picked: Sequence[str]) -> Select:
    chosen = [n for n, each in enumerate(question.choices[:25]) if each.label in picked]
    chosen = chosen if question.multi_select else chosen[:1]
    options = tuple(
        Option(
            one_line(each.label, 100) or f"Answer {n + 1}", str(n), one_line(each.description, 100), n in chosen
        )
        for n, each in enumerate(question.choices[:25])
    )
    placeholder = one_line(question.header or question.text, 100)
    return Select(
        Control(Verb.CHOOSE, face.session_id, face.ask.ask.id, str(number)),
        placeholder or "Choose",
        options,
        len(options) if question.multi_select else 1,
    )


def _question_text(question: Question) -> str:
    choices = "\n".join(f"- {each.label}: {each.description}" for each in question.choices)
    return f"{question.header}\n{question.text}\n{choices}"


# --- plan -----------------------------------------------------------------------------------------------


def _plan(face: AskFace, body: PlanBody) -> Card:
    whole = "\n".join(split_answer(body.plan, finished=True))
    files: tuple[File, ...] = ()
    if len(whole) > MOST_PLAN:
        first = split_answer(body.plan, finished=True)[0]
        whole = f"{first}\n-# The whole plan is in the file."
        files = (whole_ask(face.ask),)
    texts = (f"<@{face.owner_id}> **Claude has a plan**", whole or "-# (The plan is empty.)")
    rows = (
        (
            face.button(Verb.APPROVE_PLAN, "Approve", Style.SUCCESS),
            face.button(Verb.APPROVE_EDITS, "Approve and accept edits"),
            face.button(Verb.REVISE_PLAN, "Revise"),
        ),
    )
    return Card(texts, rows, files, accent=ASKING)


# --- closed ---------------------------------------------------------------------------------------------


def _closed_card(face: AskFace) -> Card:
    stored = face.ask
    body = stored.ask.body
    match body:
        case PermissionBody():
            what, language = _what(body, face.work_directory)
            name = escape_inline(tool_name(body.tool_name), 80)
            about = f"**{name}**{_described(body)}\n{_code(what, language, _DECIDED_CODE)}"
            rows: tuple[Row, ...] = ()
            if _is_cut(what, _DECIDED_CODE):
                rows = ((face.button(Verb.SHOW_ALL, "Show all"),),)
        case QuestionBody():
            about = _answered(body, stored.decision)
            rows = ()
        case PlanBody():
            about = "\n".join(split_answer(body.plan, finished=True, limit=1_000)[:1])
            rows = ((face.button(Verb.SHOW_ALL, "Show the plan"),),)
        case _:
            assert_never(body)
    return Card((f"{about}\n{_verdict(stored)}",), rows, accent=_accent(stored.decision))


def _answered(body: QuestionBody, decision: Decision | None) -> str:
    answers = decision.answers if isinstance(decision, Answer) else {}
    lines = []
    for question in body.questions[:10]:
        lines.append(f"**{escape_inline(question.text, 300)}**")
        if question.text in answers:
            lines.append(f"→ {escape_inline(answers[question.text], 300)}")
    return "\n".join(lines)


def _verdict(stored: StoredAsk) -> str:
    at = f" {moment(stored.closed_ms)}" if stored.closed_ms is not None else ""
    if stored.decision is None:
        return f"-# No answer is needed any more{at}."
    if stored.decided_by == TIMEOUT_ACTOR:
        return f"**Denied**: nobody answered in time{at}."
    return f"{_decision_words(stored.decision, stored)} by {person(stored.decided_by)}{at}."


def _decision_words(decision: Decision, stored: StoredAsk) -> str:
    match decision:
        case Allow():
            return "**Allowed once**"
        case AllowSession():
            return "**Allowed for this session**"
        case AllowAlways():
            return f"**Allowed** ({_suggestion_words(decision, stored)})"
        case Deny():
            note = escape_inline(decision.note, 300)
            return f"**Denied** with the note “{note}”" if note else "**Denied**"
        case Answer():
            return "**Answered**"
        case ApprovePlan():
            return "**Approved**, edits accepted," if decision.accept_edits else "**Approved**"
        case RevisePlan():
            return f"**Sent back** with the note “{escape_inline(decision.note, 300)}”"
        case _:
            assert_never(decision)


def _suggestion_words(decision: AllowAlways, stored: StoredAsk) -> str:
    body = stored.ask.body
    suggestions = body.suggestions if isinstance(body, PermissionBody) else ()
    if 0 <= decision.suggestion < len(suggestions):
        return escape_inline(suggestions[decision.suggestion].words, 150)
    return "always"


def _accent(decision: Decision | None) -> int:
    match decision:
        case None:
            return DECIDED
        case Deny() | RevisePlan():
            return DENIED
        case _:
            return ALLOWED

"""The cards of asks: permission, question, plan; open, decided or withdrawn. Pure.

An open card pings the owner and has the buttons; a decided one says who and when, and has none. Whatever Claude
wrote is in a block of code or escaped. What does not fit is cut, with a button that shows all of it.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from api.words.asks import answer_label, offered
from api.words.tools import tool_label
from bot.ask_face import AskFace, described, is_cut, shown_code, what_of, whole_ask
from bot.asks_decided import closed_card
from bot.bodies import Button, Card, Control, File, Option, Row, Select, Style, Verb
from bot.markdown.answer import split_answer
from bot.markdown.cards import escape_inline, one_line
from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    ApprovePlan,
    AskStatus,
    Deny,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    RevisePlan,
)

__all__ = ["ask_card", "whole_ask"]

ASKING = 0xF0B232
MOST_CODE = 1_500
"""Characters of a command or diff on a card; a phone shows about a screen of it."""
MOST_PLAN = 2_800
_MOST_QUESTIONS = 4
_MOST_ALWAYS = 3
_MOST_BUTTONS = 5
OWN_WORDS = "Own words"


def ask_card(face: AskFace) -> Card:
    """The card of the ask as it stands."""
    body = face.ask.ask.body
    if face.ask.status is not AskStatus.OPEN:
        return closed_card(face)
    match body:
        case PermissionBody():
            return _permission(face, body)
        case QuestionBody():
            return _questions(face, body)
        case PlanBody():
            return _plan(face, body)
        case _:
            assert_never(body)


# --- permission -----------------------------------------------------------------------------------------


def _permission(face: AskFace, body: PermissionBody) -> Card:
    what, language = what_of(body, face.work_directory)
    shown = shown_code(what, language, MOST_CODE)
    cut = is_cut(what, MOST_CODE)
    texts = [
        f"<@{face.owner_id}> **Claude asks for permission**",
        f"**{escape_inline(tool_label(body.tool_name), 80)}**{described(body)}",
        shown,
        *_reasons(body),
    ]
    rows: list[Row] = [
        (
            face.button(Verb.ALLOW, answer_label(Allow()), Style.SUCCESS),
            face.button(Verb.ALLOW_SESSION, answer_label(AllowSession())),
        )
    ]
    always = tuple(
        face.button(Verb.ALLOW_ALWAYS, one_line(answer_label(each, body), 76), detail=str(each.suggestion))
        for each in [each for each in offered(body) if isinstance(each, AllowAlways)][:_MOST_ALWAYS]
    )
    if always:
        rows.append(always)
    rows.append(
        (
            face.button(Verb.DENY, answer_label(Deny()), Style.DANGER),
            face.button(Verb.DENY_NOTE, answer_label(Deny("…"))),
            *((face.button(Verb.SHOW_ALL, "Show all"),) if cut else ()),
        )
    )
    return Card(tuple(texts), tuple(rows), accent=ASKING)


def _reasons(body: PermissionBody) -> list[str]:
    parts = []
    if body.reason:
        parts.append(f"-# Why it asks: {escape_inline(body.reason, 300)}")
    if body.blocked_path:
        parts.append(f"-# Outside of what it may touch: {escape_inline(body.blocked_path, 200)}")
    return ["\n".join(parts)] if parts else []


# --- question -------------------------------------------------------------------------------------------


def _questions(face: AskFace, body: QuestionBody) -> Card:
    """One question with a few answers has a button for each; others have selects."""
    shown = body.questions[:_MOST_QUESTIONS]
    texts = [f"<@{face.owner_id}> **Claude wants to know**"]
    rows: list[Row] = []
    for number, question in enumerate(shown):
        texts.append(_question_words(question, chosen_words(face.picked, number)))
        if is_one_click(body):
            rows.append(_answers(face, question))
        elif question.choices:
            rows.append(_choices(face, number, question, face.picked.get(str(number), ())))
    several = len(shown) > 1
    words = tuple(
        face.button(Verb.CHOOSE_TEXT, f"{OWN_WORDS} {number + 1}" if several else OWN_WORDS, detail=str(number))
        for number in range(len(shown))
    )
    skip = face.button(Verb.DENY_NOTE, "Do not answer")
    cut = sum(map(len, texts)) > 3_000 or len(body.questions) > _MOST_QUESTIONS
    more = (face.button(Verb.SHOW_ALL, "Show all"),) if cut else ()
    if several:
        rows += [words, (*_submit(face, body), skip, *more)]
    else:
        rows.append((*_submit(face, body), *words, skip, *more))
    return Card(tuple(texts), tuple(rows), accent=ASKING)


def is_one_click(body: QuestionBody) -> bool:
    """Whether the ask is one question with one answer out of a few: a click on it answers."""
    first = body.questions[0] if len(body.questions) == 1 else None
    return first is not None and not first.multi_select and 0 < len(first.choices) <= _MOST_BUTTONS


def needs_submit(body: QuestionBody) -> bool:
    """Whether somebody has to say that they are done: where a question takes several answers."""
    return any(question.multi_select for question in body.questions)


def chosen_words(picked: Mapping[str, Sequence[str]], number: int) -> tuple[str, ...]:
    """What was chosen so far for a question: its choices, then own words."""
    return (*picked.get(str(number), ()), *picked.get(own_words_key(number), ()))


def own_words_key(number: int) -> str:
    """Under which own words are kept that stand beside choices."""
    return f"{number}+"


def _submit(face: AskFace, body: QuestionBody) -> tuple[Button, ...]:
    answered = all(chosen_words(face.picked, number) for number in range(len(body.questions)))
    if not (needs_submit(body) and answered):
        return ()
    return (face.button(Verb.SUBMIT_ANSWERS, answer_label(Answer({})), Style.PRIMARY),)


def _answers(face: AskFace, question: Question) -> tuple[Button, ...]:
    return tuple(
        face.button(Verb.CHOOSE_ONE, one_line(each.label, 76) or f"Answer {number + 1}", detail=str(number))
        for number, each in enumerate(question.choices)
    )


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
            face.button(Verb.APPROVE_PLAN, answer_label(ApprovePlan()), Style.SUCCESS),
            face.button(Verb.APPROVE_EDITS, answer_label(ApprovePlan(accept_edits=True))),
            face.button(Verb.REVISE_PLAN, answer_label(RevisePlan(""))),
        ),
    )
    return Card(texts, rows, files, accent=ASKING)

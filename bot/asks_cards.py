"""The cards of asks: permission, question, plan; open, decided or withdrawn. Pure. `server_asks` has others.

An open card pings the owner and has the buttons; a decided one says who decided it and when. Claude's text is
in a code block or escaped. Text that does not fit is cut, and a button shows all of it.
"""

from collections.abc import Mapping, Sequence

from api.words.asks import answer_label, asked_texts, offered, title_words
from api.words.tools import tool_label
from bot.ask_decisions import decision_buttons
from bot.ask_face import MOST_WORDS, AskFace, described, is_cut, shown_code, what_of, whole_ask
from bot.asks_decided import closed_card
from bot.bodies import Button, Card, Control, File, Option, Row, Select, Style, Verb
from bot.markdown.answer import fitted
from bot.markdown.cards import escape_inline, is_shortened, one_line, told_apart
from bot.server_asks import server_card
from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    AskBody,
    AskStatus,
    Choice,
    Deny,
    FormBody,
    LinkBody,
    PermissionBody,
    Question,
    QuestionBody,
)

__all__ = ["ask_card", "whole_ask"]

ASKING = 0xF0B232
MOST_CODE = 1_500
"""Characters of a command or diff on a card; a phone shows about a screen of it."""
MOST_PLAN = 3_800
"""Characters of a plan on a card, beside its heading."""
_ALL_QUESTIONS = 3_600
_MOST_QUESTIONS = 4
_MOST_ALWAYS = 3
_MOST_BUTTONS = 5
_MOST_LABEL = 76  # Discord takes 80
_MOST_OPTION = 100
_MOST_OPTIONS = 25
OWN_WORDS = "Own words"


def ask_card(face: AskFace) -> Card:
    """Return the card for the ask's present state."""
    body = face.ask.ask.body
    if face.ask.status is not AskStatus.OPEN:
        return closed_card(face)
    match body:
        case PermissionBody():
            return _permission(face, body)
        case QuestionBody():
            return _questions(face, body)
        case FormBody() | LinkBody():
            return server_card(face, body)
        case _:
            return _plain(face, body)


# --- permission -----------------------------------------------------------------------------------------


def _permission(face: AskFace, body: PermissionBody) -> Card:
    what, language = what_of(body, face.work_directory)
    shown = shown_code(what, language, MOST_CODE)
    always = [each for each in offered(body) if isinstance(each, AllowAlways)]
    labels = told_apart([answer_label(each, body) for each in always], 76)
    # A decision needs the whole text: whatever is cut anywhere on the card brings "Show all".
    said = [body.description, body.reason, *(label for label in labels if label.endswith("…"))]
    cut = (
        is_cut(what, language, MOST_CODE)
        or len(always) > _MOST_ALWAYS
        or body.place.startswith("…")
        or any(is_shortened(words, MOST_WORDS) or words.endswith("…") for words in said)
    )
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
    if always:
        rows.append(
            tuple(
                # By number: the label may be cut, and the core knows what it stands for.
                face.button(Verb.ALLOW_ALWAYS, label, detail=str(each.suggestion))
                for each, label in list(zip(always, labels, strict=True))[:_MOST_ALWAYS]
            )
        )
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
        parts.append(f"-# Why it asks: {escape_inline(body.reason, MOST_WORDS)}")
    if body.is_outside:
        parts.append(f"-# Outside of the project: {escape_inline(body.place, 200)}")
    return ["\n".join(parts)] if parts else []


# --- question -------------------------------------------------------------------------------------------


def _questions(face: AskFace, body: QuestionBody) -> Card:
    """A single question with few answers has a button for each answer; other questions have selects."""
    shown = body.questions[:_MOST_QUESTIONS]
    texts = [f"<@{face.owner_id}> **Claude wants to know**"]
    rows: list[Row] = []
    cut = len(body.questions) > _MOST_QUESTIONS
    for number, question in enumerate(shown):
        room = _ALL_QUESTIONS // len(shown)
        asked, is_part = _question_words(question, chosen_words(face.picked, number), room)
        texts.append(asked)
        cut = cut or is_part
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
    more = (face.button(Verb.SHOW_ALL, "Show all"),) if cut else ()
    if several:
        rows += [words, (*_submit(face, body), skip, *more)]
    else:
        rows.append((*_submit(face, body), *words, skip, *more))
    return Card(tuple(texts), tuple(rows), accent=ASKING)


def is_one_click(body: QuestionBody) -> bool:
    """Return whether one click answers the ask: a single question that takes one of a few answers."""
    first = body.questions[0] if len(body.questions) == 1 else None
    return first is not None and not first.multi_select and 0 < len(first.choices) <= _MOST_BUTTONS


def needs_submit(body: QuestionBody) -> bool:
    """Return whether the card needs a button to submit: a question takes several answers."""
    return any(question.multi_select for question in body.questions)


def chosen_words(picked: Mapping[str, Sequence[str]], number: int) -> tuple[str, ...]:
    """Return the answers chosen so far for a question: its choices, then own words."""
    return (*picked.get(str(number), ()), *picked.get(own_words_key(number), ()))


def own_words_key(number: int) -> str:
    """Return the key in `picked` of own words that are given beside choices."""
    return f"{number}+"


def _submit(face: AskFace, body: QuestionBody) -> tuple[Button, ...]:
    answered = all(chosen_words(face.picked, number) for number in range(len(body.questions)))
    if not (needs_submit(body) and answered):
        return ()
    return (face.button(Verb.SUBMIT_ANSWERS, answer_label(Answer({})), Style.PRIMARY),)


def _answers(face: AskFace, question: Question) -> tuple[Button, ...]:
    labels = told_apart([each.label for each in question.choices], _MOST_LABEL)
    return tuple(
        face.button(Verb.CHOOSE_ONE, label or f"Answer {number + 1}", detail=str(number))
        for number, label in enumerate(labels)
    )


def _question_words(question: Question, picked: Sequence[str], room: int) -> tuple[str, bool]:
    """Return the question's text, and whether it is cut. Lists choices too long for a control."""
    parts = [f"**{escape_inline(question.header, 60)}**" if question.header else "", question.text]
    if any(each.description or len(each.label) > _MOST_LABEL for each in question.choices):
        parts.append("\n".join(map(_choice_words, question.choices)))
    chosen = f"\n-# Chosen: {escape_inline(', '.join(picked), 200)}" if picked else ""
    words, is_part = fitted("\n".join(part for part in parts if part), room - len(chosen) - 2)
    more = "\n-# …" if is_part else ""
    is_part = is_part or len(question.choices) > _MOST_OPTIONS or is_shortened(", ".join(picked), 200)
    return f"{words}{more}{chosen}".lstrip("\n"), is_part


def _choice_words(choice: Choice) -> str:
    label = escape_inline(choice.label, 1_000)
    description = choice.description.strip().replace("\n", "\n  ")
    return f"- **{label}**: {description}" if description else f"- **{label}**"


def _choices(face: AskFace, number: int, question: Question, picked: Sequence[str]) -> Select:
    choices = question.choices[:_MOST_OPTIONS]
    chosen = [n for n, each in enumerate(choices) if each.label in picked]
    # A select for one answer shows at most one as chosen.
    chosen = chosen if question.multi_select else chosen[:1]
    labels = told_apart([each.label for each in choices], _MOST_OPTION)
    # Numbers as values: labels may be longer than Discord's 100 characters, or equal after the cut.
    options = tuple(
        Option(labels[n] or f"Answer {n + 1}", str(n), one_line(each.description, _MOST_OPTION), n in chosen)
        for n, each in enumerate(choices)
    )
    placeholder = one_line(question.header or question.text, 100)
    return Select(
        Control(Verb.CHOOSE, face.session_id, face.ask.ask.id, str(number)),
        placeholder or "Choose",
        options,
        len(options) if question.multi_select else 1,
    )


# --- plan, and any kind without a card of its own -------------------------------------------------------


def _plain(face: AskFace, body: AskBody) -> Card:
    """The title, the texts whole or cut, and a button for each answer that is one click."""
    asked, is_part = fitted("\n\n".join(asked_texts(body)), MOST_PLAN)
    files: tuple[File, ...] = ()
    if is_part:
        asked += "\n-# All of it is in the file."
        files = (whole_ask(face.ask),)
    texts = (f"<@{face.owner_id}> **{title_words(body)}**", asked or "-# (There is no text.)")
    return Card(texts, (decision_buttons(face, body),), files, accent=ASKING)

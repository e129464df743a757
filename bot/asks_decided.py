"""Cards of closed asks: the decision, by whom and when. Pure. Their only button shows the whole text."""

import re

from api.words.asks import (
    answer_label,
    asked_texts,
    decided_words,
    mark_words,
    note_of,
    place_words,
    subject_words,
)
from api.words.tools import tool_label
from bot.actors import FACE
from bot.ask_face import MOST_WORDS, AskFace, described, is_cut, shown_code, what_of
from bot.bodies import Card, Row, Verb
from bot.markdown.answer import fitted
from bot.markdown.cards import escape_inline, is_shortened
from bot.server_asks import answered_words
from bot.wording import moment, person
from sessions.model import (
    TIMEOUT_ACTOR,
    AllowAlways,
    Answer,
    ApprovePlan,
    AskStatus,
    Decision,
    Deny,
    FormBody,
    LinkBody,
    PermissionBody,
    Postpone,
    QuestionBody,
    RevisePlan,
)
from sessions.stored import StoredAsk

DECIDED = 0x4E5058
ALLOWED = 0x248046
DENIED = 0xDA373C
_DECIDED_CODE = 500
_ASKED = 400
_MOST_QUESTIONS = 4
_SEVERAL = re.compile(r"[\n*_`]")  # several lines, or marks of its own: bold around it would break


def ask_mark(ask: StoredAsk) -> str:
    """Return the words on the ask in the line of its tool call; empty if the tool's result tells more."""
    if ask.status is AskStatus.OPEN:
        return "waits for you"
    if ask.status is AskStatus.WITHDRAWN:
        return "not answered"
    return mark_words(ask.decision)


def closed_card(face: AskFace) -> Card:
    """Return the card of an ask that was decided or withdrawn."""
    stored = face.ask
    body = stored.ask.body
    show_all: tuple[Row, ...] = ((face.button(Verb.SHOW_ALL, "Show all"),),)
    note_is_cut = stored.decision is not None and is_shortened(note_of(stored.decision), MOST_WORDS)
    match body:
        case PermissionBody():
            what, language = what_of(body, face.work_directory)
            name = escape_inline(tool_label(body.tool_name), 80)
            about = f"**{name}**{described(body)}\n{shown_code(what, language, _DECIDED_CODE)}"
            rows: tuple[Row, ...] = ()
            if (
                is_cut(what, language, _DECIDED_CODE)
                or is_shortened(body.description, MOST_WORDS)
                or note_is_cut
            ):
                rows = show_all
        case QuestionBody():
            about, is_part = _answered(body, stored.decision)
            rows = show_all if is_part or note_is_cut else ()
        case FormBody() | LinkBody():
            about, rows = answered_words(body, stored.decision), show_all
        case _:
            about, _ = fitted("\n\n".join(asked_texts(body)), 1_000)
            rows = ((face.button(Verb.SHOW_ALL, f"Show {subject_words(body).lower()}"),),)
    return Card((f"{about}\n{_verdict(stored)}",), rows, accent=_accent(stored.decision))


def _answered(body: QuestionBody, decision: Decision | None) -> tuple[str, bool]:
    """Return the questions with their answers, and whether a part of them is cut."""
    # By the questions' texts, as Claude's tool wants them.
    answers = decision.answers if isinstance(decision, Answer) else {}
    lines = []
    is_part = len(body.questions) > _MOST_QUESTIONS
    for question in body.questions[:_MOST_QUESTIONS]:
        asked, is_cut_off = fitted(question.text, _ASKED)
        is_part = is_part or is_cut_off
        lines.append(f"**{asked}**" if asked and not _SEVERAL.search(asked) else asked)
        if question.text in answers:
            lines.append(f"→ {escape_inline(answers[question.text], MOST_WORDS)}")
            is_part = is_part or is_shortened(answers[question.text], MOST_WORDS)
    return "\n".join(lines), is_part


def _verdict(stored: StoredAsk) -> str:
    at = f" {moment(stored.closed_ms)}" if stored.closed_ms is not None else ""
    if stored.decision is None:
        return f"-# No longer needs an answer{at}."
    # Nobody decided: the bridge denied it when the time was over.
    if stored.decided_by == TIMEOUT_ACTOR:
        return f"**Denied**: nobody answered in time{at}."
    through = f"{escape_inline(stored.decided_through, MOST_WORDS)} as " if stored.decided_through else ""
    # The reader is in Discord: only another place is worth a word.
    place = "" if stored.decided_face == FACE else place_words(stored.decided_face)
    by = f"by {through}{person(stored.decided_by)}{f' {place}' if place else ''}{at}."
    return f"**{decided_words(stored.decision)}**{_more_words(stored.decision, stored)} {by}"


def _more_words(decision: Decision, stored: StoredAsk) -> str:
    """Return the details of a decision: its note, or the calls that it allows from now on."""
    if note := escape_inline(note_of(decision), MOST_WORDS):
        return f" with the note “{note}”"
    match decision:
        case AllowAlways():
            return f" ({escape_inline(answer_label(decision, stored.ask.body), 150)})"
        case ApprovePlan(accept_edits=True):
            return ", edits accepted,"
        case _:
            return ""


def _accent(decision: Decision | None) -> int:
    match decision:
        case None | Postpone():
            return DECIDED
        case Deny() | RevisePlan():
            return DENIED
        case _:
            return ALLOWED

"""An ask on a session's page: the question, and its answers as buttons and fields. Pure."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, assert_never

import msgspec

from api.words.asks import (
    FORM_WARNING,
    answer_label,
    asked_texts,
    decided_words,
    filled_lines,
    note_of,
    offered,
    place_words,
    title_words,
    worded,
)
from api.words.tools import relative, telling_field, tool_label
from sessions.model import (
    Ask,
    AskStatus,
    Deny,
    FieldKind,
    FillForm,
    FormBody,
    FormField,
    LinkBody,
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    RevisePlan,
)
from sessions.stored import StoredAsk
from texts.hosts import host_of
from texts.unseen import spelled
from web.pages.fragments import Reader, author_name, fold, pretty, stamp, text_of


def ask(stored: StoredAsk, rendered: Mapping[str, str], reader: Reader) -> str:
    """Return an ask: its question and its answers as buttons or, once it is closed, the outcome.

    `rendered` has the HTML of the plan or of each question, by its text.
    """
    ask_id = escape(stored.ask.id)
    heading, body = _ask_body(stored.ask, rendered, reader.directory)
    if stored.status is AskStatus.OPEN:
        form = (
            _ask_form(stored.ask) if reader.approve else '<p class="dim">Somebody else has to answer this.</p>'
        )
        kind = "ask open"
    else:
        at = f' <span class="dim">{stamp(stored.closed_ms)}</span>' if stored.closed_ms else ""
        form = f'<p class="outcome">{text_of(outcome(stored, reader.names))}{at}</p>'
        kind = "ask closed"
        body = fold("What was asked", body) if body else ""
    return (
        f'<section class="{kind}" id="a-{ask_id}" aria-labelledby="ah-{ask_id}">'
        f'<h2 id="ah-{ask_id}">{text_of(heading)}</h2>{body}{form}</section>'
    )


def outcome(stored: StoredAsk, names: Mapping[str, str]) -> str:
    """Return how an ask was closed, by whom and where, as a sentence."""
    if stored.decision is None:
        return "This no longer needs an answer."
    words = decided_words(stored.decision)
    place = place_words(stored.decided_face)
    who = f"{author_name(stored.decided_by, names)}{f' {place}' if place else ''}"
    note = note_of(stored.decision)
    body = stored.ask.body
    if isinstance(body, FormBody) and isinstance(stored.decision, FillForm):
        note = " · ".join(f"{title} → {text}" for title, text in filled_lines(body, stored.decision))
    return f"{words} by {who}{f': {note}' if note else '.'}"


def _ask_body(body_of: Ask, rendered: Mapping[str, str], directory: str) -> tuple[str, str]:
    body = body_of.body
    match body:
        case PermissionBody():
            heading = f"May Claude use {tool_label(body.tool_name)}?"
            field = telling_field(body.tool_name, body.input)
            # Spelled: what somebody approves must not hide anything.
            told = spelled(relative(str(body.input.get(field, "")), directory)) if field else ""
            parts = [f'<pre class="code">{escape(told)}</pre>'] if told else []
            if body.description:
                parts.append(f"<p>{text_of(body.description)}</p>")
            if body.is_outside:
                parts.append('<p class="warn">This lies outside of the project.</p>')
            parts.append(
                fold(
                    "Everything that it sends",
                    f"<pre class=code>{escape(spelled(relative(pretty(body.input), directory)))}</pre>",
                )
            )
            return heading, "".join(parts)
        case QuestionBody():
            heading = "Claude asks"
        case PlanBody():
            heading = "Shall Claude go on with this plan?"
        case _:
            heading = title_words(body)
    shown = "".join(rendered.get(text, text_of(text)) for text in asked_texts(body))
    address = f"<p><code>{escape(spelled(body.url))}</code></p>" if isinstance(body, LinkBody) else ""
    return heading, shown + address


def _ask_form(each: Ask) -> str:
    if isinstance(each.body, QuestionBody):
        return _questions(each, each.body.questions)
    if isinstance(each.body, FormBody):
        return _form(each, each.body)
    buttons = "".join(
        f'<button type="button" class="{_weight(number)}" data-decision="{_json(decision)}">'
        f"{text_of(answer_label(decision, each.body))}</button>"
        for number, decision in enumerate(offered(each.body))
    )
    if isinstance(each.body, LinkBody):
        return _link(each, each.body, buttons)
    row = f'<div class="row answers" data-ask="{escape(each.id)}">{buttons}</div>'
    match worded(each.body, ""):
        case RevisePlan():
            note = "What should change?"
            revise = '<button type="button" data-note="revise_plan">Revise</button>'
        case Deny():
            note = "Deny with words for Claude"
            revise = '<button type="button" data-note="deny">Deny with these words</button>'
        case _:
            return row
    return (
        f'{row}<div class="row own" data-ask="{escape(each.id)}">'
        f'<input type="text" aria-label="{note}" placeholder="{note}">{revise}</div>'
    )


def _questions(each: Ask, questions: Iterable[Question]) -> str:
    fields = []
    for number, question in enumerate(questions):
        kind = "checkbox" if question.multi_select else "radio"
        choices = "".join(
            f'<label><input type="{kind}" name="q{number}" value="{escape(choice.label, quote=True)}"> '
            f"{text_of(choice.label)}"
            f"{f' <small>{text_of(choice.description)}</small>' if choice.description else ''}</label>"
            for choice in question.choices
        )
        fields.append(
            # The CLI takes answers by the text of the question.
            f'<fieldset data-question="{escape(question.text, quote=True)}">'
            f"<legend>{text_of(question.header or question.text)}</legend>{choices}"
            f'<label>In your own words <input type="text" name="own{number}"></label></fieldset>'
        )
    return (
        f'<form class="questions" data-ask="{escape(each.id)}">{"".join(fields)}'
        '<button class="first">Answer</button></form>'
    )


def _form(each: Ask, body: FormBody) -> str:
    """Return the fields that an MCP server asks for; their values are sent as text and checked by the core."""
    fields = "".join(_field(field) for field in body.fields)
    others = "".join(
        f'<button type="button" data-decision="{_json(decision)}">'
        f"{text_of(answer_label(decision, body))}</button>"
        # The first one is to fill the form, which is the form's own button.
        for decision in offered(body)[1:]
    )
    return (
        f'<form class="form" data-ask="{escape(each.id)}">{fields}<p class="dim">{text_of(FORM_WARNING)}</p>'
        f'<div class="row"><button class="first">{text_of(answer_label(FillForm(), body))}</button>'
        f"{others}</div></form>"
    )


def _field(field: FormField) -> str:
    name = escape(field.name, quote=True)
    needed = " required" if field.is_required else ""
    about = f" <small>{text_of(field.description)}</small>" if field.description else ""
    match field.kind:
        case FieldKind.TEXT | FieldKind.NUMBER | FieldKind.INTEGER:
            value = escape(field.default[0] if field.default else "", quote=True)
            # A field of text for numbers, too: browsers hand out nothing for a number that they cannot read.
            mode = "" if field.kind is FieldKind.TEXT else ' inputmode="decimal"'
            inside = f'<input type="text" name="{name}" value="{value}"{mode}{needed}>'
            return (
                f'<fieldset data-field="{name}"><label>{text_of(field.title)}{about}{inside}</label></fieldset>'
            )
        case FieldKind.YES_NO | FieldKind.CHOICE | FieldKind.CHOICES:
            kind = "checkbox" if field.kind is FieldKind.CHOICES else "radio"
            chosen = frozenset(field.default)  # a server may offer and choose a hundred thousand
            choices = "".join(
                f'<label><input type="{kind}" name="{name}" value="{escape(choice.value, quote=True)}"'
                f"{' checked' if choice.value in chosen else ''}> {text_of(choice.label)}</label>"
                for choice in field.choices
            )
            legend = f"<legend>{text_of(field.title)}</legend>"
            return f'<fieldset data-field="{name}">{legend}{about}{choices}</fieldset>'
        case _:
            assert_never(field.kind)


def _link(each: Ask, body: LinkBody, buttons: str) -> str:
    address = escape(body.url, quote=True)
    # Other schemes open programs on the reader's machine.
    can_open = body.url.startswith(("https://", "http://"))
    opens = (
        f'<a class="button" href="{address}" target="_blank" rel="noopener noreferrer">'
        f"Open {text_of(host_of(body.url) or 'the page')}</a>"
        if can_open
        else ""
    )
    return f'<div class="row answers" data-ask="{escape(each.id)}">{opens}{buttons}</div>'


def _weight(number: int) -> str:
    return "first" if number == 0 else ""


def _json(value: Any) -> str:
    # It stands in an attribute, and carries words of Claude and of MCP servers.
    return escape(msgspec.json.encode(value).decode(), quote=True)

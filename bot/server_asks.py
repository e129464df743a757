"""The cards and dialogs with which an MCP server asks for input: a form to fill in, or a page to open. Pure.

A dialog takes five fields, so a longer form has one dialog for each five. Input is kept between them under the
field's number (see `picked_fact`), and also if the server would not accept it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import discord
from discord import ui

from api.words.asks import FORM_WARNING, answer_label, asking_words, filled_lines, offered
from bot.ask_decisions import DECISIONS
from bot.ask_face import MOST_WORDS, AskFace
from bot.bodies import Button, Card, Control, LinkButton, Row, Style, Verb
from bot.markdown.answer import fitted
from bot.markdown.cards import code_block, escape_inline, one_line, told_apart
from bot.modals import modal
from sessions.model import (
    Decision,
    FieldKind,
    FillForm,
    FormBody,
    FormField,
    LinkBody,
)
from texts.hosts import host_of

ASKING = 0xF0B232
FIELDS_IN_DIALOG = 5  # Discord's most
_MOST_DIALOGS = 4  # with "Send" they fill one row
_BUTTONS_IN_ROW = 5
_MOST_MESSAGE = 1_500
_MOST_FIELDS = 12
_MOST_LINK = 512  # Discord's most for a button
_MOST_OPTIONS = 25
_SHORT = 200
Picked = Mapping[str, Sequence[str]]


def server_card(face: AskFace, body: FormBody | LinkBody) -> Card:
    """Return the card of a server's open request."""
    message, is_cut = fitted(body.message, _MOST_MESSAGE)
    about = _form(face, body) if isinstance(body, FormBody) else _link(body)
    heading = f"<@{face.owner_id}> **{escape_inline(asking_words(body), 120)}**"
    decisions = offered(body)
    accept = decisions[0]
    first: tuple[Button | LinkButton, ...]
    if isinstance(body, FormBody):
        first = _dialogs(face, body) if body.fields else (_button(face, accept, body),)
    else:
        first = (*_page_button(body), _button(face, accept, body))
    more = (face.button(Verb.SHOW_ALL, "Show all"),) if is_cut or _is_long(body) else ()
    rest = (*(_button(face, each, body) for each in decisions[1:]), *more)
    fits = len(first) + len(rest) <= _BUTTONS_IN_ROW
    rows: tuple[Row, ...] = ((*first, *rest),) if fits else (first, rest)
    return Card(tuple(each for each in (heading, message, *about) if each), rows, accent=ASKING)


def answered_words(body: FormBody | LinkBody, decision: Decision | None) -> str:
    """Return the request and what was given, for its closed card."""
    lines = [f"**{escape_inline(asking_words(body), 120)}**", fitted(body.message, 400)[0]]
    if isinstance(body, FormBody) and isinstance(decision, FillForm):
        given = filled_lines(body, decision)
        lines += [f"{escape_inline(title, 80)} → {escape_inline(text, MOST_WORDS)}" for title, text in given]
    elif isinstance(body, LinkBody):
        lines.append(f"-# {escape_inline(body.url, MOST_WORDS)}")
    return "\n".join(line for line in lines if line)


# --- a form ---------------------------------------------------------------------------------------------


def values_given(body: FormBody, picked: Picked) -> dict[str, tuple[str, ...]]:
    """Return each field's input so far: what people gave, else its default."""
    return {each.name: tuple(picked.get(str(number), each.default)) for number, each in enumerate(body.fields)}


def fields_of_dialog(body: FormBody, page: int) -> Mapping[int, FormField]:
    """Return the fields of dialog number `page`, by their numbers in the form."""
    start = page * FIELDS_IN_DIALOG
    return dict(list(enumerate(body.fields))[start : start + FIELDS_IN_DIALOG])


def is_one_dialog(body: FormBody) -> bool:
    """Return whether one dialog takes the whole form, so that its submit answers the ask."""
    return len(body.fields) <= FIELDS_IN_DIALOG


def form_dialog(control: Control, body: FormBody, page: int, picked: Picked) -> ui.Modal:
    """Return the dialog with the fields of `page`; it shows what was given before."""
    parts = [
        ui.Label(
            text=one_line(each.title, 45) or "…",
            description=one_line(each.description or _hint(each), 100) or None,
            component=_component(number, each, picked.get(str(number), each.default)),
        )
        for number, each in fields_of_dialog(body, page).items()
    ]
    return modal(control, one_line(body.server, 45) or "Input", parts)


def _form(face: AskFace, body: FormBody) -> list[str]:
    if not body.fields:
        return []
    given = dict(filled_lines(body, FillForm(values_given(body, face.picked))))
    lines = []
    for each in body.fields[:_MOST_FIELDS]:
        needed = " (required)" if each.is_required else ""
        described = f" · {escape_inline(each.description, 100)}" if each.description else ""
        kept = f" → {escape_inline(given[each.title], 60)}" if each.title in given else ""
        lines.append(f"- **{escape_inline(each.title, 60)}**{needed}{described}{kept}")
    if len(body.fields) > _MOST_FIELDS:
        lines.append(f"- … and {len(body.fields) - _MOST_FIELDS} more")
    warning = FORM_WARNING
    if len(body.fields) > FIELDS_IN_DIALOG * _MOST_DIALOGS:
        warning = "This form is too long for Discord. Answer it in a terminal, or decline."
    return ["\n".join(lines), f"-# {warning}"]


def _dialogs(face: AskFace, body: FormBody) -> tuple[Button, ...]:
    count = -(-len(body.fields) // FIELDS_IN_DIALOG)
    if count == 1:
        return (face.button(Verb.FILL_FORM, answer_label(FillForm(), body), Style.PRIMARY, "0"),)
    if count > _MOST_DIALOGS:
        return ()
    fills = (
        face.button(Verb.FILL_FORM, f"Fill in {first + 1}-{min(first + 5, len(body.fields))}", detail=str(page))
        for page, first in enumerate(range(0, len(body.fields), FIELDS_IN_DIALOG))
    )
    return (*fills, face.button(Verb.SEND_FORM, "Send", Style.PRIMARY))


def _component(number: int, field: FormField, given: Sequence[str]) -> ui.Item[Any]:
    if not field.choices or len(field.choices) > _MOST_OPTIONS:
        is_long = not field.choices and field.kind is FieldKind.TEXT and not field.format
        is_long = is_long and (field.most is None or field.most > _SHORT)
        return ui.TextInput(
            # The number, since a name comes from the server and may be longer than Discord's 100 characters.
            custom_id=str(number),
            style=discord.TextStyle.paragraph if is_long else discord.TextStyle.short,
            default=", ".join(given)[:4000] or None,
            placeholder=one_line(_hint(field), 100) or None,
            required=field.is_required,
            max_length=4000,
        )
    labels = told_apart([each.label for each in field.choices], 100)
    several = field.kind is FieldKind.CHOICES
    options = [
        discord.SelectOption(label=label or f"Choice {n + 1}", value=str(n), default=choice.value in given)
        for n, (label, choice) in enumerate(zip(labels, field.choices, strict=True))
    ]
    return ui.Select(
        custom_id=str(number),
        options=options,
        required=field.is_required,
        min_values=1 if field.is_required else 0,
        max_values=len(options) if several else 1,
    )


def _hint(field: FormField) -> str:
    if len(field.choices) > _MOST_OPTIONS:
        return ", ".join(each.label for each in field.choices)
    match field.kind:
        case FieldKind.NUMBER | FieldKind.INTEGER:
            kind = "A number" if field.kind is FieldKind.NUMBER else "A whole number"
            least = f" from {field.least:g}" if field.least is not None else ""
            most = f" to {field.most:g}" if field.most is not None else ""
            return f"{kind}{least}{most}"
        case FieldKind.TEXT:
            return field.format
        case FieldKind.YES_NO | FieldKind.CHOICE | FieldKind.CHOICES:
            return ""
        case _:
            assert_never(field.kind)


# --- a page ---------------------------------------------------------------------------------------------


def _link(body: LinkBody) -> list[str]:
    host = host_of(body.url)
    leads = (
        f"It leads to **{escape_inline(host, 200)}**." if host else "-# It is unclear where this address leads."
    )
    return [f"{leads}\n{code_block(body.url, '', 1_000)}"]


def _page_button(body: LinkBody) -> tuple[LinkButton, ...]:
    # Only a plain address opens by one click; any other stands in a code block for people to judge.
    is_page = body.url.startswith(("https://", "http://")) and bool(host_of(body.url))
    return (LinkButton(body.url, "Open the page"),) if is_page and len(body.url) <= _MOST_LINK else ()


def _is_long(body: FormBody | LinkBody) -> bool:
    if isinstance(body, LinkBody):
        return len(body.url) > 1_000
    if len(body.fields) > _MOST_FIELDS:
        return True
    return any(
        len(each.title) > 45 or len(each.description) > 100 or len(each.choices) > _MOST_OPTIONS
        for each in body.fields
    )


def _button(face: AskFace, decision: Decision, body: FormBody | LinkBody) -> Button:
    label = answer_label(decision, body)
    if isinstance(decision, FillForm):
        return face.button(Verb.SEND_FORM, label, Style.SUCCESS)
    verb, style = next((verb, style) for verb, (each, style) in DECISIONS.items() if each == decision)
    return face.button(verb, label, style)

"""Input that an MCP server asks a person for: a form, or a page to open; and the answers to both. Pure.

Format: Model Context Protocol 2025-11-25, Elicitation. `sessions/claude/elicitation.py` reads the
CLI's request.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sessions.errors import FormRefused


class FieldKind(StrEnum):
    """The kind of value that a field takes. YES_NO, CHOICE and CHOICES have choices, the others take text."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    YES_NO = "yes_no"
    CHOICE = "choice"
    CHOICES = "choices"


class FieldChoice(msgspec.Struct, frozen=True):
    """A choice of a field: `value` goes to the server, `label` is shown."""

    value: str
    label: str


class FormField(msgspec.Struct, frozen=True):
    """One field of a form. `default` is what it contains at first.

    `least` and `most` bound a number, the characters of a text, or how many choices are taken. `format` is a
    format of JSON Schema (email, uri, date, date-time), or empty.
    """

    name: str
    kind: FieldKind
    title: str
    description: str = ""
    choices: tuple[FieldChoice, ...] = ()
    is_required: bool = False
    default: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    format: str = ""


class ServerBody(msgspec.Struct, frozen=True):
    """The MCP server `server` asks the person, not Claude."""

    server: str
    message: str


class FormBody(ServerBody, frozen=True, tag="form"):
    """The server asks for input. Without fields it asks for a confirmation."""

    fields: tuple[FormField, ...] = ()


class LinkBody(ServerBody, frozen=True, tag="link"):
    """The server asks a person to open `url` in a browser, to log in for instance."""

    url: str


class FillForm(msgspec.Struct, frozen=True, tag="fill_form"):
    """Answer a form: each field's name, with what was typed or the values that were chosen."""

    values: dict[str, tuple[str, ...]] = {}


class FollowLink(msgspec.Struct, frozen=True, tag="follow_link"):
    """The person agrees to open the page. The server itself notices when all is done there."""


class Postpone(msgspec.Struct, frozen=True, tag="postpone"):
    """Neither yes nor no: the server may ask again later. `Deny` declines."""


YES, NO = FieldChoice("true", "Yes"), FieldChoice("false", "No")


def filled(body: FormBody, values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the form's content in the types that the server asked for; fields without a value are left out.

    Raises `FormRefused` for the first field whose value the server would not accept.
    """
    # The CLI passes on any content (measured), so it is checked here, where people can still correct it.
    given = {each.name: field_value(each, values.get(each.name, ())) for each in body.fields}
    return {name: value for name, value in given.items() if value is not None}


def field_value(field: FormField, given: Sequence[str]) -> Any:
    """Return the field's value for the server; None if it stays empty. Raises `FormRefused`."""
    texts = [text.strip() for text in given if text.strip()]
    if not texts:
        if field.is_required:
            raise FormRefused(field.title, "is required")
        return None
    match field.kind:
        case FieldKind.TEXT:
            return _text(field, texts[0])
        case FieldKind.NUMBER | FieldKind.INTEGER:
            return _number(field, texts[0])
        case FieldKind.YES_NO:
            return _chosen(field, texts[:1]) == [YES.value]
        case FieldKind.CHOICE:
            return _chosen(field, texts[:1])[0]
        case FieldKind.CHOICES:
            return _several(field, texts)


def _text(field: FormField, text: str) -> str:
    _check_bounds(field, len(text), "characters")
    named = _FORMATS.get(field.format)
    if named is not None and not named[1](text):
        raise FormRefused(field.title, f"must be {named[0]}")
    return text


def _number(field: FormField, text: str) -> int | float:
    try:
        number: int | float = int(text)
    except ValueError:
        try:
            # A decimal comma, as people in many countries type it.
            number = float(text.replace(",", ".") if text.count(",") == 1 else text)
        except ValueError:
            number = math.nan
        if field.kind is FieldKind.INTEGER and number.is_integer():
            number = int(number)
    # `nan`, `inf` and `1e999` are floats, but JSON has none of them.
    if not math.isfinite(number):
        raise FormRefused(field.title, "must be a number")
    if field.kind is FieldKind.INTEGER and not isinstance(number, int):
        raise FormRefused(field.title, "must be a whole number")
    _check_bounds(field, number)
    return number


def _chosen(field: FormField, given: Sequence[str]) -> list[str]:
    """Return the values of the choices that the texts name by their values or labels, each once."""
    values = {choice.value for choice in field.choices}
    labels: dict[str, list[str]] = {}
    for choice in field.choices:
        labels.setdefault(choice.label.casefold(), []).append(choice.value)
    # Values before labels: the label of one choice may be the value of another.
    named = [[text] if text in values else labels.get(text.casefold(), []) for text in given]
    if any(len(each) != 1 for each in named):
        raise FormRefused(field.title, "must be one of its choices")
    return list(dict.fromkeys(value for (value,) in named))


def _several(field: FormField, given: Sequence[str]) -> list[str]:
    chosen = _chosen(field, given)
    _check_bounds(field, len(chosen), "choices")
    return chosen


def _check_bounds(field: FormField, amount: float, unit: str = "") -> None:
    counted = f" {unit}" if unit else ""
    verb = "needs" if unit else "must be"
    if field.least is not None and amount < field.least:
        raise FormRefused(field.title, f"{verb} at least {field.least:g}{counted}")
    if field.most is not None and amount > field.most:
        raise FormRefused(field.title, f"{verb} at most {field.most:g}{counted}")


def _is_date(text: str) -> bool:
    try:
        # `fromisoformat` also takes 20260131 and 2026-W05-6, which are no dates in JSON Schema.
        return len(text) == len("2026-01-31") and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        # JSON Schema means RFC 3339, which demands a zone.
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        return bool(urlsplit(text).scheme) and " " not in text
    except ValueError:
        return False


# Bounded on both sides: no text that a server or a person gives takes more than linear time.
_EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,200}")
_FORMATS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "email": ("an e-mail address", lambda text: _EMAIL.fullmatch(text) is not None),
    "uri": ("a full address, such as https://example.com/", _is_address),
    "date": ("a date, such as 2026-01-31", _is_date),
    "date-time": ("a time with its zone, such as 2026-01-31T12:00:00Z", _is_moment),
}

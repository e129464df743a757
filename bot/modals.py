"""Dialogs: make them, and read their submits from Discord's payload. Most have one text field.

A dialog's custom_id carries its control, so a dialog that was open during a restart of the bot still works.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord import ui

from bot.bodies import Control

_FIELD = "text"
_CUSTOM_ID = re.compile(r"v1m:(?P<verb>[a-z_]+):(?P<key>[0-9a-f]{12}):[0-9a-f]+")
_EXPIRES_S = 900.0  # the token of its interaction lives no longer


@dataclass(frozen=True, slots=True)
class Question:
    """The words of a dialog. Discord's most lengths: title 45, label 45, placeholder 100, text 4,000."""

    title: str
    label: str
    placeholder: str = ""
    text: str = ""
    is_required: bool = True
    is_long: bool = True


def dialog(control: Control, question: Question) -> ui.Modal:
    """Return a dialog whose submit comes back as `control` with the text."""
    style = discord.TextStyle.paragraph if question.is_long else discord.TextStyle.short
    field: ui.TextInput[Any] = ui.TextInput(
        custom_id=_FIELD,
        style=style,
        placeholder=question.placeholder[:100] or None,
        default=question.text[:4000] or None,
        required=question.is_required,
        max_length=4000 if question.is_long else 200,
    )
    return modal(control, question.title, [ui.Label(text=question.label[:45], component=field)])


def modal(control: Control, title: str, parts: Sequence[ui.Item[Any]]) -> ui.Modal:
    """Return a dialog of one to five parts whose submit comes back as `control`."""
    # Unique for every opening: the library forgets the first of two that share an id.
    custom_id = f"v1m:{control.verb}:{control.key}:{secrets.token_hex(6)}"
    made = ui.Modal(title=title[:45], custom_id=custom_id, timeout=_EXPIRES_S)
    for part in parts:
        made.add_item(part)
    return made


def control_key_of(custom_id: str) -> str | None:
    """Return the key of a dialog's control; None if the dialog is not ours."""
    # The last part differs at each opening; the key does not.
    found = _CUSTOM_ID.fullmatch(custom_id)
    return found["key"] if found else None


def submitted_text(data: Any) -> str:
    """Return the text of a submitted dialog from the interaction's data."""
    for part in _parts(data.get("components", [])):
        if part.get("custom_id") == _FIELD:
            return str(part.get("value", "")).strip()
    return ""


def submitted_fields(data: Any) -> dict[str, tuple[str, ...]]:
    """Return the input of a submitted dialog: each part's custom_id, with its text or its chosen values."""
    found = {}
    for part in _parts(data.get("components", [])):
        if name := str(part.get("custom_id", "")):
            chosen = part.get("values", [part.get("value", "")])
            found[name] = tuple(str(each) for each in chosen or ())
    return found


def _parts(components: Any) -> Iterator[dict[str, Any]]:
    for each in components:
        if isinstance(each, dict):
            yield each
            yield from _parts(each.get("components", []))
            if isinstance(inner := each.get("component"), dict):
                yield from _parts([inner])

"""Convert a `Body` to arguments of discord.py. View objects made here are never registered with the client.

discord.py keeps every dispatchable view in memory and calls its items at a click. These views say that they are
not dispatchable: `controls.py` handles clicks, on any message and after any restart.
"""

import io
from typing import Any, assert_never

import discord
from discord import ui

from bot.bodies import Body, Button, Card, File, LinkButton, Plain, Row, Select, Style

_STYLES = {
    Style.PRIMARY: discord.ButtonStyle.primary,
    Style.SECONDARY: discord.ButtonStyle.secondary,
    Style.SUCCESS: discord.ButtonStyle.success,
    Style.DANGER: discord.ButtonStyle.danger,
}
# discord.py checks none of these lengths: Discord would refuse the whole message (50035).
MAX_LABEL = 80
MAX_OPTION = 100
MAX_PLACEHOLDER = 150
MAX_OPTIONS = 25
MAX_CARD_CHARS = 4_000
MAX_CONTENT = 2_000


class _PlainRows(ui.View):
    """Buttons under a plain message."""

    def is_dispatchable(self) -> bool:
        return False


class _CardLayout(ui.LayoutView):
    """A Components V2 message."""

    def is_dispatchable(self) -> bool:
        return False


def message_kwargs(body: Body) -> dict[str, Any]:
    """Return arguments to send `body` with `send`, `response.send_message` or `followup.send`. Use them once.

    They ping nobody; override `allowed_mentions` to ping. Needs a running event loop.
    """
    kwargs: dict[str, Any] = {"view": view_of(body), "files": files_of(body)}
    match body:
        case Plain():
            # Claude's text has many addresses: without this each would unfold into a preview.
            kwargs |= {"content": body.content[:MAX_CONTENT], "suppress_embeds": True}
        case Card():
            pass
        case _:
            assert_never(body)
    kwargs = {name: value for name, value in kwargs.items() if value not in (None, [])}
    return kwargs | {"allowed_mentions": discord.AllowedMentions.none()}


def edit_kwargs(body: Body) -> dict[str, Any]:
    """Return arguments for `PartialMessage.edit`: the message then shows only `body`. Use them once."""
    # The lists replace what the message had: files and buttons that are not named here go.
    kwargs: dict[str, Any] = {
        "view": view_of(body),
        "attachments": files_of(body),
        # Explicitly: discord.py sends none along with an edit that has only a view.
        "allowed_mentions": discord.AllowedMentions.none(),
    }
    # A plain message becomes a card only if its content is removed in the same edit (50035 otherwise).
    return kwargs | {"content": body.content[:MAX_CONTENT] if isinstance(body, Plain) else None}


def files_of(body: Body) -> list[discord.File]:
    """Return new file objects: discord.py can send each only once."""
    return [discord.File(io.BytesIO(each.data), each.name, description=_alt(each)) for each in body.files]


def _alt(file: File) -> str | None:
    return file.description[:1000] or None


def view_of(body: Body) -> ui.View | ui.LayoutView | None:
    """Return a new view object for `body`; None if it is plain and has no controls."""
    match body:
        case Plain():
            return _plain_view(body)
        case Card():
            return _card_view(body)
        case _:
            assert_never(body)


def _plain_view(body: Plain) -> ui.View | None:
    if not body.rows:
        return None
    view = _PlainRows(timeout=None)
    # Five rows of five buttons, or of one select, are Discord's most.
    for number, row in enumerate(body.rows[:5]):
        for item in _items(row):
            item.row = number
            view.add_item(item)
    return view


def _card_view(body: Card) -> ui.LayoutView:
    inner: list[ui.Item[Any]] = []
    # Discord counts the texts of a card together.
    room = MAX_CARD_CHARS
    for text in body.texts:
        if text and room > 1:
            shown = text if len(text) <= room else text[: room - 1] + "…"
            room -= len(shown)
            inner.append(ui.TextDisplay(shown))
    if body.beside is not None and inner:
        inner[0] = ui.Section(inner[0], accessory=_button(body.beside))
    inner += [ui.File(f"attachment://{each.name}") for each in body.files]
    inner += [ui.ActionRow(*_items(row)) for row in body.rows]
    view = _CardLayout(timeout=None)
    view.add_item(ui.Container(*inner, accent_color=body.accent))
    return view


def _items(row: Row) -> list[Any]:
    if isinstance(row, Select):
        return [_select(row)]
    return [_button(each) for each in row[:5]]


def _button(button: Button | LinkButton) -> ui.Button[Any]:
    if isinstance(button, LinkButton):
        return ui.Button(label=button.label[:MAX_LABEL] or "…", url=button.url)
    return ui.Button(
        label=button.label[:MAX_LABEL] or "…",
        style=_STYLES[button.style],
        custom_id=button.control.custom_id,
        disabled=button.disabled,
    )


def _select(select: Select) -> ui.Select[Any]:
    options = [
        discord.SelectOption(
            label=each.label[:MAX_OPTION] or "…",
            value=each.value[:MAX_OPTION],
            description=each.description[:MAX_OPTION] or None,
            default=each.chosen,
        )
        for each in select.options[:MAX_OPTIONS]
    ]
    return ui.Select(
        custom_id=select.control.custom_id,
        placeholder=select.placeholder[:MAX_PLACEHOLDER],
        options=options,
        # 0, so that people can take every choice back.
        min_values=0 if select.max_values > 1 else 1,
        max_values=max(1, min(select.max_values, len(options))),
        disabled=select.disabled,
    )

"""Read the control request in which an MCP server asks the person for input.

The CLI passes on the server's schema as it came, and does not check the answer. Measured with 2.1.332.
Format: Model Context Protocol 2025-11-25, Elicitation; drafts and older servers spell choices otherwise.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sessions.claude.control_lines import FormAsked, LinkAsked
from sessions.claude.wire import Json, maybe_text, object_of, text_of
from sessions.forms import NO, YES, FieldChoice, FieldKind, FormField

_TEXT_KINDS = {"string": FieldKind.TEXT, "number": FieldKind.NUMBER, "integer": FieldKind.INTEGER}
_BOUNDS = {
    FieldKind.TEXT: ("minLength", "maxLength"),
    FieldKind.NUMBER: ("minimum", "maximum"),
    FieldKind.INTEGER: ("minimum", "maximum"),
    FieldKind.CHOICES: ("minItems", "maxItems"),
}


def elicitation(request_id: str, asked: Json) -> FormAsked | LinkAsked | None:
    """Return what the server asks for; None if a person cannot type what it wants, such as an object."""
    server = text_of(asked, "mcp_server_name")
    message = text_of(asked, "message") or text_of(asked, "title")
    if text_of(asked, "mode") == "url":
        url = text_of(asked, "url")
        return LinkAsked(request_id, server, message, url) if url else None
    schema = object_of(asked, "requested_schema")
    properties = object_of(schema, "properties")
    required = schema.get("required")
    needed = {each for each in required if isinstance(each, str)} if isinstance(required, list) else set()
    fields = [_field(name, body, is_required=name in needed) for name, body in _in_order(asked, properties)]
    known = tuple(each for each in fields if each is not None)
    # All or nothing: a form without one of its fields would get an answer that the server never asked for.
    return FormAsked(request_id, server, message, known) if len(known) == len(fields) else None


def _in_order(asked: Json, properties: Json) -> Iterator[tuple[str, Any]]:
    order = asked.get("property_order")
    names = [each for each in order if each in properties] if isinstance(order, list) else []
    for name in dict.fromkeys([*names, *properties]):
        yield name, properties[name]


def _field(name: str, body: Any, *, is_required: bool) -> FormField | None:
    if not isinstance(body, Mapping):
        return None
    kind, choices = _kind(body)
    if kind is None:
        return None
    least, most = (_number(body.get(key)) for key in _BOUNDS.get(kind, ("", "")))
    return FormField(
        name=name,
        kind=kind,
        title=(maybe_text(body, "title") or name).strip() or name,
        description=text_of(body, "description"),
        choices=choices,
        is_required=is_required,
        default=_default(body.get("default")),
        least=least,
        most=most,
        format=text_of(body, "format"),
    )


def _kind(body: Json) -> tuple[FieldKind | None, tuple[FieldChoice, ...]]:
    """Return the kind of value and its choices; None for a value of an unknown kind."""
    kind = text_of(body, "type")
    if kind == "boolean":
        return FieldKind.YES_NO, (YES, NO)
    if kind == "array":
        choices = _choices(object_of(body, "items"))
        return (FieldKind.CHOICES, choices) if choices else (None, ())
    if kind in ("string", "") and (choices := _choices(body)):
        return FieldKind.CHOICE, choices
    return _TEXT_KINDS.get(kind), ()


def _choices(body: Json) -> tuple[FieldChoice, ...]:
    """Return the choices of `enum` with `enumNames`, or of `oneOf` or `anyOf` with titles."""
    values, names = body.get("enum"), body.get("enumNames")
    if isinstance(values, list):
        labels = names if isinstance(names, list) and len(names) == len(values) else values
        pairs = zip(values, labels, strict=True)
        return tuple(FieldChoice(value, str(label)) for value, label in pairs if isinstance(value, str))
    titled = body.get("oneOf", body.get("anyOf"))
    found = [each for each in titled if isinstance(each, Mapping)] if isinstance(titled, list) else []
    return tuple(
        FieldChoice(each["const"], text_of(each, "title") or each["const"])
        for each in found
        if isinstance(each.get("const"), str)
    )


def _default(value: Any) -> tuple[str, ...]:
    match value:
        case bool():
            return (YES.value if value else NO.value,)
        case str() | int() | float():
            return (str(value),)
        case list():
            return tuple(each for each in value if isinstance(each, str))
        case _:
            return ()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

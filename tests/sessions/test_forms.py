"""Forms of MCP servers: what is read of the request, and what the server is given."""

import json
from typing import Any

import pytest

from sessions.claude.lines import ControlRequested, FormAsked, LinkAsked
from sessions.claude.parse import parse
from sessions.claude.stream import StreamDriver, StreamOptions
from sessions.errors import FormRefused, WrongAnswer
from sessions.forms import FieldChoice, FieldKind, FormField, filled
from sessions.model import (
    Allow,
    Ask,
    AskBody,
    AskId,
    Decision,
    Deny,
    FillForm,
    FollowLink,
    FormBody,
    LinkBody,
    Postpone,
)
from tests.growing_cost import LINEAR, cost_of_twice

RG = (FieldChoice("r", "Red"), FieldChoice("g", "Green"))
FIELDS: dict[str, tuple[dict[str, Any], FieldKind | None, tuple[FieldChoice, ...]]] = {
    "text": ({"type": "string", "format": "email"}, FieldKind.TEXT, ()),
    "number": ({"type": "number"}, FieldKind.NUMBER, ()),
    "integer": ({"type": "integer"}, FieldKind.INTEGER, ()),
    "boolean": (
        {"type": "boolean"},
        FieldKind.YES_NO,
        (FieldChoice("true", "Yes"), FieldChoice("false", "No")),
    ),
    "names": ({"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}, FieldKind.CHOICE, RG),
    "one of": (
        {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]},
        FieldKind.CHOICE,
        RG,
    ),
    "several": (
        {
            "type": "array",
            "items": {"anyOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]},
        },
        FieldKind.CHOICES,
        RG,
    ),
    "bare enum": ({"enum": ["r"]}, FieldKind.CHOICE, (FieldChoice("r", "r"),)),
    "an object": ({"type": "object", "properties": {}}, None, ()),
    "a free list": ({"type": "array", "items": {"type": "string"}}, None, ()),
    "nothing known": ({}, None, ()),
    "no schema": ("no", None, ()),  # type: ignore[dict-item]  # a server may send anything
}


def asked(**request: Any) -> Any:
    body = {"subtype": "elicitation", "mcp_server_name": "shop", "message": "Which?", **request}
    return parse(json.dumps({"type": "control_request", "request_id": "r", "request": body}).encode())


@pytest.mark.parametrize("schema", FIELDS)
def test_each_kind_of_field_is_read(schema: str) -> None:
    body, kind, choices = FIELDS[schema]
    line = asked(mode="form", requested_schema={"properties": {"a": body}, "required": ["a"]})
    if kind is None:
        assert isinstance(line, ControlRequested)  # declined in words
        return
    assert isinstance(line, FormAsked)
    (field,) = line.fields
    assert (field.kind, field.choices, field.is_required, field.title) == (kind, choices, True, "a")


def test_titles_bounds_defaults_and_the_order_of_the_server_are_kept() -> None:
    numbers = {"type": "integer", "title": "How many", "minimum": 1, "maximum": 9, "default": 3}
    properties = {"n": numbers, "ok": {"type": "boolean", "default": True}}
    line = asked(requested_schema={"properties": properties}, property_order=["ok", "n", "gone"])
    assert isinstance(line, FormAsked)
    ok, number = line.fields
    assert (ok.name, ok.default) == ("ok", ("true",))
    assert (number.title, number.least, number.most, number.default) == ("How many", 1, 9, ("3",))
    assert asked(mode="url", url="https://x.example/") == LinkAsked("r", "shop", "Which?", "https://x.example/")
    assert isinstance(asked(mode="url"), ControlRequested)


def field(kind: FieldKind, **facts: Any) -> FormField:
    return FormField("a", kind, "A", **facts)


TEXT, CHOICES = FieldKind.TEXT, FieldKind.CHOICES


@pytest.mark.parametrize(
    ("each", "given", "value"),
    [
        (field(TEXT), " a b ", "a b"),
        (field(TEXT), "", None),
        (field(TEXT, is_required=True), " ", FormRefused),
        (field(TEXT, least=2, most=3), "abcd", FormRefused),
        (field(TEXT, format="email"), "a@b.example", "a@b.example"),
        (field(TEXT, format="email"), "ab", FormRefused),
        (field(TEXT, format="uri"), "https://a.example/x", "https://a.example/x"),
        (field(TEXT, format="uri"), "a b", FormRefused),
        (field(TEXT, format="date"), "2026-02-30", FormRefused),
        (field(TEXT, format="date-time"), "2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
        (field(TEXT, format="date-time"), "2026-02-03", FormRefused),
        (field(TEXT, format="of their own"), "x", "x"),
        (field(FieldKind.INTEGER), "12", 12),
        (field(FieldKind.INTEGER), "12.0", 12),
        (field(FieldKind.INTEGER), "12.5", FormRefused),
        (field(FieldKind.INTEGER), "1e999", FormRefused),
        (field(FieldKind.NUMBER), "0,5", 0.5),
        (field(FieldKind.NUMBER), "nan", FormRefused),
        (field(FieldKind.NUMBER, least=0, most=1), "2", FormRefused),
        (
            field(FieldKind.YES_NO, choices=(FieldChoice("true", "Yes"), FieldChoice("false", "No"))),
            "no",
            False,
        ),
        (field(FieldKind.CHOICE, choices=RG), "GREEN", "g"),
        (field(FieldKind.CHOICE, choices=RG), "blue", FormRefused),
        (field(CHOICES, choices=RG), ("r", "r", "g"), ["r", "g"]),
        (field(CHOICES, choices=RG, most=1), ("r", "g"), FormRefused),
    ],
)
def test_a_field_takes_what_the_server_would_accept(each: FormField, given: Any, value: Any) -> None:
    form, values = FormBody("s", "", (each,)), {"a": (given,) if isinstance(given, str) else given}
    if value is FormRefused:
        with pytest.raises(FormRefused, match="“A” "):
            filled(form, values)
    else:
        assert filled(form, values) == ({} if value is None else {"a": value})


FORM, LINK = FormBody("s", "m", (field(TEXT),)), LinkBody("s", "m", "https://x.example/")


@pytest.mark.parametrize(
    ("body", "decision", "answer"),
    [
        (FORM, FillForm({"a": ("x",)}), {"action": "accept", "content": {"a": "x"}}),
        (LINK, FollowLink(), {"action": "accept"}),
        (FORM, Deny("no"), {"action": "decline"}),
        (LINK, Postpone(), {"action": "cancel"}),
        (FORM, FollowLink(), WrongAnswer),
        (LINK, FillForm(), WrongAnswer),
        (FORM, Allow(), WrongAnswer),
    ],
)
def test_each_decision_becomes_the_answer_of_the_protocol(
    body: AskBody, decision: Decision, answer: Any
) -> None:
    driver = StreamDriver(StreamOptions("claude", {}))
    ask = Ask(AskId("a"), None, 1, "r", 0, body)
    if answer is WrongAnswer:
        with pytest.raises(WrongAnswer):
            driver.answer(ask, decision)
        return
    line = json.loads(driver.answer(ask, decision))
    assert line["response"]["response"] == answer


def test_many_choices_are_looked_up_in_linear_time() -> None:
    def answer(count: int) -> Any:
        names = [str(number) for number in range(count)]
        each = field(CHOICES, choices=tuple(FieldChoice(name, f"The {name}") for name in names))
        return filled(FormBody("s", "", (each,)), {"a": [f"the {name}" for name in names]})

    assert answer(3) == {"a": ["0", "1", "2"]}
    assert cost_of_twice(answer, 2_000) < LINEAR

"""Keys and typed lines decide asks."""

from typing import Any

import pytest

from console.asks import AskForm
from sessions.model import (
    Allow,
    AllowAlways,
    AllowSession,
    Answer,
    ApprovePlan,
    Ask,
    AskBody,
    AskId,
    Choice,
    Deny,
    FieldChoice,
    FieldKind,
    FillForm,
    FollowLink,
    FormBody,
    FormField,
    LinkBody,
    PermissionBody,
    PlanBody,
    Postpone,
    Question,
    QuestionBody,
    RevisePlan,
    Suggestion,
)
from tests.growing_cost import LINEAR, cost_of_twice


def form(body: AskBody) -> AskForm:
    return AskForm(Ask(AskId("a"), None, 1, "r", 0, body))


PERMISSION = form(
    PermissionBody("Bash", "t", {}, suggestions=(Suggestion({}, "Always"), Suggestion({}, "More")))
)
PLAN = form(PlanBody("t", "the plan", {}))
CHOICES = (Choice("Left"), Choice("Right", "that way"))


@pytest.mark.parametrize(
    ("begin", "key", "decision"),
    [
        (PERMISSION, 1, Allow()),
        (PERMISSION, 2, AllowSession()),
        (PERMISSION, 3, AllowAlways(0)),
        (PERMISSION, 4, AllowAlways(1)),
        (PERMISSION, 5, Deny()),
        (PERMISSION, "", Allow()),
        (PERMISSION, "y", Allow()),
        (PERMISSION, "No", Deny()),
        (PERMISSION, " use another file ", Deny("use another file")),
        (PLAN, 1, ApprovePlan(accept_edits=True)),
        (PLAN, 2, ApprovePlan()),
        (PLAN, 3, RevisePlan("Keep planning.")),
        (PLAN, "yes", ApprovePlan()),
        (PLAN, "smaller steps", RevisePlan("smaller steps")),
    ],
)
def test_key_or_line_decides(begin: AskForm, key: Any, decision: object) -> None:
    assert (begin.pressed(key) if isinstance(key, int) else begin.entered(key)) == decision


@pytest.mark.parametrize("key", [0, 6, 9])
def test_a_digit_without_an_option_does_nothing(key: int) -> None:
    assert PERMISSION.pressed(key) is PERMISSION


def test_the_cursor_goes_round_and_enter_takes_what_is_under_it() -> None:
    assert PERMISSION.moved(-1).entered("") == Deny()
    assert PERMISSION.moved(1).moved(1).entered("") == AllowAlways(0)
    assert PERMISSION.moved(5).cursor == 0


def test_questions_are_answered_one_after_the_other_by_choice_or_in_own_words() -> None:
    one, two = Question("Which way?", "Way", CHOICES), Question("Why?", "Reason", ())
    begin = form(QuestionBody("t", (one, two), {}))
    assert [option.label for option in begin.options] == ["Left", "Right"]
    second = begin.pressed(2)
    assert isinstance(second, AskForm)
    assert second.question is two
    assert second.entered("") is second  # there is nothing to choose
    assert second.entered("because") == Answer({"Which way?": "Right", "Why?": "because"})


def test_many_options_are_ticked_and_confirmed() -> None:
    begin = form(QuestionBody("t", (Question("Which?", "", (*CHOICES, Choice("Back")), True),), {}))
    ticked = begin.pressed(3)
    assert isinstance(ticked, AskForm)
    ticked = ticked.pressed(1)
    assert isinstance(ticked, AskForm)
    assert ticked.entered("") == Answer({"Which?": "Left, Back"})
    unticked = ticked.pressed(1)
    assert isinstance(unticked, AskForm)
    assert unticked.entered("") == Answer({"Which?": "Back"})
    assert begin.entered("") is begin


def field(kind: FieldKind, **facts: Any) -> FormField:
    return FormField(facts.pop("name", "a"), kind, "A", **facts)


RG = (FieldChoice("r", "Red"), FieldChoice("g", "Green"))
YES_NO = (FieldChoice("true", "Yes"), FieldChoice("false", "No"))


@pytest.mark.parametrize(
    ("body", "keys", "decision"),
    [
        (LinkBody("s", "m", "https://a.example/"), [1], FollowLink()),
        (LinkBody("s", "m", "https://a.example/"), ["no"], Deny()),
        (FormBody("s", "m"), [""], FillForm()),
        (FormBody("s", "m", (field(FieldKind.TEXT),)), [2], Deny()),
        (FormBody("s", "m", (field(FieldKind.TEXT),)), [3], Postpone()),
        (FormBody("s", "m", (field(FieldKind.INTEGER),)), ["yes", "x", "5"], FillForm({"a": ("5",)})),
        (FormBody("s", "m", (field(FieldKind.TEXT, default=("d",)),)), [1, ""], FillForm({"a": ("d",)})),
        (FormBody("s", "m", (field(FieldKind.TEXT),)), [1, ""], FillForm({"a": ()})),
        (FormBody("s", "m", (field(FieldKind.CHOICE, choices=RG),)), [1, 3], FillForm({"a": ()})),
        (
            FormBody("s", "m", (field(FieldKind.YES_NO, choices=YES_NO, default=("false",)),)),
            [1, ""],
            FillForm({"a": ("false",)}),
        ),
        (
            FormBody("s", "m", (field(FieldKind.CHOICES, choices=RG), field(FieldKind.TEXT, name="b"))),
            [1, 2, 1, "", "x"],
            FillForm({"a": ("r", "g"), "b": ("x",)}),
        ),
    ],
)
def test_a_servers_request_is_answered_field_by_field(body: AskBody, keys: list[Any], decision: object) -> None:
    now: Any = form(body)
    for key in keys:
        assert isinstance(now, AskForm)
        now = now.pressed(key) if isinstance(key, int) else now.entered(key)
    assert now == decision


def test_a_field_that_the_server_would_refuse_is_asked_again_and_says_why() -> None:
    begun = form(FormBody("s", "m", (field(FieldKind.INTEGER, is_required=True, most=9),))).pressed(1)
    assert isinstance(begun, AskForm)
    for typed, trouble in (("", "“A” is required."), ("x", "must be a number"), ("10", "at most 9")):
        refused = begun.entered(typed)
        assert isinstance(refused, AskForm)
        assert trouble in refused.trouble
    assert begun.title == "A (a whole number, required)"


def test_many_default_choices_are_ticked_in_linear_time() -> None:
    def ticked(count: int) -> frozenset[int]:
        names = [str(number) for number in range(count)]
        choices = tuple(FieldChoice(name, name) for name in names)
        field = FormField("a", FieldKind.CHOICES, "A", choices=choices, default=tuple(names))
        begun = form(FormBody("s", "m", (field,))).entered("y")
        assert isinstance(begun, AskForm)
        return begun.ticked

    assert ticked(3) == {0, 1, 2}
    assert cost_of_twice(ticked, 4_000) < LINEAR

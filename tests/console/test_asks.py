"""What keys and typed lines decide."""

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
    PermissionBody,
    PlanBody,
    Question,
    QuestionBody,
    RevisePlan,
    Suggestion,
)


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

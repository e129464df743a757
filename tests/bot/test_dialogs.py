"""Dialogs: each carries its control, and its text is read from Discord's data."""

import pytest

from bot.bodies import Control, Verb
from bot.modals import Question, control_key_of, dialog, submitted_text
from tests.fakes.discord_server.model import walk


async def test_a_dialog_carries_its_control_and_is_unique_each_time() -> None:
    control = Control(Verb.DENY_NOTE, "session", "ask")
    first, second = (dialog(control, Question("T" * 60, "L" * 60)) for _ in range(2))
    assert first.custom_id != second.custom_id
    assert control_key_of(first.custom_id) == control_key_of(second.custom_id) == control.key
    assert max(len(first.title), len(first.custom_id) - 55) <= 45
    assert len(list(walk(first.to_dict()["components"]))) == 2


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"components": [{"component": {"custom_id": "text", "value": " a "}}]}, "a"),
        ({"components": [{"components": [{"custom_id": "text", "value": "b"}]}]}, "b"),
        ({"components": []}, ""),
        ({}, ""),
    ],
)
def test_the_text_of_a_dialog_is_read_from_what_discord_sends(data: object, text: str) -> None:
    assert submitted_text(data) == text

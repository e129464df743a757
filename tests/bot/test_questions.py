"""Claude's questions are answered with as few clicks as they need."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from api import ReadAsk
from bot.ask_face import AskFace
from bot.asks_cards import ask_card
from bot.bodies import Button, Card, Select
from bot.rows import load_fact
from bot.turn_store import picked_fact
from sessions.session import Session
from tests.bot.posted import asking, post
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server import Message, Place
from tests.sessions.running_core import idle

__all__ = ["core", "fake", "town", "ways"]


def question(text: str, *labels: str, several: bool = False) -> dict[str, Any]:
    options = [{"label": each, "description": ""} for each in labels]
    return {"question": text, "header": text, "options": options, "multiSelect": several}


class Asked:
    """An open question of Ann's session; `card` shows it as the view would now."""

    def __init__(self, ways: Ways, thread: Place, session: Session, ask_id: str) -> None:
        self.ways, self.thread, self.session, self.ask_id = ways, thread, session, ask_id

    async def card(self) -> Card:
        stored = await self.ways.core.do(ReadAsk(session_id=self.session.id, ask_id=self.ask_id))
        fact = await load_fact(self.ways.core.db, picked_fact(self.ask_id))
        picked = msgspec.json.decode(fact, type=dict[str, list[str]]) if fact else {}
        return ask_card(AskFace(stored, self.session.id, self.ways.town.ann.id, picked))

    async def message(self) -> Message:
        return await post(self.ways, self.thread, await self.card())

    async def answers(self) -> dict[str, str]:
        await idle(self.session)
        stored = await self.ways.core.db.read("SELECT decision FROM asks")
        answers: dict[str, str] = json.loads(str(stored[0][0]))["answers"]
        return answers


async def asked(ways: Ways, *questions: dict[str, Any]) -> Asked:
    return Asked(ways, *await asking(ways, f"demo:ask-question {json.dumps(questions)}"))


def controls(card: Card) -> tuple[Sequence[str], int]:
    """The labels of the buttons, and how many selects there are."""
    buttons = [each for row in card.rows if not isinstance(row, Select) for each in row]
    assert all(isinstance(each, Button) for each in buttons)
    return [each.label for each in buttons], sum(isinstance(row, Select) for row in card.rows)


async def test_a_few_answers_to_one_question_are_a_button_each_and_one_click_answers(ways: Ways) -> None:
    ask = await asked(ways, question("Which?", *"ABCDE"))
    assert controls(await ask.card()) == ([*"ABCDE", "Own words", "Do not answer"], 0)
    await ways.town.ann.click(await ask.message(), "D").acknowledged()
    assert await ask.answers() == {"Which?": "D"}


async def test_many_answers_are_a_list_and_one_choice_answers(ways: Ways) -> None:
    ask = await asked(ways, question("Which?", *"ABCDEF"))
    assert controls(await ask.card()) == (["Own words", "Do not answer"], 1)
    await ways.town.ann.select(await ask.message(), "Which?", "F").acknowledged()
    assert await ask.answers() == {"Which?": "F"}


async def test_several_questions_are_answered_when_the_last_is_set(ways: Ways) -> None:
    ask = await asked(ways, question("One?", "A", "B"), question("Two?", "C", "D"), question("Three?"))
    card = await ask.message()
    await ways.town.ann.select(card, "Two?", "D").acknowledged()
    await ways.town.ann.select(card, "One?", "A").acknowledged()
    await ways.town.ann.select(card, "One?", "B").acknowledged()
    assert "Chosen: B" in "".join((await ask.card()).texts)
    assert "Submit" not in controls(await ask.card())[0]
    dialog = await ways.town.ann.click(card, "Own words 3")
    await ways.town.ann.submit_modal(dialog, {"text": "mine"}).acknowledged()
    assert await ask.answers() == {"One?": "B", "Two?": "D", "Three?": "mine"}


async def test_own_words_and_choices_go_together_where_several_may_be_chosen(ways: Ways) -> None:
    ask = await asked(ways, question("Which?", "A", "B", "C", several=True))
    card = await ask.message()
    assert "Submit" not in controls(await ask.card())[0]
    dialog = await ways.town.ann.click(card, "Own words")
    await ways.town.ann.submit_modal(dialog, {"text": "and mine"}).acknowledged()
    await ways.town.ann.select(card, "Which?", "A", "C").acknowledged()
    assert "Chosen: A, C, and mine" in "".join((await ask.card()).texts)
    await ways.town.ann.click(await ask.message(), "Submit").acknowledged()
    assert await ask.answers() == {"Which?": "A, C, and mine"}


async def test_choices_at_the_same_moment_are_all_remembered(ways: Ways) -> None:
    ask = await asked(ways, *(question(each, "A", "B", several=True) for each in "1234"))
    card = await ask.message()
    await asyncio.gather(*(ways.town.ann.select(card, each, "A", "B").acknowledged() for each in "1234"))
    fact = await load_fact(ways.core.db, picked_fact(ask.ask_id))
    assert msgspec.json.decode(fact) == {str(number): ["A", "B"] for number in range(4)}
    assert ways.view.changes == [ask.session.id] * 4

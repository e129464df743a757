"""MCP servers ask for input in Discord: a dialog takes a form, a button opens a page; also after a restart."""

import json
from pathlib import Path
from typing import Any

import pytest

from api import ReadAsk
from bot.ask_face import AskFace
from bot.asks_cards import ask_card
from bot.bodies import Button, Card, LinkButton, Select
from bot.turn_store import load_picked
from sessions.model import AskId, LinkBody, ToolOutput
from sessions.session import Session
from tests.bot.card_kit import stored
from tests.bot.posted import asking, post
from tests.bot.ways import Town, Ways, core, fake, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord, Message, Place
from tests.sessions.running_core import idle, running_core

__all__ = ["core", "fake", "town", "ways"]

FORM = {
    "code": {"type": "string", "title": "Code", "minLength": 2},
    "count": {"type": "integer", "maximum": 9},
    "ok": {"type": "boolean", "default": True},
    "colour": {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]},
    "tags": {"type": "array", "items": {"enum": ["p", "q"]}},
}


def form(properties: dict[str, Any], **more: Any) -> str:
    schema = {"type": "object", "properties": properties, "required": [*properties][:1]}
    request = {
        "mcp_server_name": "shop",
        "message": "Which?",
        "mode": "form",
        "requested_schema": schema,
        **more,
    }
    return f"demo:elicit {json.dumps(request)}"


class Asked:
    """A server's open request in Ann's session."""

    def __init__(self, ways: Ways, thread: Place, session: Session, ask_id: str) -> None:
        self.ways, self.thread, self.session, self.ask_id = ways, thread, session, AskId(ask_id)

    async def card(self) -> Card:
        kept = await self.ways.core.do(ReadAsk(session_id=self.session.id, ask_id=self.ask_id))
        picked = await load_picked(self.ways.core.db, self.ask_id)
        return ask_card(AskFace(kept, self.session.id, self.ways.town.ann.id, picked))

    async def message(self) -> Message:
        return await post(self.ways, self.thread, await self.card())

    async def said(self) -> dict[str, Any]:
        """Return the answers that the server got."""
        await idle(self.session)
        (turn,) = await self.ways.turns(self.session)
        (output,) = [each.text for each in turn.contents if isinstance(each, ToolOutput)]
        said: dict[str, Any] = json.loads(output.partition("the person said ")[2])
        return said


def labels(card: Card) -> list[str]:
    return [each.label for row in card.rows if not isinstance(row, Select) for each in row]


async def test_a_form_is_filled_in_a_dialog_and_keeps_what_the_server_would_refuse(ways: Ways) -> None:
    ask = Asked(ways, *await asking(ways, form(FORM)))
    assert labels(await ask.card()) == ["Fill in", "Decline", "Not now"]
    card = await ask.message()
    dialog = await ways.town.ann.click(card, "Fill in")
    given = {"Code": "x", "count": "ten", "ok": "No", "colour": "Green", "tags": ["p", "q"]}
    refused = await ways.town.ann.submit_modal(dialog, given).settled()
    assert "“Code” needs at least 2 characters. Press “Fill in” again" in refused.text
    assert "Code** (required) → x" in "".join((await ask.card()).texts)
    again = await ways.town.ann.click(card, "Fill in")
    await ways.town.ann.submit_modal(again, {"Code": "xyz", "count": "7"}).acknowledged()
    content = {"code": "xyz", "count": 7, "ok": False, "colour": "g", "tags": ["p", "q"]}
    assert await ask.said() == {"action": "accept", "content": content}
    closed = "".join((await ask.card()).texts)
    assert "Code → xyz" in closed
    assert "Answered" in closed


async def test_a_long_form_has_a_dialog_for_each_five_fields(ways: Ways) -> None:
    ask = Asked(ways, *await asking(ways, form({f"f{n}": {"type": "string"} for n in range(7)})))
    assert labels(await ask.card()) == ["Fill in 1-5", "Fill in 6-7", "Send", "Decline", "Not now"]
    card = await ask.message()
    assert "“f0” is required" in (await ways.town.ann.click(card, "Send").settled()).text
    for button, fields in (("Fill in 6-7", {"f6": "six"}), ("Fill in 1-5", {"f0": "zero"})):
        dialog = await ways.town.ann.click(card, button)
        await ways.town.ann.submit_modal(dialog, fields).acknowledged()
    await ways.town.ann.click(card, "Send").acknowledged()
    assert await ask.said() == {"action": "accept", "content": {"f0": "zero", "f6": "six"}}


@pytest.mark.parametrize(
    ("request_", "button", "answer"),
    [
        (form(FORM), "Decline", {"action": "decline"}),
        (form(FORM), "Not now", {"action": "cancel"}),
        (form({}), "Confirm", {"action": "accept", "content": {}}),
        (form({}, mode="url", url="https://a.example/x?y=1"), "I opened it", {"action": "accept"}),
        (form({}, mode="url", url="javascript:alert(1)"), "Decline", {"action": "decline"}),
    ],
)
async def test_one_click_decides(ways: Ways, request_: str, button: str, answer: dict[str, Any]) -> None:
    ask = Asked(ways, *await asking(ways, request_))
    await ways.town.ann.click(await ask.message(), button).acknowledged()
    assert await ask.said() == answer


@pytest.mark.parametrize(
    ("url", "is_button", "words"),
    [
        ("https://a.example/x?y=1", True, "It leads to **a.example**"),
        ("https://bank.example@evil.example/", False, "unclear where this address leads"),
        ("javascript:alert(1)", False, "unclear where this address leads"),
        ("https://a.example/" + "x" * 600, False, "It leads to **a.example**"),
    ],
)
def test_a_button_opens_a_page_only_if_its_address_is_plain(url: str, is_button: bool, words: str) -> None:
    card = ask_card(AskFace(stored(LinkBody("shop", "Log in", url)), "s", 1))
    buttons = [each for row in card.rows if not isinstance(row, Select) for each in row]
    assert any(isinstance(each, LinkButton) for each in buttons) is is_button
    assert all(isinstance(each, Button | LinkButton) for each in buttons)
    assert words in "".join(card.texts)


async def test_a_form_stays_open_over_a_restart_of_bot_and_core(fake: FakeDiscord, tmp_path: Path) -> None:
    """The CLI does not list forms among its open asks: they stay open all the same, and the dialog answers."""
    town = Town(fake)
    async with running_core(tmp_path / "core") as before:
        async with ways_in(fake, before, town) as ways:
            thread, session, ask_id = await asking(ways, form(FORM))
            dialog = await town.ann.click(await Asked(ways, thread, session, ask_id).message(), "Fill in")
        await fake.until_gone()
        await before.manager.shutdown()
        async with running_core(tmp_path / "core") as core, ways_in(fake, core, town) as ways:
            session = await core.manager.get_session(session.id)
            assert session.run is not None
            await session.run.greet()
            assert (await town.ann.submit_modal(dialog, {"Code": "abc"})).failure is None
            said = await Asked(ways, thread, session, ask_id).said()
            assert said["content"]["code"] == "abc"

"""The fake refuses what Discord refuses, with its codes; bodies go past discord.py's own checks."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .discord_server import FakeDiscord
from .discord_server.command_limits import check_commands
from .discord_server.errors import ApiError
from .discord_server.fixtures import fake, logged_in
from .discord_server.limits import check_choices, check_message, check_modal

__all__ = ["fake"]

V2 = 1 << 15


def button(**changes: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "x", "custom_id": "x", **changes}


def row(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(children)}


def menu(options: int, **changes: Any) -> dict[str, Any]:
    made = [{"label": f"o{number}", "value": str(number)} for number in range(options)]
    return {"type": 3, "custom_id": "menu", "options": made, **changes}


def card(*children: dict[str, Any]) -> dict[str, Any]:
    return {"flags": V2, "components": [{"type": 17, "components": list(children)}]}


def text(length: int) -> dict[str, Any]:
    return {"type": 10, "content": "x" * length}


def embed(**fields: Any) -> dict[str, Any]:
    return {"embeds": [fields]}


SECTION = {"type": 9, "components": [text(1)], "accessory": button()}

# What is allowed at the edge, and what is refused one step past it, with the path of the complaint.
EDGES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("content", {"content": "x" * 2000}, {"content": "x" * 2001}, "content"),
    ("nonce", {"content": "x", "nonce": "n" * 25}, {"content": "x", "nonce": "n" * 26}, "nonce"),
    ("flags", {"content": "x", "flags": 4 | 1 << 12}, {"content": "x", "flags": 1 << 6}, "flags"),
    ("embeds", {"embeds": [{"title": "x"}] * 10}, {"embeds": [{"title": "x"}] * 11}, "embeds"),
    ("embed title", embed(title="x" * 256), embed(title="x" * 257), "embeds/0/title"),
    ("embed description", embed(description="x" * 4096), embed(description="x" * 4097), "embeds/0/description"),
    (
        "embed total",
        {"embeds": [{"description": "x" * 3000}] * 2},
        {"embeds": [{"description": "x" * 3000}, {"description": "x" * 3001}]},
        "embeds",
    ),
    (
        "embed field",
        embed(fields=[{"name": "n" * 256, "value": "v" * 1024}]),
        embed(fields=[{"name": "n", "value": "v" * 1025}]),
        "embeds/0/fields/0/value",
    ),
    (
        "rows",
        {"components": [row(button(custom_id=str(n))) for n in range(5)]},
        {"components": [row(button())] * 6},
        "components",
    ),
    (
        "buttons in a row",
        {"components": [row(*[button(custom_id=str(n)) for n in range(5)])]},
        {"components": [row(*[button(custom_id=str(n)) for n in range(6)])]},
        "components/0/components",
    ),
    (
        "label",
        {"components": [row(button(label="x" * 80))]},
        {"components": [row(button(label="x" * 81))]},
        "components/0/components/0/label",
    ),
    (
        "custom_id",
        {"components": [row(button(custom_id="x" * 100))]},
        {"components": [row(button(custom_id="x" * 101))]},
        "components/0/components/0/custom_id",
    ),
    (
        "custom_id is unique",
        {"components": [row(button(), button(custom_id="y"))]},
        {"components": [row(button(), button())]},
        "components",
    ),
    (
        "options",
        {"components": [row(menu(25))]},
        {"components": [row(menu(26))]},
        "components/0/components/0/options",
    ),
    (
        "placeholder",
        {"components": [row(menu(1, placeholder="x" * 150))]},
        {"components": [row(menu(1, placeholder="x" * 151))]},
        "components/0/components/0/placeholder",
    ),
    (
        "select alone",
        {"components": [row(menu(1))]},
        {"components": [row(menu(1), button())]},
        "components/0/components",
    ),
    ("V2 text", card(text(2000), text(2000)), card(text(2000), text(2001)), "components"),
    ("V2 parts", card(*[text(1)] * 39), card(*[text(1)] * 40), "components"),
    (
        "V2 section",
        card(SECTION),
        card({**SECTION, "components": [text(1)] * 4}),
        "components/0/components/0/components",
    ),
    ("V2 has no content", card(text(1)), {**card(text(1)), "content": "x"}, "content"),
    ("V2 parts need the flag", card(text(1)), {**card(text(1)), "flags": 0}, "components"),
]


def paths(errors: dict[str, Any] | None) -> set[str]:
    found = set()
    for key, value in (errors or {}).items():
        if key == "_errors":
            found.add("")
        else:
            found |= {f"{key}/{below}".rstrip("/") for below in paths(value)}
    return found


@pytest.mark.parametrize(
    ("allowed", "refused", "where"), [edge[1:] for edge in EDGES], ids=[edge[0] for edge in EDGES]
)
async def test_a_message_at_the_limit_passes_and_one_past_it_is_50035(
    fake: FakeDiscord, allowed: dict[str, Any], refused: dict[str, Any], where: str
) -> None:
    route = discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=fake.general.id)
    async with logged_in(fake) as client:
        await client.http.request(route, json=allowed)
        with pytest.raises(discord.HTTPException) as error:
            await client.http.request(route, json=refused)
    assert error.value.code == 50035
    answer = fake.requests[-1].answer
    assert isinstance(answer, dict)
    assert where in paths(answer["errors"])
    assert len(fake.general.messages) == 1


async def test_an_empty_message_is_50006_and_a_file_too_large_413(fake: FakeDiscord) -> None:
    fake.settings.file_limit_bytes = 1000
    async with logged_in(fake) as client:
        channel = client.get_partial_messageable(fake.general.id)
        with pytest.raises(discord.HTTPException) as empty:
            await channel.send(" \n ")
        with pytest.raises(discord.HTTPException) as large:
            await channel.send(file=discord.File(fp=__file__, filename="big.txt"))
    assert (empty.value.code, large.value.status, large.value.code) == (50006, 413, 40005)


async def test_a_plain_message_turned_v2_must_drop_its_content_and_stays_v2(fake: FakeDiscord) -> None:
    class Card(discord.ui.LayoutView):
        words: discord.ui.TextDisplay[Card] = discord.ui.TextDisplay("card")

    async with logged_in(fake) as client:
        message = await client.get_partial_messageable(fake.general.id).send("plain")
        with pytest.raises(discord.HTTPException) as refused:
            await message.edit(view=Card())
        assert refused.value.code == 50035
        await message.edit(content=None, embeds=[], view=Card())
        with pytest.raises(discord.HTTPException):
            await message.edit(content="plain again", view=None)
    assert fake.general.last.text == "card"


def field(**changes: Any) -> dict[str, Any]:
    return {"type": 18, "label": "x", "component": {"type": 4, "style": 1, "custom_id": "x", **changes}}


MODAL = {"title": "x", "custom_id": "x", "components": [field()]}


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x" * 46},
        {"title": ""},
        {"custom_id": "x" * 101},
        {"components": []},
        {"components": [field(custom_id=str(number)) for number in range(6)]},
        {"components": [{**field(), "label": "x" * 46}]},
        {"components": [{**field(), "description": "x" * 101}]},
        {"components": [field(placeholder="x" * 101)]},
        {"components": [field(value="x" * 4001)]},
        {"components": [{**field(), "component": {**menu(1), "disabled": True}}]},
        {"components": [{**field(), "component": button()}]},
    ],
)
def test_a_dialog_past_a_limit_is_50035(changes: dict[str, Any]) -> None:
    check_modal(MODAL)
    with pytest.raises(ApiError) as refused:
        check_modal({**MODAL, **changes})
    assert refused.value.code == 50035


COMMAND = {"name": "go", "description": "Go", "type": 1}
OPTION = {"name": "what", "description": "What", "type": 3}


@pytest.mark.parametrize(
    "commands",
    [
        [{**COMMAND, "name": "Go"}],
        [{**COMMAND, "name": "x" * 33}],
        [{**COMMAND, "description": ""}],
        [{**COMMAND, "description": "x" * 101}],
        [{**COMMAND, "options": [OPTION] * 26}],
        [{**COMMAND, "options": [OPTION, {**OPTION, "name": "must", "required": True}]}],
        [{**COMMAND, "options": [{**OPTION, "choices": [{"name": "x", "value": "x"}] * 26}]}],
        [COMMAND, COMMAND],
        [{**COMMAND, "name": f"go-{number}"} for number in range(101)],
        [{"name": f"Menu {number}", "type": 3} for number in range(16)],
    ],
)
def test_commands_past_a_limit_are_50035(commands: list[dict[str, Any]]) -> None:
    check_commands([COMMAND, {"name": "Menu", "type": 3}])
    with pytest.raises(ApiError) as refused:
        check_commands(commands)
    assert refused.value.code == 50035


@pytest.mark.parametrize("choices", [[{"name": "x", "value": "x"}] * 26, [{"name": "x" * 101, "value": "x"}]])
def test_suggestions_past_a_limit_are_50035(choices: list[dict[str, Any]]) -> None:
    with pytest.raises(ApiError):
        check_choices(choices)


@given(st.text(max_size=2100))
def test_content_is_measured_in_characters(content: str) -> None:
    if len(content) <= 2000:
        check_message({"content": content}, files=0)
    else:
        with pytest.raises(ApiError):
            check_message({"content": content}, files=0)

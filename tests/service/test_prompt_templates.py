"""Prompt templates: whose they are, and how their places are filled."""

from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from sessions.errors import NotAllowed, PlaceEmpty, PromptTemplateRefused, TemplateNotFound
from sessions.model import PermissionMode
from sessions.prompt_places import fill, places_of
from tests.sessions.running_core import ADMIN, running_core

ANN, BEN = Actor("ann", "test", Role.USER), Actor("ben", "test", Role.USER)


@pytest.mark.parametrize(
    ("text", "places", "filled"),
    [
        ("Fix {what} in {where}, then {what}.", ("what", "where"), "Fix <what> in <where>, then <what>."),
        ("{file name}", ("file name",), "<file name>"),
        ("{größe} {数}", ("größe", "数"), "<größe> <数>"),
        ("if (x) { return {}; }", (), "if (x) { return {}; }"),
        ('{"key": 1} {0} {_x} {-}', (), '{"key": 1} {0} {_x} {-}'),
        ("{{what}} stays", (), "{what} stays"),
        ("{" + "a" * 41 + "}", (), "{" + "a" * 41 + "}"),
        ("{what", (), "{what"),
    ],
)
def test_places_are_words_in_braces(text: str, places: tuple[str, ...], filled: str) -> None:
    assert places_of(text) == places
    assert fill(text, {name: f"<{name}>" for name in places}) == filled


def test_a_value_is_text_even_if_it_looks_like_a_place() -> None:
    assert fill("{a} {b}", {"a": "{b}", "b": "{{x}}"}) == "{b} {{x}}"


async def test_people_have_their_own_and_an_admin_makes_them_for_all(tmp_path: Path) -> None:
    async with running_core(tmp_path / "core") as core:

        async def names(actor: Actor) -> list[str]:
            return [each.name for each in (await core.do(c.ListPromptTemplates(), actor)).templates]

        mine = await core.do(c.SavePromptTemplate(name=" Review ", text="Review {what}"), ANN)
        await core.do(c.SavePromptTemplate(name="Theirs", text="x"), BEN)
        common = await core.do(
            c.SavePromptTemplate(
                name="Common", text="{a}", project="p", model="m", mode=PermissionMode.PLAN, for_all=True
            ),
            ADMIN,
        )
        assert await names(ANN) == ["Review", "Common"]
        assert await names(BEN) == ["Theirs", "Common"]
        for wish in (
            c.SavePromptTemplate(name="Mine for all", text="x", for_all=True),
            c.DeletePromptTemplate(template_id=common.id),
        ):
            with pytest.raises(NotAllowed):
                await core.do(wish, ANN)
        for stranger in (
            c.ReadPromptTemplate(template_id=mine.id),
            c.DeletePromptTemplate(template_id=mine.id),
        ):
            with pytest.raises(TemplateNotFound):
                await core.do(stranger, BEN)
        filled = await core.do(c.ReadPromptTemplate(template_id=common.id, values={"a": "now"}), BEN)
        assert filled == c.FilledTemplate("now", "p", "m", PermissionMode.PLAN)
        with pytest.raises(PlaceEmpty, match="“what”"):
            await core.do(c.ReadPromptTemplate(template_id=mine.id, values={"what": ""}), ANN)
        again = await core.do(c.SavePromptTemplate(name="Review", text="Look at {it}"), ANN)
        assert (again.id, again.places) == (mine.id, ("it",))
        for name, text in (("", "x"), ("x", "  ")):
            with pytest.raises(PromptTemplateRefused):
                await core.do(c.SavePromptTemplate(name=name, text=text), ANN)
        await core.do(c.DeletePromptTemplate(template_id=mine.id), ANN)
        assert await names(ANN) == ["Common"]

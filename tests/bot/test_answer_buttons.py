"""The buttons under answers: a row under the last one only, and none that could only refuse."""

from pathlib import Path

import pytest

from bot.answer_buttons import Answer, all_rows, answer_rows, opened_answer
from bot.bodies import Button, Plain, Select
from sessions.events import TurnEnded, TurnHeldBack, TurnSent, TurnStarted, TurnWithdrawn
from sessions.model import TurnId, TurnKind, TurnStatus
from sessions.troubles import Failure, FailureKind
from tests.bot.posted import post
from tests.bot.room import patient, room
from tests.bot.test_turn_flow import stored
from tests.bot.ways import Town, core, fake, town, ways_in
from tests.fakes.discord_server import FakeDiscord, Message
from tests.fakes.discord_server.model import walk
from tests.sessions.running_core import RunningCore, idle, reached

__all__ = ["core", "fake", "patient", "town"]


def labels(rows: object) -> list[str]:
    assert isinstance(rows, tuple)
    return [button.label for row in rows if not isinstance(row, Select) for button in row]


def answer(kind: TurnKind = TurnKind.PROMPT, **facts: object) -> Answer:
    turn = stored(TurnStatus.DONE, id=TurnId("b"), kind=kind)
    return Answer(**{"turn": turn, "posts_of": "b", **facts})  # type: ignore[arg-type]  # the fields by name


ALL = ["Continue", "Regenerate", "Branch", "Model", "Export"]
OFFERED = [
    (answer(), ALL),
    (answer(TurnKind.BACKGROUND), ["Continue", "Branch", "Model", "Export"]),
    (answer(session_has_ended=True), ["Branch", "Export"]),
    (answer(is_last=False), ["Branch", "Export"]),
    (answer(is_last=False, files=2, has_calls=True), ["Branch", "Export", "Files (2)", "Details"]),
    (answer(alternatives=("a", "b")), [*ALL, "‹", "2/2", "›"]),
    (answer(alternatives=("a", "b"), followed="a"), [*ALL, "‹", "2/2", "›", "Go on from this one"]),
    (answer(alternatives=("b", "c"), posts_of="c"), [*ALL, "‹", "1/2", "›", "Go on from this one"]),
    (answer(alternatives=("b", "c"), posts_of="c", followed="b"), [*ALL, "‹", "1/2", "›"]),
    (answer(is_last=False, alternatives=("a", "b")), ["Branch", "Export", "‹", "2/2", "›"]),
]


def test_an_answer_that_the_service_refuses_offers_a_branch_from_before_the_trouble() -> None:
    for kind, helps in (
        (FailureKind.STUCK, True),
        (FailureKind.REFUSED, True),
        (FailureKind.OVERLOADED, False),
    ):
        failure = Failure(kind, 400, last_good="good")
        turn = stored(TurnStatus.FAILED, id=TurnId("b"), failure=failure)
        first, *_ = all_rows(Answer(turn, "b"))
        assert isinstance(first, tuple)
        assert isinstance(first[0], Button)
        assert (first[0].label == "Branch from the last good turn") is helps
        assert (first[0].control.subject == "good") is helps


@pytest.mark.parametrize(("facts", "offered"), OFFERED)
def test_an_answer_offers_what_makes_sense_for_it(facts: Answer, offered: list[str]) -> None:
    assert labels(all_rows(facts)) == labels(opened_answer(facts).rows) == offered
    in_channel = ("Regenerate", "Files", "‹", "›", "1/", "2/", "Go on")
    expected = [label for label in offered if label.startswith(in_channel)]
    assert [each for each in labels(answer_rows(facts)) if each != "⋯"] == (expected if facts.is_last else [])
    assert labels(answer_rows(facts)).count("⋯") == 1


@pytest.mark.parametrize("status", [TurnStatus.CUT, TurnStatus.INTERRUPTED, TurnStatus.FAILED])
def test_an_answer_that_is_not_complete_offers_to_continue(status: TurnStatus) -> None:
    turn = stored(status, id=TurnId("b"))
    assert labels(answer_rows(Answer(turn, "b", files=1))) == ["Continue", "Regenerate", "Files (1)", "⋯"]


def shown(message: Message) -> list[str]:
    return [part["label"] for part in walk(message.components) if "label" in part]


async def test_only_the_last_answer_has_a_row_of_buttons(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        for words in ("one", "two", "three"):
            await r.session.prompt(words)
            await r.settled()
            assert [shown(each) for each in r.thread.from_bot[1:]][-2:-1] in ([], [["⋯"]])
            await r.session.end()
            await r.settled()
        offered = [shown(each) for each in r.thread.from_bot[1:]]
        assert offered == [["⋯"], ["⋯"], ["Regenerate", "⋯"]]


@pytest.mark.parametrize("quick", [1, 2, 3, 60])
async def test_older_answers_lose_their_row_however_many_turns_end_at_once(
    patient: FakeDiscord, tmp_path: Path, quick: int
) -> None:
    """Queued prompts may begin and end between two looks of the view."""
    async with room(patient, tmp_path) as r:
        await r.session.prompt("one")
        await r.session.end()
        await r.settled()
        assert shown(r.thread.last) == ["Regenerate", "⋯"]
        queued = [await r.session.queue("quick") for _ in range(quick)]
        await r.session.happen(
            *(
                event
                for turn in queued
                for event in (
                    TurnSent(turn, r.session.snapshot.host),
                    TurnStarted(turn),
                    TurnEnded(turn, TurnStatus.DONE),
                )
            )
        )
        await r.settled()
        offered = [shown(each) for each in r.thread.from_bot[1:]]
        assert offered == [*[["⋯"]] * quick, ["Regenerate", "⋯"]]


async def test_the_last_answer_has_its_row_again_after_a_prompt_that_a_limit_refused(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("one")
        await r.session.end()
        refused = await r.session.prompt("two")
        await r.settled()
        assert shown(r.thread.from_bot[1]) == ["⋯"]
        await r.session.happen(TurnHeldBack(refused, "another uuid"))
        await r.session.happen(TurnWithdrawn(refused, "discord:1"))
        await r.settled()
        assert [shown(each) for each in r.thread.from_bot[1:]] == [["Regenerate", "⋯"]]


async def test_an_older_answer_opens_its_buttons_after_a_restart_too(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:read a.txt")
        turn = (await ways.turns(session))[0].turn
        town.ann.send(thread, "demo:text second")
        await reached(session, lambda snapshot: snapshot.message_count == 2)
        await idle(session)
        rows = answer_rows(Answer(turn, turn.id, is_last=False))
        old = await post(ways, thread, Plain("First.", rows))
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        opened = await town.ann.click(old, "⋯").settled()
        assert opened.ephemeral
        assert opened.reply is not None
        assert shown(opened.reply) == ["Branch", "Export", "Details"]
        details = await town.ann.click(opened.reply, "Details").settled()
        assert "What Claude did" in details.text

"""Whatever fails between the view and Discord, a post is there once and right."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import transport
from bot.rows import load_place
from bot.view import ViewOptions
from sessions.model import Text
from tests.bot.answered import ANSWER, CLOSING, answer
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.room import room, watched
from tests.fakes.discord_server import FakeDiscord, RateSettings
from tests.fakes.discord_server.fixtures import fake_discord


@pytest.mark.parametrize(
    "break_it",
    [
        lambda faults: faults.lose_answer(),
        lambda faults: faults.lose_answer(times=3),
        lambda faults: faults.reset("POST /channels/*/messages", times=2),
        lambda faults: faults.fail(503, "POST /channels/*/messages", times=2),
        lambda faults: faults.fail(502, "POST /channels/*/messages"),
        lambda faults: faults.limit(0.2, "POST /channels/*/messages", times=2),
        lambda faults: faults.limit(0.01, "POST /channels/*/messages", times=7),  # more than it tries
        lambda faults: faults.limit(0.2, is_global=True),
        lambda faults: faults.lose_answer("PATCH /channels/*", times=2),
        lambda faults: faults.fail(503, "PATCH /channels/*", times=2),
        lambda faults: faults.lose_answer("*", times=4),
    ],
)
async def test_a_failing_request_neither_loses_nor_doubles_a_post(
    patient: FakeDiscord, tmp_path: Path, break_it: Callable[[object], object]
) -> None:
    async with room(patient, tmp_path) as r:
        break_it(patient.faults)
        await answer(r)
        await r.settled()
        assert r.posts == [ANSWER + CLOSING]


async def test_a_storm_of_faults_ends_in_the_right_channel(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        for status in (502, 503):
            patient.faults.fail(status, times=6, probability=0.3)
        patient.faults.lose_answer("*", times=12, probability=0.4)
        patient.faults.reset(times=6, probability=0.3)
        for n in range(4):
            await answer(r, f"Answer {n}.")
        await r.settled()
        assert r.posts == [f"Answer {n}.{CLOSING}" for n in range(4)]


@pytest.mark.parametrize("later_s", [0, 600])  # while Discord knows the nonce, and when it has forgotten it
async def test_a_post_whose_answer_nobody_heard_is_found_again(
    patient: FakeDiscord, tmp_path: Path, later_s: int
) -> None:
    async with room(patient, tmp_path) as r:
        held = patient.faults.hold()
        await r.session.prompt("ask")
        await held.reached.wait()
        await r.view.__aexit__(None, None, None)  # dies between the POST and its answer
        held.release()
        made = r.thread.last.id
        await r.session.add(Text(ANSWER))
        await r.session.end()
        r.stage.clock.wall_ms += later_s * 1000
        patient.advance(later_s)
        async with watched(patient, r.stage) as view:
            await view.settled(r.session.id)
            await r.thread.wait_for_message(CLOSING.strip())
            await view.settled(r.session.id)
        assert [one.id for one in r.thread.from_bot[1:]] == [made]
        assert r.posts == [ANSWER + CLOSING]


async def test_a_create_that_never_arrived_is_made_later(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        patient.faults.reset("POST /channels/*/messages", times=None)
        await answer(r)
        await patient.until(lambda: [row for row in patient.faults._faults if row.hits])
        await r.view.__aexit__(None, None, None)
        patient.faults.clear()
        r.stage.clock.wall_ms += 600_000
        patient.advance(600)
        async with watched(patient, r.stage) as view:
            await r.thread.wait_for_message(ANSWER)
            await view.settled(r.session.id)
        assert r.posts == [ANSWER + CLOSING]


async def test_a_deleted_post_is_made_anew_when_it_changes(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("ask")
        await r.session.say("Half")
        await r.thread.wait_for_message("Half")
        await r.settled()
        patient.admin.delete(r.thread.last)
        await r.session.add(Text("Half and whole."))
        await r.session.end()
        await r.settled()
        assert r.posts == ["Half and whole." + CLOSING]


@pytest.mark.parametrize("more", ["", "\n\n" + "More words. " * 200])
async def test_an_archived_thread_is_opened_again(patient: FakeDiscord, tmp_path: Path, more: str) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("ask")
        await r.session.say("Half")
        await r.thread.wait_for_message("Half")
        await r.settled()
        r.thread.archive()
        await r.session.add(Text("Half and whole." + more))
        await r.session.end()
        await r.settled()
        assert r.posts[0].startswith("Half and whole.")
        assert r.posts[-1].endswith(CLOSING)
        assert not r.thread.archived


async def test_a_channel_that_is_closed_to_us_is_left_alone(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        patient.general.allow(patient.bot, deny=1 << 38)  # send messages in threads
        await answer(r)
        await r.settled()
        for n in range(10):
            await answer(r, f"Answer {n}")
        await r.settled()
        refused = [one for one in patient.requests if one.status == 403]
        assert 1 <= len(refused) <= 2
        patient.general.allow(patient.bot)
        place = await load_place(r.stage.db, r.session.id)
        assert place is not None
        await r.view.show(place)
        await r.thread.wait_for_message("Answer 9")


async def test_invalid_requests_stay_below_one_in_a_hundred(tmp_path: Path) -> None:
    async with (
        fake_discord(FakeDiscord(rates=RateSettings())) as fake,
        room(fake, tmp_path, ViewOptions()) as r,
    ):
        await r.session.prompt("ask")
        for n in range(40):
            await r.session.say(f"Line {n} of the answer.\n\n")
            await asyncio.sleep(0.05)
        await r.session.end()
        await r.settled()
        assert not [one for one in fake.requests if one.status in (401, 403, 429)]


async def test_a_refused_body_becomes_a_sentence(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        name = "x" * 10
        huge = Text("\n\n".join(f"Paragraph {n} {name}. " + "word " * 100 for n in range(30_000)))
        await r.session.prompt("ask")
        await r.session.add(huge)
        await r.session.end()
        await r.settled()
        assert any("Discord did not take this part" in post for post in r.posts)


async def test_a_request_that_is_never_answered_is_tried_again(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_PATIENCE_S", 1.0)
    async with room(patient, tmp_path) as r:
        held = patient.faults.hold()
        await answer(r)
        await held.reached.wait()
        await r.settled()
        assert r.posts == [ANSWER + CLOSING]

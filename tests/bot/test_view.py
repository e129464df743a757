"""The view against a fake Discord with the real discord.py: what is shown, and when it changes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api import Command, SessionInfo
from api.access import Actor
from bot.bodies import Card
from bot.cards import SESSION_CARDS, SessionCard
from bot.rows import load_place, load_posts
from bot.shown_session import ShownSession
from bot.view import View, ViewOptions
from sessions import events as e
from sessions.model import Activity, Allow, GrowingKind, PermissionBody, Text, ToolCall
from tests.bot.answered import ANSWER, CLOSING, answer
from tests.bot.room import FAST, room, watched
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.stage import stage
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.discord_server.fixtures import logged_in
from tests.sessions.kit import until


async def test_files_that_bash_changed_are_told_below_the_answer_later(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path / "db") as r:
        turn = await r.session.prompt("ask")
        await r.session.add(Text(ANSWER))
        await r.session.end()
        await r.settled()
        assert "Files" not in r.thread.snapshot()
        await r.session.happen(e.TurnFilesCounted(turn, 2))
        await r.settled()
        assert "2 files changed" in r.thread.snapshot()
        assert "Files (2)" in r.thread.snapshot()


async def test_a_view_that_is_never_entered_keeps_nothing(patient: FakeDiscord, tmp_path: Path) -> None:
    async with stage(tmp_path) as core, logged_in(patient) as client:
        View(client, core, core.db)
        assert not core.bus._of_all


async def test_an_event_that_cannot_be_taken_in_makes_no_session_deaf(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(patient, tmp_path) as r:
        take = ShownSession.take

        def break_once(session: ShownSession, item: e.Feed) -> bool:
            monkeypatch.setattr(ShownSession, "take", take)
            raise ValueError

        monkeypatch.setattr(ShownSession, "take", break_once)
        await answer(r)
        await r.settled()
        assert len(r.posts) == 1


async def test_typing_shows_while_claude_works_and_not_while_it_asks(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("ask")
        await patient.until(lambda: r.thread.bot_is_typing)
        await r.session.add(ToolCall("t", "Bash", {"command": "ls"}))
        ask = await r.session.ask(PermissionBody("Bash", "t", {"command": "ls"}))
        await r.settled()
        typed = len([one for one in patient.requests if one.route.endswith("/typing")])
        patient.advance(60)
        await r.settled()
        assert len([one for one in patient.requests if one.route.endswith("/typing")]) == typed
        await r.session.decide(ask, Allow())
        await patient.until(lambda: r.thread.bot_is_typing)


async def test_a_prompt_that_is_sent_at_once_leaves_no_queue_post(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await answer(r)
        await r.settled()
        assert not [one for one in patient.requests if "Queued" in str(one.body)]


async def test_what_is_stored_and_not_yet_told_is_shown_as_it_is_when_it_was_told(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view reads back in the moment between a commit and what the core makes of it."""
    async with room(patient, tmp_path) as r:
        publish, told = r.stage.bus.publish, []
        before = r.session.snapshot
        monkeypatch.setattr(r.stage.bus, "publish", lambda *news: told.append(news))
        await r.session.prompt("ask")
        await r.session.add(Text(ANSWER))
        await r.session.end()
        after, r.session.snapshot = r.session.snapshot, before
        r.view._sessions[r.session.id].miss()
        r.view._begin(r.session.id)
        await until(lambda: not r.view._sessions[r.session.id].is_behind)
        await r.settled()
        r.session.snapshot = after
        for news in told:
            publish(*news)
        await r.settled()
        assert r.posts == [ANSWER + CLOSING]
        assert r.thread.from_bot[0].text.startswith("● ready")
        assert "$0.03" in r.thread.from_bot[0].text


async def test_what_changes_while_the_session_is_asked_for_is_shown_in_the_end(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(patient, tmp_path) as r:
        perform, asked, go_on = r.stage.perform, asyncio.Event(), asyncio.Event()

        async def held(actor: Actor, command: Command[Any]) -> Any:
            found = await perform(actor, command)
            asked.set()
            await go_on.wait()
            return found

        monkeypatch.setattr(r.stage, "perform", held)
        await r.session.prompt("ask")
        await asked.wait()
        await r.session.add(Text(ANSWER))
        await r.session.end()
        last = r.session.snapshot.next_event - 1
        await until(lambda: r.view._sessions[r.session.id].seen == last)
        go_on.set()
        await r.settled()
        assert r.thread.from_bot[0].text.startswith("● ready")


async def test_an_answer_is_the_last_one_again_when_asking_again_was_withdrawn(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        first = await r.session.prompt("ask")
        await r.session.add(Text(ANSWER))
        await r.session.end()
        await r.settled()
        again = await r.session.queue("ask", alternative_of=first)
        await r.thread.wait_for_message("Asked again")
        await r.session.happen(e.TurnWithdrawn(again, f"discord:{r.owner.id}"))
        await patient.until(lambda: "Asked again" not in "".join(r.posts))
        await r.settled()
        assert r.posts == [ANSWER + CLOSING]


async def test_a_void_text_disappears(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        turn = await r.session.prompt("ask")
        await r.session.say("Wrong begin")
        await r.thread.wait_for_message("Wrong begin")
        r.session.open_text.clear()
        void = e.PartialText(r.session.id, 0, turn, "", GrowingKind.TEXT, 0, "", void=True)
        r.stage.bus.publish(r.session.id, [void])
        await r.session.say("Right.", key="m/9")
        await r.thread.wait_for_message("Right.")
        await r.settled()
        assert "Wrong" not in "".join(r.posts)


async def test_posts_know_their_messages(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await answer(r)
        await r.settled()
        rows = await load_posts(r.stage.db, r.session.id, r.thread.id)
        assert [row.message_id for row in rows] == [one.id for one in r.thread.from_bot]
        place = await load_place(r.stage.db, r.session.id)
        assert place is not None
        assert place.shown_event == r.session.snapshot.next_event - 1
        assert r.session.snapshot.activity is Activity.IDLE


async def test_a_queue_post_whose_answer_was_lost_goes_when_its_turn_runs(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        first = await r.session.queue("first")
        await r.session.start(first)
        await r.settled()
        lost = patient.faults.lose_answer()
        second = await r.session.queue("second")
        await patient.until(lambda: lost.hits)
        await r.session.end()
        await r.session.start(second)
        await r.settled()
        assert not [text for text in r.posts if "Queued" in text]


async def test_a_queue_post_that_was_made_in_the_moment_of_death_goes_when_its_turn_runs(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.start(await r.session.queue("first"))
        await r.settled()
        held = patient.faults.hold()
        second = await r.session.queue("second")
        await held.reached.wait()
        await r.view.__aexit__(None, None, None)  # dies between the POST and its answer
        held.release()
        await r.session.end()
        await r.session.start(second)
        async with watched(patient, r.stage) as view:
            await view.settled(r.session.id)
        assert not [text for text in r.posts if "Queued" in text]


async def test_a_queue_post_goes_at_once_when_its_turn_runs(patient: FakeDiscord, tmp_path: Path) -> None:
    patiently = replace(FAST, queue_post_after_s=1.0)
    async with room(patient, tmp_path, patiently) as r:
        await r.session.start(await r.session.queue("first"))
        await r.settled()
        second = await r.session.queue("second")
        await r.thread.wait_for_message("Queued")
        await r.session.end()
        began = asyncio.get_running_loop().time()
        await r.session.start(second)
        await r.thread.wait_for(lambda place: not [one for one in place.from_bot if "Queued" in one.text])
        assert asyncio.get_running_loop().time() - began < 1.0


def test_the_view_can_be_made_without_options() -> None:
    assert FAST.edit_interval_s < ViewOptions().edit_interval_s
    assert View.__doc__


async def test_a_card_is_a_function_and_a_line(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is posted when one of its events makes it one, follows the session, and goes when there is none."""

    def pinned(info: SessionInfo) -> Card | None:
        return Card((f"{info.title} is pinned",)) if info.pinned else None

    monkeypatch.setitem(SESSION_CARDS, "notice:pinned", SessionCard((e.PinChanged, e.TitleChanged), pinned))
    async with room(patient, tmp_path) as r:
        await r.session.happen(e.PinChanged(True))
        card = await r.thread.wait_for_message("is pinned")
        await r.session.happen(e.TitleChanged("Another", by_person=True))
        await r.thread.wait_for_message(lambda one: one.id == card.id and "Another is pinned" in one.text)
        await r.session.happen(e.PinChanged(False))
        await r.settled()
        assert card.id not in {one.id for one in r.thread.messages}

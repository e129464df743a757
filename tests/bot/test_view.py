"""The view against a fake Discord with the real discord.py: whatever fails, a post is there once and right."""

import asyncio
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import bot
from api import Command, SessionInfo
from api.access import Actor
from bot import transport
from bot.bodies import Card
from bot.cards import SESSION_CARDS, SessionCard
from bot.delivery_rows import forget_posts_elsewhere
from bot.rows import insert_place, load_place, load_posts
from bot.rows_and_core import sessions_behind
from bot.shown_session import ShownSession
from bot.view import View, ViewOptions
from sessions import events as e
from sessions.draft import Draft
from sessions.model import Activity, Allow, GrowingKind, PermissionBody, Text, ToolCall
from sessions.topics import Topic
from storage import DatabaseBusy, Statement
from tests.bot.room import FAST, Room, room, watched
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.stage import stage
from tests.fakes.discord_server import FakeDiscord, RateSettings
from tests.fakes.discord_server.fixtures import fake_discord, logged_in
from tests.sessions.kit import until

ANSWER = "Here is the answer."
CLOSING = "\n-# Done in 2.4 s · $0.03"


async def answer(r: Room, text: str = ANSWER) -> None:
    await r.session.prompt("ask")
    await r.session.add(Text(text))
    await r.session.end()


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


async def test_a_start_completes_the_answer_in_its_old_message(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("ask")
        await r.session.say("Half")
        await r.thread.wait_for_message("Half")
        await r.settled()
        begun = r.thread.last.id
        core, session = r.stage, r.session
        await r.view.__aexit__(None, None, None)
        await session.add(Text("Half and whole."))
        await session.end()
        async with watched(patient, core) as view:
            await r.thread.wait_for_message("and whole")
            await view.settled(session.id)
        assert [one.id for one in r.thread.from_bot[1:]] == [begun]
        assert r.posts == ["Half and whole." + CLOSING]


async def test_what_happened_in_between_comes_in_its_order(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await r.view.__aexit__(None, None, None)
        await answer(r, "First.")
        await r.session.happen(e.Noticed(Topic.DISK, "Only 5 MB are free."))
        await r.session.prompt("ask")
        await r.session.add(Text("Second."), ToolCall("t", "Bash", {"command": "ls"}))
        await r.session.ask(PermissionBody("Bash", "t", {"command": "ls"}))
        async with watched(patient, r.stage) as view:
            await r.thread.wait_for_message("permission")
            await view.settled(r.session.id)
        firsts = [post.split("\n")[0] for post in r.posts]
        assert firsts[0] == "First."
        assert "disk" in firsts[1]
        assert firsts[2] == "Second."
        assert "permission" in firsts[3]
        assert len(firsts) == 4


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


async def test_a_start_goes_on_once_the_database_is_free(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(patient, tmp_path) as r:
        await r.view.__aexit__(None, None, None)
        await answer(r)

        async def busy(*_: object) -> list[str]:
            monkeypatch.setattr("bot.view.sessions_behind", sessions_behind)
            raise DatabaseBusy("The database is busy.")

        monkeypatch.setattr("bot.view._AGAIN_S", 0.0)
        monkeypatch.setattr("bot.view.sessions_behind", busy)
        async with watched(patient, r.stage) as view:
            await view.settled()
            assert r.posts == [ANSWER + CLOSING]


async def test_sessions_that_cannot_be_read_keep_no_other_from_being_shown(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        await r.view.__aexit__(None, None, None)
        for _ in range(20):
            broken = await r.stage.session(r.owner.start_thread(patient.general, "Broken").id, r.owner.id)
            what = "UPDATE events SET body = '{}' WHERE session_id = ?"
            await r.stage.db.write([Statement(what, (broken.id,))])
        thread = r.owner.start_thread(patient.general, "Sound")
        await r.stage.session(thread.id, r.owner.id)
        async with watched(patient, r.stage):
            await thread.wait_for_message("● ready")


async def test_a_settled_channel_needs_no_request_after_a_start(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await answer(r)
        await r.settled()
        await r.view.__aexit__(None, None, None)
        before = len(list(patient.requests))
        async with watched(patient, r.stage) as view:
            place = await load_place(r.stage.db, r.session.id)
            assert place is not None
            await view.show(place)
            await view.settled(r.session.id)
        written = [one for one in list(patient.requests)[before:] if one.method != "GET"]
        assert written == []


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


async def test_a_view_that_lags_reads_the_store_again(patient: FakeDiscord, tmp_path: Path) -> None:
    async with room(patient, tmp_path) as r:
        await r.session.prompt("ask")
        last = r.session.snapshot.next_event - 1
        flood = [
            e.PartialText(r.session.id, last, r.session.turn or "", "m/0", GrowingKind.TEXT, n, "x")  # type: ignore[arg-type]  # a turn's id
            for n in range(2_500)
        ]
        r.session.open_text["m/0"] = "x" * 2_500
        r.stage.bus.publish(r.session.id, flood)
        await r.session.add(Text("x" * 30 + " seen"))
        await r.session.end()
        await r.settled()
        assert r.posts == ["x" * 30 + " seen" + CLOSING]


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


async def test_a_deleted_session_is_left_as_it_is_and_not_tried_again(
    patient: FakeDiscord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with room(patient, tmp_path) as r:
        await answer(r)
        await r.settled()
        shown = r.posts
        last = Draft(r.session.snapshot, 0)
        last.add(e.Noticed(Topic.OTHER, "It goes now."))
        del r.stage.sessions[r.session.id]
        await r.stage.db.write([Statement("DELETE FROM sessions")])
        r.stage.bus.publish(r.session.id, last.numbered)
        pump = r.view._pump(r.thread.id)
        async with asyncio.timeout(20):
            # The view has no event for what it takes in, nor for what it drops.
            for idle in (True, False):
                while pump.is_idle is idle:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        # The library warns of missing voice parts, once a process.
        ours = [each for each in caplog.records if not each.name.startswith("discord")]
        assert not [each for each in ours if each.levelname in ("WARNING", "ERROR")]
        assert r.posts[: len(shown)] == shown


async def test_a_place_that_is_stored_while_the_session_is_looked_for_is_shown(
    patient: FakeDiscord, tmp_path: Path
) -> None:
    async with room(patient, tmp_path) as r:
        await r.view.__aexit__(None, None, None)
        place = await r.stage.place(r.session.id)
        await r.stage.db.write([Statement("DELETE FROM places")])
        async with watched(patient, r.stage) as view:
            await r.session.prompt("ask")
            await asyncio.sleep(0)  # the new view looks for a place now, and finds none
            await r.stage.db.write([insert_place(place, 1)])
            await view.show(place)
            await r.session.add(Text(ANSWER))
            await r.thread.wait_for_message(ANSWER)


@pytest.mark.parametrize("cut", ["bot.view.load_place", "bot.session_reader.SessionReader.events"])
async def test_a_session_that_is_brought_elsewhere_while_it_is_read_back_is_shown_there_alone(
    patient: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    async with room(patient, tmp_path) as r:
        await r.view.__aexit__(None, None, None)
        await r.session.prompt("ask")
        there, read, go_on = len(r.thread.from_bot), asyncio.Event(), asyncio.Event()
        load: Callable[..., Any] = operator.attrgetter(cut.removeprefix("bot."))(bot)

        async def slow(*args: Any, **kwargs: Any) -> Any:
            found = await load(*args, **kwargs)
            read.set()
            await go_on.wait()
            return found

        monkeypatch.setattr(cut, slow)
        other = r.owner.start_thread(patient.general, "Elsewhere")
        async with watched(patient, r.stage) as view:
            await read.wait()
            place = replace(await r.stage.place(r.session.id), channel_id=other.id)
            await r.stage.db.write([insert_place(place, 1), forget_posts_elsewhere(r.session.id, other.id)])
            asked = len(patient.requests)
            await view.show(place)
            go_on.set()
            await r.session.add(Text(ANSWER))
            await r.session.end()
            await other.wait_for_message(CLOSING)
            await view.settled()
            assert len(r.thread.from_bot) == there
            # An edit that was on its way may still arrive; nothing new comes, nor does Claude type there.
            late = [one for one in patient.requests[asked:] if f"/channels/{r.thread.id}/" in one.path]
            assert not [one for one in late if one.method != "PATCH"]


def test_the_view_can_be_made_without_options() -> None:
    assert FAST.edit_interval_s < ViewOptions().edit_interval_s
    assert View.__doc__


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

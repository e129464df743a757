"""A view that starts or lags reads the store, and shows what happened meanwhile in its order."""

import asyncio
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

import bot
from bot.delivery_rows import forget_posts_elsewhere
from bot.rows import insert_place, load_place
from bot.rows_and_core import sessions_behind
from sessions import events as e
from sessions.draft import Draft
from sessions.model import GrowingKind, PermissionBody, Text, ToolCall
from sessions.topics import Topic
from storage import DatabaseBusy, Statement
from tests.bot.answered import ANSWER, CLOSING, answer
from tests.bot.room import patient as patient  # noqa: PLC0414
from tests.bot.room import room, watched
from tests.fakes.discord_server import FakeDiscord

if TYPE_CHECKING:
    from collections.abc import Callable


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
        async with asyncio.timeout(60):
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

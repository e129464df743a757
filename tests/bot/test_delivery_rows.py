"""Rows that nobody needs any more go; what waits, and what a button may still need, stays."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from api import ReadLastEvents
from bot.actors import VIEWER
from bot.bodies import Control, Verb
from bot.delivery_rows import forget_posts_elsewhere, note_tried
from bot.inbox_rows import InboxRow, InboxStatus, close_inbox_row, open_interactions, take_in
from bot.rows import (
    confirm_post,
    delete_post,
    forget_message,
    insert_control,
    insert_place,
    insert_post,
    load_control,
    load_fact,
    load_posts,
    note_shown,
    store_fact,
)
from bot.rows_and_core import forget_old_rows, sessions_behind
from bridge.schema import schema
from storage import Database
from tests.bot.stage import stage


async def test_old_rows_go_and_needed_ones_stay(tmp_path: Path) -> None:
    async with stage(tmp_path) as core:
        db = core.db
        for number, name in enumerate(("message:1", "message:2", "message:3"), 1):
            await take_in(db, InboxRow(name, "message", 1, 2, {}, 0))
            await db.write([store_fact(f"prompt:{number}", "{}")])
        await db.write([close_inbox_row("message:1", InboxStatus.DONE, 10)])
        await db.write([close_inbox_row("message:2", InboxStatus.DONE, 20)])
        session = await core.session(1, 7)
        kept, page, lost = Control(Verb.STOP, session.id), Control(Verb.PAGE, ""), Control(Verb.STOP, "deleted")
        await db.write([insert_control(each) for each in (kept, page, lost)])
        await forget_old_rows(core, db, 15)
        left = await db.read("SELECT external FROM inbox ORDER BY external")
        assert list(left) == [("message:2",), ("message:3",)]
        assert [await load_fact(db, f"prompt:{number}") for number in (1, 2, 3)] == ["", "{}", "{}"]
        assert [await load_control(db, each.key) for each in (kept, page, lost)] == [kept, page, None]


@pytest.mark.parametrize("page", [1, 2, 1000])
async def test_a_start_finds_the_sessions_with_something_that_discord_may_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("bot.rows_and_core._PAGE", page)
    async with stage(tmp_path) as core:
        shown, newer, unconfirmed = [(await core.session(n, 7)).id for n in range(3)]
        last = (await core.perform(VIEWER, ReadLastEvents(session_ids=(shown, unconfirmed)))).numbers
        await core.db.write([note_shown(shown, 0, last[shown]), note_shown(unconfirmed, 2, last[unconfirmed])])
        await insert_post(core.db, unconfirmed, 2, ("status", 0), 0)
        assert set(await sessions_behind(core, core.db)) == {newer, unconfirmed}


async def test_a_cut_interaction_is_found_behind_any_number_of_messages(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        for n in range(600):
            await take_in(db, InboxRow(f"message:{n}", "message", 1, 1, {}, n))
        for external, at_ms in (("interaction:1", 700), ("interaction:2", 900)):
            await take_in(db, InboxRow(external, "component", 1, 1, {}, at_ms))
        assert [row.external for row in await open_interactions(db, 800)] == ["interaction:1"]


async def test_a_post_that_its_session_left_behind_changes_nothing_where_that_is_now(tmp_path: Path) -> None:
    async with stage(tmp_path) as core:
        session = await core.session(1, 7)
        left = await insert_post(core.db, session.id, 1, ("status", 0), 0)
        assert left is not None
        place = replace(await core.place(session.id), channel_id=2)
        await core.db.write([insert_place(place, 1), forget_posts_elsewhere(session.id, 2)])
        now = await insert_post(core.db, session.id, 2, ("status", 0), 0)
        assert now is not None
        assert now.id == left.id
        late = [note_tried(replace(left, shown="old")), confirm_post(left, 5, "old"), delete_post(left)]
        await core.db.write([*late, forget_message(left), note_shown(session.id, 1, 10**6)])
        assert await insert_post(core.db, session.id, 1, ("status", 1), 0) is None
        assert await load_posts(core.db, session.id, 1) == []
        assert await load_posts(core.db, session.id, 2) == [now]
        assert (await core.place(session.id)).shown_event < 10**6

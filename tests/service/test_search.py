"""The search: what is found, by whom, what people may type, and that it stays right while sessions change."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from api.access import Actor, Role
from bridge.schema import schema
from service.session_list import read_page
from sessions.model import Lifecycle, SessionId, ShareLevel, Text, ToolCall, ToolOutput, TurnId
from sessions.retention_rows import delete_session
from sessions.rows import insert_block, insert_session, upsert_share
from sessions.rows.search import drop_gone, erase_gone, fill_index
from sessions.state import Snapshot
from storage import Database, Statement
from tests.sessions.running_core import ADMIN, RunningCore, running_core

ANN, BEN = Actor("ann", "test", Role.USER, ("team",)), Actor("ben", "test", Role.USER)
HOSTILE = (
    *('"', '""', "'", "*", "NEAR", "NEAR(a b)", "AND", "a OR", "NOT", "(", ")", "a AND (", '"open', "text:x"),
    *("-", "^a", "col : y", "%", "_", "\\", "\0", "{x}", "x*", "\ud800", ";DROP TABLE turns;", "?" * 500),
    *("a " * 200, "\u202e"),
)


def whole(text: str) -> str:
    """`text` as it can be stored."""
    return text.encode("utf-8", "replace").decode()


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    async with running_core(tmp_path / "core") as running:
        yield running


def session(name: str, owner: str = "ann", lifecycle: Lifecycle = Lifecycle.PARKED) -> Statement:
    found = Snapshot(SessionId(name), user_id=owner, lifecycle=lifecycle, title=f"Title of {name}")
    return insert_session(found)


def turn(name: str, of: str, prompt: str, at_ms: int = 0) -> Statement:
    return Statement(
        "INSERT INTO turns (id, session_id, number, kind, status, author_id, prompt, queued_ms)"
        " VALUES (?, ?, (SELECT count(*) + 1 FROM turns WHERE session_id = ?), 'prompt', 'done', 'ann', ?, ?)",
        (name, of, of, prompt, at_ms),
    )


async def found(core: RunningCore, text: str, actor: Actor = ADMIN) -> list[tuple[str, int | None]]:
    page = await core.do(c.Search(text=text), actor)
    return [(str(place.turn_id), place.ordinal) for place in page.places]


async def test_prompts_answers_and_tools_are_found_by_parts_of_words_in_any_script(core: RunningCore) -> None:
    await core.db.write(
        [
            session("s"),
            turn("t", "s", "Fix the Authentication of 数据库 now"),
            insert_block(TurnId("t"), 0, Text("The *token* had expired. 東京タワー 🎉")),
            insert_block(
                TurnId("t"), 1, ToolCall("1", "Bash", {"command": "npm run build", "secret": "hidden"})
            ),
            insert_block(TurnId("t"), 2, ToolOutput("1", "output of the tool")),
        ]
    )
    table: dict[str, list[tuple[str, int | None]]] = {
        "authentic": [("t", None)],
        "AUTHENTICATION fix": [("t", None)],
        "数据库": [("t", None)],
        "数据": [("t", None)],
        "东": [],
        "東京": [("t", 0)],
        "🎉": [("t", 0)],
        "token expired": [("t", 0)],
        '"token expired"': [],
        '"had expired"': [("t", 0)],
        "bash npm": [("t", 1)],
        "Ba": [("t", 1)],
        "hidden": [],
        "output of": [],
        "": [],
        "   ": [],
    }
    for text, places in table.items():
        assert await found(core, text) == places, text
    page = await core.do(c.Search(text="TOKEN"))
    (place,) = page.places
    begin, end = place.marks[0]
    assert place.excerpt[begin:end] == "token"
    assert (place.found_in, place.turn_number, place.title) == (c.FoundIn.ANSWER, 1, "Title of s")


async def test_only_sessions_that_one_may_view_are_searched_ended_ones_too(core: RunningCore) -> None:
    names = {"own": "ann", "shared": "ben", "group": "ben", "other": "ben", "gone": "ann"}
    ended = {"gone": Lifecycle.ENDED}
    for name, owner in names.items():
        kind = ended.get(name, Lifecycle.PARKED)
        await core.db.write([session(name, owner, kind), turn(f"t-{name}", name, "needle")])
    await core.db.write(
        [
            upsert_share(SessionId("shared"), "ann", ShareLevel.VIEW, "ben", 0),
            upsert_share(SessionId("group"), "team", ShareLevel.VIEW, "ben", 0),
        ]
    )
    assert {turn for turn, _ in await found(core, "needle", ANN)} == {"t-own", "t-shared", "t-group", "t-gone"}
    assert len(await found(core, "needle", BEN)) == 3
    assert len(await found(core, "needle")) == 5
    assert await found(core, "needle", Actor("eve", "test", Role.USER)) == []
    listed, _ = await read_page(core.db, ANN, c.QuerySessions(text="needle"))
    assert set(listed) == {"own", "shared", "group"}


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_that_people_type_is_an_error(core: RunningCore, text: str) -> None:
    await core.db.write([session("s"), turn("t", "s", f"before {whole(text)} after")])
    await core.do(c.Search(text=text))
    await core.do(c.QuerySessions(text=whole(text)))
    await core.do(c.Search(text=f"before {text}", cursor=text))


async def test_an_edited_prompt_is_found_by_its_new_words_only(core: RunningCore) -> None:
    await core.db.write([session("s"), turn("t", "s", "the elephant")])
    assert await found(core, "elephant") == [("t", None)]
    await core.db.write([Statement("UPDATE turns SET prompt = 'the giraffe' WHERE id = 't'")])
    assert (await found(core, "elephant"), await found(core, "giraffe")) == ([], [("t", None)])


async def test_pages_go_on_where_the_last_one_ended_while_new_turns_come(core: RunningCore) -> None:
    await core.db.write([session("s"), *(turn(f"t{number}", "s", f"needle {number}") for number in range(7))])
    seen: list[str] = []
    cursor = ""
    for step in range(4):
        page = await core.do(c.Search(text="needle", limit=2, cursor=cursor))
        seen += [place.turn_id for place in page.places]
        cursor = page.cursor
        await core.db.write([turn(f"new{step}", "s", "needle")])
    assert seen == [f"t{number}" for number in reversed(range(7))]
    assert cursor == ""


async def test_a_deleted_session_leaves_nothing_in_the_index(core: RunningCore) -> None:
    for name in ("kept", "gone"):
        texts = [insert_block(TurnId(f"t-{name}"), number, Text(f"needle {number}")) for number in range(3)]
        await core.db.write([session(name), turn(f"t-{name}", name, "needle"), *texts])
    assert len(await found(core, "needle")) == 8
    await core.db.write([delete_session(SessionId("gone"))])
    assert {turn for turn, _ in await found(core, "needle")} == {"t-kept"}
    # Its texts go soon after; until then their numbers are not used for other turns.
    await core.db.write([turn("t-next", "kept", "other")])
    assert await found(core, "needle") == [("t-kept", 2), ("t-kept", 1), ("t-kept", 0), ("t-kept", None)]
    await drop_gone(core.db)
    await erase_gone(core.db, within_s=60)
    assert await core.db.read("SELECT count(*) FROM search_gone") == [(0,)]
    assert await core.db.read("SELECT count(*) FROM search_texts") == [(5,)]
    assert await core.db.read("SELECT count(*) FROM search_turns") == [(2,)]


# As releases before the index wrote it: columns that came later are not there.
_OLD_SESSION = Statement(
    "INSERT INTO sessions (id, user_id, channel_id, status, model, created_at, updated_at, data)"
    " VALUES ('s', 'ann', '', 'parked', '', 0, 0, '{}')"
)


async def test_sessions_from_before_the_index_are_found_newest_first_and_before_them_new_ones(
    tmp_path: Path,
) -> None:
    path, before = tmp_path / "sessions.db", schema()[:16]
    async with Database.open(path, before) as db:
        turns = [turn(f"old{number}", "s", "needle", at_ms=number) for number in (3, 1, 2)]
        await db.write([_OLD_SESSION, *turns, insert_block(TurnId("old2"), 0, Text("needle too"))])
    async with Database.open(path, schema()) as db:
        # A turn that ran during the upgrade gets a further text before the index has it.
        await db.write([insert_block(TurnId("old2"), 1, Text("needle three")), turn("new", "s", "needle")])
        assert not await fill_index(db, within_s=-1)
        while not await fill_index(db, within_s=-1):
            pass
        await db.write([insert_block(TurnId("old2"), 2, Text("needle four"))])
        assert await fill_index(db, within_s=5)
        rows = await db.read(
            "SELECT turn_id, search_texts.rowid & 1048575 FROM search_texts JOIN search_turns ON number ="
            " search_texts.rowid >> 20 WHERE search_texts MATCH 'needle' ORDER BY search_texts.rowid DESC"
        )
    kept = [("old2", 3), ("old2", 2), ("old2", 1), ("old2", 0)]
    assert rows == [("new", 0), ("old3", 0), *kept, ("old1", 0)]

"""The project's own migrations: what an older file holds is still there, and what the schema itself forbids."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.backups import back_up_file, restore
from bridge.schema import schema
from sessions.model import Text, TurnId
from sessions.rows import load_blocks
from storage import ConstraintViolated, Database, DatabaseTooNew, Statement
from storage.backups import backups

SESSION = (
    "INSERT INTO sessions (id, user_id, channel_id, status, model, created_at, updated_at, data)"
    " VALUES ('s', 'u', 'c', 'parked', '', 0, 0, '{}')"
)
OLD_SESSION = (
    "INSERT INTO sessions (id, user_id, channel_id, status, model, created_at, updated_at, data,"
    " last_activity_ms) VALUES (?, 'u', 'c', 'parked', '', ?, ?, '{}', ?)"
)
TURN = (
    "INSERT INTO turns (id, session_id, number, kind, status, author_id, queued_ms)"
    " VALUES ('t', 's', 1, 'prompt', 'done', 'u', 1)"
)
AUDIT = "INSERT INTO audit (at_ms, actor, face, action, allowed) VALUES (?, 'ann', 'test', 'view', 1)"


def block(ordinal: int, text: str) -> Statement:
    body = f'{{"type":"text","text":"{text}"}}'
    return Statement(
        "INSERT INTO blocks (turn_id, ordinal, kind, body) VALUES ('t', ?, 'text', ?)", (ordinal, body)
    )


async def test_a_file_of_each_older_schema_keeps_what_it_holds(tmp_path: Path) -> None:
    for number in range(1, len(schema())):
        path = tmp_path / str(number) / "sessions.db"
        async with Database.open(path, schema()[:number]) as db:
            await db.write([Statement(SESSION), Statement(TURN), block(0, "one"), block(1, "two")])
            await db.write([Statement(AUDIT, (5,))])
        async with Database.open(path, schema()) as db:
            assert [step.number for step in db.applied] == list(range(number + 1, len(schema()) + 1))
            assert await load_blocks(db, TurnId("t")) == [Text("one"), Text("two")]
            assert await db.read("SELECT at_ms FROM audit") == [(5,)]
        assert [copy.name.rpartition(".")[2] for copy in backups(path)] == [f"v{number}"], "one for all steps"


async def test_times_of_sessions_become_exact_milliseconds_and_sessions_keep_their_rows(tmp_path: Path) -> None:
    path, before = tmp_path / "sessions.db", schema()[:3]
    rng = random.Random(4)
    times = [0, 1, 999, 1_700_000_000_000, *(rng.randrange(4_000_000_000_000) for _ in range(200))]
    async with Database.open(path, before) as db:
        for made in times:
            iso = datetime.fromtimestamp(made / 1000, UTC).isoformat(timespec="milliseconds")
            await db.write([Statement(OLD_SESSION, (str(made), iso, iso, 7))])
        await db.write(
            [Statement(OLD_SESSION, ("odd", "", "last Tuesday", 7)), Statement(SESSION), Statement(TURN)]
        )
    copy = back_up_file(path)
    for _ in ("the file", "a copy from before"):
        async with Database.open(path, schema()) as db:
            rows = await db.read("SELECT id, created_at, updated_at, typeof(created_at) FROM sessions")
            found = {name: (made, changed) for name, made, changed, _ in rows}
            assert found == {**{str(at): (at, at) for at in times}, "odd": (7, 7), "s": found["s"]}
            assert {kind for *_, kind in rows} == {"integer"}
            assert await db.read("SELECT session_id FROM turns") == [("s",)]
            await db.write([Statement("DELETE FROM sessions WHERE id = 's'")])
            assert await db.read("SELECT count(*) FROM turns") == [(0,)], "turns belong to the new table"
        with pytest.raises(DatabaseTooNew, match="newer version"):
            async with Database.open(path, before):
                pass
        restore(copy, path)


async def test_pins_stay_and_moved_sessions_are_found_in_their_new_project(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    data = {"pin": '{"pinned":true,"project":"p"}', "moved": '{"pinned":false,"project":"q"}', "odd": "{"}
    async with Database.open(path, schema()[:32]) as db:
        for name, stored in data.items():
            await db.write([Statement(OLD_SESSION, (name, 0, 0, 7))])
            change = "UPDATE sessions SET data = ?, project = 'p' WHERE id = ?"
            await db.write([Statement(change, (stored, name))])
    async with Database.open(path, schema()) as db:
        found = await db.read("SELECT id, pinned, project FROM sessions ORDER BY pinned DESC, id")
        assert found == [("pin", 1, "p"), ("moved", 0, "q"), ("odd", 0, "p")]


async def test_a_block_that_was_read_back_stands_before_another(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write([Statement(SESSION), Statement(TURN), *(block(n, f"{n}") for n in range(6))])
        await db.write([Statement("UPDATE blocks SET before = 1 WHERE ordinal IN (3, 4)")])
        await db.write([Statement("UPDATE blocks SET before = 0 WHERE ordinal = 5")])
        texts = [each.text for each in await load_blocks(db, TurnId("t")) if isinstance(each, Text)]
        assert "".join(texts) == "503412"


@pytest.mark.parametrize("change", ["DELETE FROM audit", "UPDATE audit SET actor = 'bob'"])
async def test_what_is_in_the_audit_stays(tmp_path: Path, change: str) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write([Statement(AUDIT, (5,))])
        with pytest.raises(ConstraintViolated):
            await db.write([Statement(change)])
        assert await db.read("SELECT actor FROM audit") == [("ann",)]


async def test_only_audit_rows_older_than_the_bound_can_go(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write([Statement(AUDIT, (at_ms,)) for at_ms in (1, 9, 10, 11)])
        await db.write([Statement("INSERT INTO audit_kept (one, from_ms) VALUES (1, 10)")])
        with pytest.raises(ConstraintViolated, match="as long as retention says"):
            await db.write([Statement("DELETE FROM audit")])
        await db.write([Statement("DELETE FROM audit WHERE at_ms < 10")])
        assert await db.read("SELECT at_ms FROM audit ORDER BY 1") == [(10,), (11,)]


def test_a_deleted_session_leaves_what_it_was_audited_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in schema():
            connection.executescript(step.sql)
        connection.execute(SESSION)
        connection.execute(
            AUDIT.replace("action,", "session_id, action,").replace("'view'", "'s', 'view'"), (1,)
        )
        connection.execute("DELETE FROM sessions")
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (1,)


async def test_what_the_discord_face_noted_about_a_session_goes_with_it(tmp_path: Path) -> None:
    ask = (
        "INSERT INTO asks (id, session_id, host, request_id, kind, body, status, opened_ms)"
        " VALUES ('a', 's', 1, 'r', 'question', '{}', 'open', 0)"
    )
    names = (
        "prompt:7",
        "prompt:8",
        "picked:a",
        "picked:b",
        "asides:s",
        "history:s",
        "alternative:t",
        "channel:s",
        "thread name:5",
        "thread name:6",
    )
    places = [("s", 5), ("s2", 6), ("s3", 6)]
    others = [SESSION.replace("'s'", f"'{each}'") for each in ("s2", "s3")]
    async with Database.open(tmp_path / "sessions.db", schema()) as db:
        await db.write([Statement(each) for each in (SESSION, TURN, ask, *others)])
        put = "INSERT INTO places VALUES (?, 1, ?, 'thread', 1, 0, 0)"
        await db.write([Statement(put, each) for each in places])
        await db.write([Statement("UPDATE turns SET origin = 'discord:message:7'")])
        await db.write([Statement("INSERT INTO face_facts VALUES (?, 'words')", (each,)) for each in names])
        await db.write(
            [Statement("INSERT INTO controls VALUES (?, 'stop', ?, '', '')", (each, each)) for each in "su"]
        )
        await db.write([Statement("DELETE FROM sessions WHERE id <> 's3'")])
        left = await db.read("SELECT name FROM face_facts ORDER BY name")
        assert list(left) == [("channel:s",), ("picked:b",), ("prompt:8",), ("thread name:6",)]
        assert list(await db.read("SELECT key FROM controls")) == [("u",)]

"""A session as a file: nothing is lost, and it goes on elsewhere."""

import asyncio
import errno
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import api as c
from bridge.demo.model import DemoModel
from service.exporting import build_archive
from service.quotas import Budget, check_budget
from sessions.archive import SessionArchive, write_archive
from sessions.errors import LimitReached
from sessions.model import AllowSession, Lifecycle
from sessions.session_maker import NewSession
from tests.corpus import seeds
from tests.fakes.cli_home import make_cli_home
from tests.sessions.exported import Json, changed, exported, good, refused, talk
from tests.sessions.running_core import CoreParts, idle, reached, running_core, until

__all__ = ["good"]


def without_ids(archive: SessionArchive) -> Any:
    """Return the parts that both sides share: all but ids, keys of faces, and the time of the export."""
    facts = json.loads(write_archive(archive))
    for name in ("exported_ms", "session_id", "conversation_id", "created_ms", "work_directory_name", "model"):
        facts.pop(name)
    places = {each["turn"]["id"]: each["turn"]["number"] for each in facts["turns"]}
    for each in facts["turns"]:
        turn = each["turn"]
        turn["alternative_of"] = places.get(turn["alternative_of"])
        turn["conversation_id"] = bool(turn["conversation_id"])
        for name in ("id", "session_id", "origin"):
            turn.pop(name)
    for stored in facts["asks"]:
        stored["ask"]["turn_id"] = places.get(stored["ask"]["turn_id"])
        stored["ask"].pop("id")
        stored.pop("session_id")
    facts["conversations"] = [
        [
            {name: value for name, value in json.loads(line).items() if name != "sessionId"}
            for line in kept["lines"]
        ]
        for kept in facts["conversations"]
    ]
    return facts


async def test_nothing_is_lost_on_the_way_to_another_machine_and_it_goes_on_there(tmp_path: Path) -> None:
    async with running_core(tmp_path / "here") as here:
        session_id = await talk(here)
        session = await here.manager.get_session(session_id)
        before = await build_archive(session)
        data = await exported(here, session_id)
        conversation = session.snapshot.conversation_id
    async with running_core(tmp_path / "there") as there:
        info = await there.do(c.ImportSession(channel_id="d", data=data))
        assert info.lifecycle is Lifecycle.PARKED
        assert (info.title, info.message_count) == (before.title, 3)
        assert info.cost_usd == pytest.approx(before.cost_usd)
        copy = await there.manager.get_session(info.id)
        assert without_ids(await build_archive(copy)) == without_ids(before)

        await there.ask(copy, "demo:text three")
        assert copy.snapshot.conversation_id != conversation
        page = await there.do(c.ReadTurns(session_id=info.id))
        assert [view.turn.number for view in page.turns] == [4, 3, 2, 1]
        transcript = next((there.claude / "projects").glob(f"*/{copy.snapshot.conversation_id}.jsonl"))
        said = [row["message"]["content"] for row in map(json.loads, transcript.read_text().splitlines())
                if row["type"] == "user"]  # fmt: skip
        assert said[0] == "demo:text one"
        assert said[-1] == "demo:text three"


async def test_a_file_can_be_imported_again_and_beside_its_source(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        session_id = await talk(core)
        data = await exported(core, session_id)
        ids = {(await core.do(c.ImportSession(channel_id="d", data=data))).id for _ in range(2)}
        assert len({*ids, session_id}) == 3
        pages = [await core.do(c.ReadTurns(session_id=each)) for each in (*ids, session_id)]
        assert [len(page.turns) for page in pages] == [3, 3, 3]
        for each in ids:
            await core.ask(await core.manager.get_session(each), "demo:text on its own way")


async def test_an_imported_session_can_be_branched_from_an_old_turn(tmp_path: Path) -> None:
    async with running_core(tmp_path / "here") as here:
        data = await exported(here, await talk(here))
    async with running_core(tmp_path / "there") as there:
        info = await there.do(c.ImportSession(channel_id="d", data=data))
        page = await there.do(c.ReadTurns(session_id=info.id))
        second = page.turns[1].turn
        branch = await there.do(c.Branch(session_id=info.id, channel_id="b", turn_id=second.id))
        session = await there.manager.get_session(branch.id)
        await there.ask(session, "demo:text leaf")
        found = (there.claude / "projects").glob(f"*/{session.snapshot.conversation_id}.jsonl")
        transcript = next(found).read_text()
        assert "demo:text one" in transcript
        assert "demo:text two" not in transcript


async def test_an_imported_session_can_be_asked_again_and_branched_from(tmp_path: Path) -> None:
    async with running_core(tmp_path / "here") as here:
        data = await exported(here, await talk(here))
    async with running_core(tmp_path / "there") as there:
        info = await there.do(c.ImportSession(channel_id="d", data=data))
        copy = await there.manager.get_session(info.id)
        await there.do(c.Regenerate(session_id=copy.id, origin="again here"))
        asked = await reached(copy, lambda snapshot: bool(snapshot.asks))
        await there.do(c.AnswerAsk(session_id=copy.id, ask_id=asked.asks[0].id, decision=AllowSession()))
        await idle(copy)
        branch = await there.do(c.Branch(session_id=copy.id, channel_id="b"))
        turn_id = await there.ask(await there.manager.get_session(branch.id), "demo:text leaf")
        assert await there.status(turn_id) == "done"


async def test_turns_that_come_in_with_a_file_use_up_nobodys_budget(tmp_path: Path) -> None:
    async with running_core(tmp_path / "here") as here:
        data = await exported(here, await talk(here))
        with pytest.raises(LimitReached):
            await check_budget(here.db, Budget(turns_per_hour=1), "ann", now_ms())
        with pytest.raises(LimitReached):
            await check_budget(here.db, Budget(dollars_per_day=0.001), "ann", now_ms())
    async with running_core(tmp_path / "there") as there:
        await there.do(c.ImportSession(channel_id="d", data=data))
        assert await check_budget(there.db, Budget(1, 0.001), "ann", now_ms()) == ""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.real_cli
async def test_the_real_cli_goes_on_from_an_imported_file(tmp_path: Path) -> None:
    async with DemoModel() as demo:
        here, there = (make_cli_home(tmp_path / name, demo.base_url) for name in ("a", "b"))
        parts = CoreParts(command=here.binary, claude=here.config, environment=here.environment)
        async with running_core(tmp_path / "here", parts) as core:
            session = await core.session()
            await core.ask(session, "demo:text the word is xylophone")
            data = await exported(core, session.id)
        parts = CoreParts(command=there.binary, claude=there.config, environment=there.environment)
        async with running_core(tmp_path / "there", parts) as core:
            info = await core.do(c.ImportSession(channel_id="d", data=data))
            copy = await core.manager.get_session(info.id)
            assert await core.status(await core.ask(copy, "demo:text and on")) == "done"
            transcript = next((there.config / "projects").glob(f"*/{copy.snapshot.conversation_id}.jsonl"))
            assert "xylophone" in transcript.read_text()
            assert "and on" in transcript.read_text()


SECOND = "11111111-1111-4111-8111-111111111112"


async def test_files_that_came_with_prompts_are_said_to_be_missing(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        info = await core.do(c.ImportSession(channel_id="d", data=seeds.archive()))
        session = await core.manager.get_session(info.id)
        assert await core.notices(session) == ["files_not_imported"]
        again = await exported(core, info.id)
        info = await core.do(c.ImportSession(channel_id="d", data=again))
        assert await core.notices(await core.manager.get_session(info.id)) == []


async def test_a_turn_that_had_not_ended_is_left_out_with_what_refers_to_it(
    good: bytes, tmp_path: Path
) -> None:
    def running(body: Json) -> None:
        first, second = body["turns"][0]["turn"], body["turns"][1]["turn"]
        first["status"] = "running"
        second["alternative_of"] = body["asks"][0]["ask"]["turn_id"] = first["id"]

    async with running_core(tmp_path) as core:
        info = await core.do(c.ImportSession(channel_id="d", data=changed(good, running)))
        archive = await build_archive(await core.manager.get_session(info.id))
        assert len(archive.turns) == 2
        assert (archive.turns[0].turn.alternative_of, archive.asks[0].ask.turn_id) == (None, None)


async def test_an_import_that_the_disk_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    """The second of two transcripts cannot be written; the first one goes again."""

    def two(body: Json) -> None:
        body["conversations"].append({**body["conversations"][0], "conversation_id": SECOND})

    async with running_core(tmp_path) as core:
        write_copy = core.manager._around.conversations.write_copy
        written: list[str] = []

        def full(conversation_id: str, lines: Iterable[str], files: Mapping[str, bytes] | None = None) -> None:
            if written:
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(conversation_id)
            write_copy(conversation_id, lines)

        core.manager._around.conversations.write_copy = full  # type: ignore[method-assign]  # a disk with room for one
        assert "No space left" in await refused(core, changed(seeds.archive(), two))
        assert written


async def test_an_import_that_is_cancelled_while_it_is_stored_keeps_its_transcript(
    good: bytes, tmp_path: Path
) -> None:
    async with running_core(tmp_path) as core:
        with closing(sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            importing = asyncio.create_task(core.manager.maker.from_archive(good, NewSession("ann", "d")))
            await until(lambda: any(each.busy for each in core.manager.loaded()))
            importing.cancel()
            await asyncio.sleep(0)
            other.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await importing
        (session,) = core.manager.loaded()
        assert (core.copies / f"{session.snapshot.conversation_id}.jsonl").exists()

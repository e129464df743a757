"""A session as a file: nothing is lost, it goes on elsewhere; a damaged or hostile file changes nothing."""

import asyncio
import errno
import json
import sqlite3
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import api as c
from bridge.demo.model import DemoModel
from service.exporting import build_archive
from service.quotas import Budget, check_budget
from sessions.archive import MAX_ARCHIVE_BYTES, SessionArchive, read_archive, write_archive
from sessions.archive_trial import HARMLESS_BYTES
from sessions.errors import ImportRefused, LimitReached, WorkDirectoryRefused
from sessions.model import AllowSession, ExportFormat, Lifecycle, ToolCall
from sessions.session_maker import NewSession
from tests.corpus import seeds
from tests.fakes.cli_home import make_cli_home
from tests.sessions.running_core import ADMIN, CoreParts, RunningCore, idle, reached, running_core, until

Json = dict[str, Any]


async def exported(core: RunningCore, session_id: str) -> bytes:
    file = await core.do(c.ExportSession(session_id=session_id, format=ExportFormat.JSON))
    assert isinstance(file, c.ExportedFile)
    return file.data


async def talk(core: RunningCore) -> str:
    """A session with two prompts, one of them asked again, a tool that was allowed, and costs."""
    session = await core.session()
    await core.ask(session, "demo:text one")
    await core.do(c.Regenerate(session_id=session.id, origin="again"))
    await idle(session)
    await core.say(session, "demo:bash touch made demo:text two")
    asked = await reached(session, lambda snapshot: bool(snapshot.asks))
    await core.do(c.AnswerAsk(session_id=session.id, ask_id=asked.asks[0].id, decision=AllowSession()))
    await idle(session)
    return session.id


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


# --- hostile and damaged files --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole, good file with turns, blocks, asks and a transcript."""
    import asyncio

    async def make() -> bytes:
        async with running_core(tmp_path_factory.mktemp("good") / "core") as core:
            return await exported(core, await talk(core))

    return asyncio.run(make())


def changed(good: bytes, change: Callable[[Json], object]) -> bytes:
    body = json.loads(good)
    change(body)
    return json.dumps(body).encode()


SECOND = "11111111-1111-4111-8111-111111111112"
UP = "../../../../tmp/evil"
HOSTILE: dict[str, Callable[[Json], object]] = {
    "a session id with slashes": lambda body: body.update(session_id=UP),
    "a conversation id with slashes": lambda body: body.update(conversation_id=UP),
    "a transcript's id with slashes": lambda body: body["conversations"][0].update(conversation_id=UP),
    "a turn id with slashes": lambda body: body["turns"][0]["turn"].update(id=UP),
    "an upper-case id": lambda body: body.update(session_id=body["session_id"].upper() + "A"),
    "an id with a line end": lambda body: body.update(session_id=body["session_id"] + "\n"),
    "an argument in a turn's uuid": lambda body: body["turns"][0]["turn"].update(last_uuid="--settings={}"),
    "an argument in the last prompt's uuid": lambda body: body.update(last_prompt_uuid="--settings={}"),
    "a turn's conversation with slashes": lambda body: body["turns"][0]["turn"].update(conversation_id=UP),
    "a transcript twice": lambda body: body["conversations"].append(body["conversations"][0]),
    "another format": lambda body: body.update(format="something"),
    "a version to come": lambda body: body.update(version=2),
    "a version of the wrong type": lambda body: body.update(version="1"),
    "no turns": lambda body: body.pop("turns"),
    "turns out of order": lambda body: body["turns"].reverse(),
    "a number twice": lambda body: body["turns"].append(body["turns"][-1]),
    "a negative number": lambda body: body["turns"][0]["turn"].update(number=-1),
    "a number beyond SQLite": lambda body: body["turns"][-1]["turn"].update(number=2**63),
    "a time beyond SQLite": lambda body: body["turns"][-1]["turn"].update(queued_ms=2**63),
    "tokens beyond SQLite": lambda body: body["turns"][0]["turn"]["usage"].update(input_tokens=10**30),
    "an id twice": lambda body: body["turns"][1]["turn"].update(id=body["turns"][0]["turn"]["id"]),
    "an alternative of a turn that is not there": lambda body: body["turns"][1]["turn"].update(
        alternative_of="33333333-3333-4333-8333-00000000dead"
    ),
    "an ask in a turn that is not there": lambda body: body["asks"][0]["ask"].update(
        turn_id="33333333-3333-4333-8333-00000000dead"
    ),
    "an ask twice": lambda body: body["asks"].append(body["asks"][0]),
    "an unknown kind of block": lambda body: body["turns"][0]["blocks"].append({"type": "evil"}),
    "an unknown status": lambda body: body["turns"][0]["turn"].update(status="evil"),
    "a transcript line that is none": lambda body: body["conversations"][0]["lines"].append("no JSON"),
    "a transcript line that is a list": lambda body: body["conversations"][0]["lines"].append("[]"),
    "a line end within a transcript line": lambda body: body["conversations"][0]["lines"].append(
        '{}\n{"a":1}x'
    ),
    "a deep transcript line": lambda body: body["conversations"][0]["lines"].append("[" * 100_000),
    "a cost that is no number": lambda body: body["turns"][0]["turn"].update(cost_usd="NaN"),
    "a huge cost": lambda body: body["turns"][0]["turn"].update(cost_usd=-5.0),
}


async def everything(core: RunningCore) -> object:
    """All rows but the audit, and all files, so that a change shows."""
    tables = ("sessions", "turns", "blocks", "asks", "events", "hosts", "inputs")
    counts = [await core.db.read_one(f"SELECT count(*) FROM {table}") for table in tables]
    files = sorted(
        str(path) for path in core.directory.rglob("*") if path.is_file() and "sessions.db" not in path.name
    )
    return [tuple(row) for row in counts if row], files


async def refused(core: RunningCore, data: bytes) -> str:
    """Import `data`, which must be refused with a sentence and change nothing; the sentence."""
    before = await everything(core)
    with pytest.raises(ImportRefused) as caught:
        await core.do(c.ImportSession(channel_id="d", data=data))
    assert await everything(core) == before
    assert str(caught.value).endswith(".")
    assert str(core.directory) not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_is_refused_with_a_sentence_and_changes_nothing(
    name: str, good: bytes, tmp_path: Path
) -> None:
    async with running_core(tmp_path) as core:
        await core.session()
        await refused(core, changed(good, HOSTILE[name]))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 200_000, b'{"format":' * 1000],
    ids=["empty", "object", "list", "null", "not UTF-8", "deep", "deep objects"],
)  # fmt: skip
async def test_what_is_no_export_is_refused(data: bytes, tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await refused(core, data)


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


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(ImportRefused, match="larger than"):
        read_archive(bytes(MAX_ARCHIVE_BYTES + 1))


async def test_a_project_outside_the_workspace_is_refused_and_changes_nothing(
    good: bytes, tmp_path: Path
) -> None:
    async with running_core(tmp_path) as core:
        (tmp_path / "workspaces").mkdir(exist_ok=True)
        before = await everything(core)
        with pytest.raises(WorkDirectoryRefused):
            await core.do(c.ImportSession(channel_id="d", data=good, project="../config"))
        assert await everything(core) == before


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), length=st.integers(0, 40), put=st.binary(max_size=40))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    good: bytes, where: float, length: int, put: bytes
) -> None:
    at = int(where * len(good))
    damaged = good[:at] + put + good[at + length :]
    try:
        archive = read_archive(damaged)
    except ImportRefused:
        return
    assert all("/" not in each.conversation_id for each in archive.conversations)
    assert "/" not in archive.session_id


async def test_a_file_that_is_read_although_it_was_changed_is_imported_or_refused(
    good: bytes, tmp_path: Path
) -> None:
    """A mutant of the JSON values becomes a session, or a sentence and no change."""
    async with running_core(tmp_path) as core:
        before = await everything(core)
        for mutant in mutants(json.loads(good)):
            try:
                info = await core.service.perform(ADMIN, c.ImportSession(channel_id="d", data=mutant))
            except ImportRefused:
                assert await everything(core) == before
            else:
                await core.do(c.ReadTurns(session_id=info.id))
                await core.do(c.ExportSession(session_id=info.id, format=ExportFormat.HTML))
                before = await everything(core)


def mutants(body: Json) -> list[bytes]:
    """The file with one of its values exchanged at a time, each place by each of some values."""
    values: list[Any] = [None, "", "x" * 300, -1, 2**64, 1.5, [], {}, True, "\ud83d", "\0"]
    found: list[bytes] = []

    def walk(value: Any, put: Callable[[Any], None]) -> None:
        for other in values:
            put(other)
            found.append(json.dumps(body).encode())
        put(value)
        children = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value[:1] if isinstance(value, list) else ())
        )
        for key, child in list(children):
            walk(child, lambda other, key=key: value.__setitem__(key, other))  # type: ignore[misc]  # bound now

    for key, child in list(body.items()):
        walk(child, lambda other, key=key: body.__setitem__(key, other))  # type: ignore[misc]  # bound now
    return found


def test_the_good_file_is_good(good: bytes) -> None:
    archive = read_archive(good)
    assert write_archive(archive) == good
    assert len(archive.asks) == 1
    assert any(isinstance(block, ToolCall) for each in archive.turns for block in each.blocks)


def _tiny_lines(body: Json) -> None:
    body["conversations"][0]["lines"] = ["{}"] * 500_000


def _tiny_lists(body: Json) -> None:
    blocks = [block for turn in body["turns"] for block in turn["blocks"]]
    call = next(block for block in blocks if block["type"] == "tool_call")
    call["input"] = {"a": [[]] * 3_000_000}


@pytest.mark.parametrize("change", [_tiny_lines, _tiny_lists])
async def test_a_file_of_tiny_parts_is_refused_before_it_costs_many_times_its_size(
    change: Callable[[Json], None], tmp_path: Path
) -> None:
    data = changed(seeds.archive(), change)
    assert len(data) > HARMLESS_BYTES
    async with running_core(tmp_path) as core:
        tracemalloc.start()
        try:
            assert "far more parts" in await refused(core, data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 3 * len(data)


async def test_a_large_file_is_read_or_refused_as_a_small_one_is(tmp_path: Path) -> None:
    def many(body: Json) -> None:
        lines = body["conversations"][0]["lines"]
        body["conversations"][0]["lines"] = lines * (2 * HARMLESS_BYTES // len(str(lines)) + 1)

    data = changed(seeds.archive(), many)
    assert len(data) > HARMLESS_BYTES
    async with running_core(tmp_path) as core:
        assert await refused(core, data + b"x") == await refused(core, seeds.archive() + b"x")
        await core.do(c.ImportSession(channel_id="d", data=data))

"""A damaged, hostile or very large file is read or refused, and changes nothing."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import api as c
from sessions.archive import MAX_ARCHIVE_BYTES, read_archive, write_archive
from sessions.archive_trial import HARMLESS_BYTES
from sessions.errors import ImportRefused, WorkDirectoryRefused
from sessions.model import ExportFormat, ToolCall
from tests.corpus import seeds
from tests.sessions.exported import Json, changed, everything, good, refused
from tests.sessions.running_core import ADMIN, running_core

__all__ = ["good"]
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

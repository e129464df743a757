"""Faults 8 and 12: logs that are cut or deleted, and rubbish in them."""

import asyncio
import json
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backends.base import LogCut
from backends.directory import HostDirectory
from backends.log_watch import LogWatch
from backends.output_log import read_lines
from sessions.model import TurnStatus
from tests.chaos.people import Crowd
from tests.chaos.test_hosts import GATED, at_gate, notices, open_gate, until
from tests.chaos.test_kills import SEED
from tests.chaos.world import World, world

TAIL_BYTES = 64 * 1024
NOISE = 100_000


# --- 8: cut and deleted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [211, pytest.param(1, marks=pytest.mark.soak)])
async def test_a_log_cut_at_any_byte_yields_its_whole_lines_or_says_that_it_is_cut(
    tmp_path: Path, step: int
) -> None:
    rng = random.Random(SEED)
    lines: list[bytes] = []
    while sum(map(len, lines)) < TAIL_BYTES:
        lines.append(b'{"type":"x","pad":"' + b"y" * rng.randint(0, 3000) + b'"}\n')
    whole = b"".join(lines)
    offset = len(lines[0])
    path = tmp_path / "output.ndjson"
    watch = LogWatch()
    try:
        for size in range(0, len(whole) + 1, step):
            path.write_bytes(whole[:size])
            expected = whole[offset:size].split(b"\n")[:-1] if size >= offset else None
            assert await _read(watch, path, offset) == expected, size
    finally:
        watch.close()


async def _read(watch: LogWatch, path: Path, offset: int) -> list[bytes] | None:
    """Every whole line from `offset` on; None if the log is said to be cut."""
    loop = asyncio.get_running_loop()
    found = []
    try:
        async for batch in read_lines(watch, path, offset, lambda ended: loop.call_soon(ended).cancel):
            found += [line.data for line in batch]
    except LogCut:
        return None
    return found


def cut(log: Path, applied: int) -> None:
    os.truncate(log, applied // 2)


def cut_in_a_line(log: Path, applied: int) -> None:
    os.truncate(log, applied - 5)


def emptied(log: Path, applied: int) -> None:
    os.truncate(log, 0)


def deleted(log: Path, applied: int) -> None:
    log.unlink()


def applied_of(world: World, session_id: str) -> int:
    """How many bytes of the first host's log the database has."""
    with closing(sqlite3.connect(f"file:{world.data / 'sessions.db'}?mode=ro", uri=True)) as connection:
        place = (session_id,)
        return int(connection.execute("SELECT applied FROM hosts WHERE session_id = ?", place).fetchone()[0])


@pytest.mark.parametrize("damage", [cut, cut_in_a_line, emptied, deleted])
async def test_a_session_goes_on_and_says_so_when_its_log_was_damaged(
    tmp_path: Path, damage: Callable[[Path, int], None]
) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 2, most=2)
        for person in crowd.people:
            person.choose = iter((GATED.format(gate=person.name), "demo:text next")).__next__
        victim, neighbour = crowd.people
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await at_gate(made, person.name)
            await until(lambda: len(made.living()) == 2)
            await made.kill_bot()
            host = HostDirectory(made.run, victim.session_id, 1)
            damage(host.output_log, applied_of(made, victim.session_id))
            open_gate(made, neighbour.name)
            open_gate(made, victim.name)
            await made.start_bot()
        assert list(neighbour.ended.values()) == [TurnStatus.DONE] * 2
        assert list(victim.ended.values())[-1:] == [TurnStatus.DONE]
        assert any("damaged" in each for each in notices(made)), made.sentences()
        await made.stop_bot()
        found = await made.violations(at_rest=False)
        assert [each for each in found if each.session_id == neighbour.session_id] == []


# --- 12: rubbish --------------------------------------------------------------------------------------------


def rubbish(rng: random.Random, count: int) -> Iterator[bytes]:
    """Lines that are no lines, each with its newline."""
    real = json.dumps(
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "x" * 40}]}}
    ).encode()
    kinds = (
        lambda: rng.randbytes(rng.randint(0, 80)).replace(b"\n", b" "),
        lambda: real[: rng.randint(0, len(real) - 1)],
        lambda: b"\0" * rng.randint(1, 50),
        lambda: b'{"type":"system","subtype":"' + "é".encode()[:1] + b'"}',
        lambda: b'{"type":' + str(rng.randint(-9, 9)).encode() + b"}",
        lambda: (
            b'{"type":"user","message":{"content":'
            + rng.choice((b"null", b"7", b"{}", b'[{"type":7}]'))
            + b"}}"
        ),
        lambda: b'{"type":"control_request","request":[]}',
        lambda: b'{"type":"stream_event","event":{"type":"content_block_delta","index":"x","delta":{}}}',
    )
    for _ in range(count):
        yield rng.choice(kinds)() + b"\n"
    yield b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n"
    yield b"[" * 5000 + b"\n"
    yield b'{"type":"assistant","x":"' + b"z" * 10_000_000 + b'"}\n'


async def flood(world: World, host: HostDirectory, rng: random.Random, count: int) -> None:
    """Append rubbish where Claude appends its lines."""
    descriptor = os.open(host.output_log, os.O_WRONLY | os.O_APPEND)
    try:
        chunk = b""
        for line in rubbish(rng, count):
            chunk += line
            if len(chunk) > 1 << 16:
                os.write(descriptor, chunk)
                chunk = b""
        os.write(descriptor, chunk)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("count", [4_000, pytest.param(NOISE, marks=pytest.mark.soak)])
async def test_rubbish_in_a_log_hurts_neither_its_neighbours_in_it_nor_other_sessions(
    tmp_path: Path, count: int
) -> None:
    async with world(tmp_path / "w") as made:
        crowd = Crowd(made, SEED, 2, most=2)
        for person in crowd.people:
            person.choose = iter((GATED.format(gate=person.name), "demo:text next")).__next__
        victim = crowd.people[0]
        async with crowd.busy():
            await made.start_bot()
            for person in crowd.people:
                await at_gate(made, person.name)
            await until(lambda: len(made.living()) == 2)
            await flood(made, HostDirectory(made.run, victim.session_id, 1), random.Random(SEED), count)
            for person in crowd.people:
                open_gate(made, person.name)
        for person in crowd.people:
            assert list(person.ended.values()) == [TurnStatus.DONE] * 2
        await crowd.park_all()
        await made.cleared_away()
        await made.stop_bot()
        assert "Traceback" not in made.log()
        assert made.log().count("\n") < 1000, "the log of the bot is not a copy of the rubbish"
        found = await made.violations()
        assert found == [], "\n".join(map(str, found))

"""Lines to Claude of which the disk took only a part: they are whole in the end."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.base import InputLine, InputNotWritten
from sessions import rows
from tests.fakes.fake_backend import FakeHost, FakeProcess
from tests.sessions.kit import House, idle, send, statuses, until


class FullDisk:
    """Takes half of a line with `part` in it to host `number`, and nothing more of any until it has room."""

    def __init__(self, part: bytes, number: int) -> None:
        self._part = part
        self._number = number
        self.refused = asyncio.Event()
        self.has_room = False

    def refuse(self, process: FakeProcess, line: InputLine) -> None:
        if self.has_room or process.spec.number != self._number:
            return
        if not self.refused.is_set():
            if self._part not in line.data:
                return
            process.input += line.data[: len(line.data) // 2]
            self.refused.set()
        raise InputNotWritten(Path("input.ndjson"), reason="No space left on device")


Fill = Callable[[bytes, int], FullDisk]


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Make the disk full for one line."""
    send_all = FakeHost.send

    def plant(part: bytes, number: int) -> FullDisk:
        disk = FullDisk(part, number)

        async def send_some(self: FakeHost, line: InputLine) -> None:
            disk.refuse(self.process, line)
            await send_all(self, line)

        monkeypatch.setattr(FakeHost, "send", send_some)
        return disk

    return plant


def assert_whole(here: House) -> None:
    """Every line of every input log is one."""
    for process in here.machine.hosts.values():
        assert process.input.endswith(b"\n")
        assert all(json.loads(line) for line in process.input.splitlines())


async def test_a_line_that_the_disk_refused_is_written_once_it_takes_it(here: House, fill: Fill) -> None:
    session = await here.session()
    disk = fill(b"hello", 1)
    await send(session, "hello")
    await disk.refused.wait()
    disk.has_room = True
    await idle(session)
    assert await statuses(here, session) == [("hello", "done")]
    assert_whole(here)


async def test_a_line_counts_as_arrived_only_when_all_of_it_is_in_the_log(here: House, fill: Fill) -> None:
    """A process that goes on with a cut turn names that prompt by itself, without our line for it."""
    session = await here.session()
    await send(session, "gate x")
    await session.until(lambda snapshot: snapshot.running is not None)
    disk = fill(b"gate x", 2)
    (first,) = here.machine.living()
    first.end(-9)
    await disk.refused.wait()
    (second,) = here.machine.living()
    here.claude.open_gate("x")
    await until(lambda: session.run is not None and session.run.log_bytes == len(second.output))
    assert second.output.count(b'"type": "result"') == 1

    disk.has_room = True
    await here.restart()
    session = await here.again(session)
    await send(session, "two")
    await idle(session)
    assert await statuses(here, session) == [("gate x", "done"), ("two", "done")]
    assert_whole(here)


async def test_a_start_reads_what_is_on_its_way_and_the_last_line_of_each_host(here: House) -> None:
    first, second = await here.session("a"), await here.session("b")
    lines = [InputLine(0, b"1\n"), InputLine(2, b"2\n"), InputLine(4, b"3\n")]
    for session in (first, second):
        await here.db.write([rows.insert_host(session.id, number, 0) for number in (1, 2)])
        stored = [rows.insert_input(session.id, 1, number, each, "t") for number, each in enumerate(lines, 1)]
        await here.db.write([*stored, rows.acknowledge_input(session.id, 1, 1)])
    await here.db.write([rows.acknowledge_input(first.id, 1, 3)])

    found = await rows.load_inputs(here.db, [(first.id, 1), (second.id, 1), (second.id, 2)])
    assert {
        place: [(each.number, each.acknowledged) for each in inputs] for place, inputs in found.items()
    } == {
        (first.id, 1): [(2, False), (3, True)],
        (second.id, 1): [(2, False), (3, False)],
    }

"""The fake host keeps the parts of the port's contract that only a real log could break by itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.base import InputLine, LaunchSpec, LogCut
from tests.fakes.fake_backend import FakeBackend, FakeHost, FakeMachine, FakeProcess


@pytest.mark.parametrize(("offset", "lines"), [(0, 2), (4, 1), (8, 0)])
async def test_reading_goes_on_from_where_a_line_ends(offset: int, lines: int) -> None:
    batches = [batch async for batch in _host().lines(offset)]
    assert sum(map(len, batches)) == lines


@pytest.mark.parametrize("offset", [1, 3, 5, 9])
async def test_an_offset_where_no_line_ends_is_a_cut_log(offset: int) -> None:
    with pytest.raises(LogCut):
        async for _ in _host().lines(offset):
            pass


class _Echo:
    """A program that prints what it reads."""

    def __init__(self, spec: LaunchSpec, write: Callable[[bytes], None], leave: Callable[[int], None]) -> None:
        self._write = write

    def take(self, line: bytes) -> None:
        self._write(line + b"\n")

    def ended(self) -> None:
        return


async def _frozen(backend: FakeBackend) -> FakeHost:
    host = await backend.launch(LaunchSpec("s", 1, Path("x"), ("echo",), Path("x"), {}))
    await _send(host, b"one")
    assert await _first(host, 1) == [b"one"]
    assert await host.freeze(lambda: True)
    return host


async def _send(host: FakeHost, text: bytes) -> None:
    await host.send(InputLine(host.input_size(), text + b"\n"))


async def _first(host: FakeHost, count: int) -> list[bytes]:
    found: list[bytes] = []
    async for batch in host.lines(0):
        found += [line.data for line in batch]
        if len(found) >= count:
            break
    return found


@pytest.mark.parametrize("way", ["send", "feed", "thaw"])
async def test_a_frozen_program_reads_nothing_until_it_is_thawed(way: str) -> None:
    backend = FakeBackend(FakeMachine(_Echo))
    host = await _frozen(backend)
    host.process.input += b"two\n"
    host.process.feed_soon()
    await asyncio.sleep(0)
    assert bytes(host.process.output) == b"one\n"
    again = await backend.attach(host.ref)
    match way:
        case "send":
            await _send(again, b"three")
            assert await _first(again, 3) == [b"one", b"two", b"three"]
        case "feed":
            await again.feed_from(4)
            assert await _first(again, 2) == [b"one", b"two"]
        case _:
            again.thaw()
            assert await _first(again, 2) == [b"one", b"two"]


async def test_a_program_that_got_something_to_do_meanwhile_is_not_frozen() -> None:
    host = await _frozen(FakeBackend(FakeMachine(_Echo)))
    host.thaw()
    assert not await host.freeze(lambda: False)
    assert not host.process.frozen


async def test_a_frozen_program_ends_and_cannot_be_frozen_again() -> None:
    host = await _frozen(FakeBackend(FakeMachine(_Echo)))
    await host.kill(1)
    assert (await host.wait()).code == 143
    assert not await host.freeze(lambda: True)


def _host() -> FakeHost:
    process = FakeProcess(LaunchSpec("s", 1, Path("x"), ("cat",), Path("x"), {}))
    process.print(b"one\ntwo\n")
    process.end(0)
    return FakeHost(process)

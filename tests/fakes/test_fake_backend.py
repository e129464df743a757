"""The fake host keeps the parts of the port's contract that only a real log could break by itself."""

from pathlib import Path

import pytest

from backends.base import LaunchSpec, LogCut
from tests.fakes.fake_backend import FakeHost, FakeProcess


@pytest.mark.parametrize(("offset", "lines"), [(0, 2), (4, 1), (8, 0)])
async def test_reading_goes_on_from_where_a_line_ends(offset: int, lines: int) -> None:
    batches = [batch async for batch in _host().lines(offset)]
    assert sum(map(len, batches)) == lines


@pytest.mark.parametrize("offset", [1, 3, 5, 9])
async def test_an_offset_where_no_line_ends_is_a_cut_log(offset: int) -> None:
    with pytest.raises(LogCut):
        async for _ in _host().lines(offset):
            pass


def _host() -> FakeHost:
    process = FakeProcess(LaunchSpec("s", 1, Path("x"), ("cat",), Path("x"), {}))
    process.print(b"one\ntwo\n")
    process.end(0)
    return FakeHost(process)

"""The input log: what stands there is never written again, and a full disk is said."""

import resource
from pathlib import Path

import pytest

from backends.base import InputLine, InputNotWritten, LogCut
from backends.input_log import append_missing

LINE = b'{"text":"caf\xc3\xa9"}\n'


@pytest.mark.parametrize("standing", range(len(LINE) + 1))
def test_exactly_the_missing_bytes_are_appended(tmp_path: Path, standing: int) -> None:
    log = tmp_path / "input.ndjson"
    log.write_bytes(b"before\n" + LINE[:standing])
    for _ in range(2):
        append_missing(log, InputLine(7, LINE))
        assert log.read_bytes() == b"before\n" + LINE


def test_an_older_line_is_left_alone_when_later_ones_stand_behind_it(tmp_path: Path) -> None:
    log = tmp_path / "input.ndjson"
    log.write_bytes(b"one\ntwo\n")
    append_missing(log, InputLine(0, b"one\n"))
    assert log.read_bytes() == b"one\ntwo\n"


def test_a_gap_is_never_made(tmp_path: Path) -> None:
    log = tmp_path / "input.ndjson"
    with pytest.raises(LogCut):
        append_missing(log, InputLine(0, LINE))
    log.write_bytes(b"one\n")
    with pytest.raises(LogCut) as cut:
        append_missing(log, InputLine(5, LINE))
    assert (cut.value.expected, cut.value.actual) == (5, 4)
    assert log.read_bytes() == b"one\n"


def test_a_full_disk_is_said_and_the_same_line_can_be_sent_again() -> None:
    with pytest.raises(InputNotWritten, match="No space left"):
        append_missing(Path("/dev/full"), InputLine(0, LINE))


def test_a_log_that_cannot_be_opened_now_is_no_end_of_it(tmp_path: Path) -> None:
    log = tmp_path / "input.ndjson"
    log.touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(InputNotWritten, match="Too many open files"):
            append_missing(log, InputLine(0, LINE))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    append_missing(log, InputLine(0, LINE))
    assert log.read_bytes() == LINE

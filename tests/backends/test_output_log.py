"""The output log: any chunking gives the same lines, and silence costs nothing."""

import asyncio
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from asyncinotify import Inotify, Mask, Watch
from hypothesis import given
from hypothesis import strategies as st

from backends.base import OutputLine
from backends.log_watch import LogWatch
from backends.output_log import LineSplitter, read_lines

CHUNKS = st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from([b"\n", b"\r\n", b"\xe2\x80\xa8", b"a\nb"]))
)


@given(CHUNKS, st.integers(min_value=0, max_value=1 << 40))
def test_any_chunking_of_a_stream_yields_the_same_lines(chunks: list[bytes], offset: int) -> None:
    splitter = LineSplitter(offset)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    stream = b"".join(chunks)
    whole = stream.split(b"\n")[:-1]
    assert [line.data for line in lines] == whole
    for line in lines:
        assert stream[: line.end - offset].endswith(line.data + b"\n")
    assert [line.end for line in lines] == sorted({line.end for line in lines})


def test_a_long_line_in_small_pieces_is_not_copied_again_and_again() -> None:
    splitter = LineSplitter(0)
    pieces = 100_000
    for _ in range(pieces):
        assert splitter.feed(b"x" * 100) == []
    (line,) = splitter.feed(b"\n")
    assert len(line.data) == pieces * 100


class _Writer:
    """A log that grows by hand, and its reader's lines as they come."""

    def __init__(self, path: Path, watch: LogWatch) -> None:
        self.path = path
        self.lines: asyncio.Queue[OutputLine] = asyncio.Queue()
        self._watch = watch
        self._end: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def end(self) -> None:
        self._end()

    async def read(self, offset: int = 0) -> None:
        async for batch in read_lines(self._watch, self.path, offset, self._when_ended):
            for line in batch:
                self.lines.put_nowait(line)

    def _when_ended(self, ended: Callable[[], None]) -> Callable[[], None]:
        self._end = ended
        return lambda: None


@pytest.mark.parametrize("use_inotify", [True, False], ids=["inotify", "polling"])
async def test_lines_come_while_the_log_grows_after_silences_too(tmp_path: Path, use_inotify: bool) -> None:
    watch = LogWatch(use_inotify=use_inotify)
    log = _Writer(tmp_path / "log", watch)
    log.write(b"")
    reading = asyncio.create_task(log.read())
    for number in range(6):
        log.write(b"%d\n" % number)
        assert (await log.lines.get()).data == b"%d" % number
        if number % 2:
            # Long enough for the log to count as silent again.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(log.lines.get(), 0.25)
    log.write(b"last\ntorn")
    log.end()
    await reading
    assert log.lines.get_nowait().data == b"last"
    watch.close()


async def test_two_readers_of_one_log_both_get_every_line(tmp_path: Path) -> None:
    watch = LogWatch()
    one, two = _Writer(tmp_path / "log", watch), _Writer(tmp_path / "log", watch)
    one.write(b"")
    readings = [asyncio.create_task(log.read()) for log in (one, two)]
    for number in range(3):
        await asyncio.sleep(0)
        one.write(b"%d\n" % number)
        assert (await one.lines.get()).data == (await two.lines.get()).data == b"%d" % number
    readings[0].cancel()
    one.write(b"3\n")
    assert (await two.lines.get()).data == b"3"
    two.end()
    await readings[1]
    watch.close()


async def test_a_silent_log_sets_no_timer_and_an_event_wakes_its_reader_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = LogWatch()
    log = _Writer(tmp_path / "log", watch)
    log.write(b"x\n")
    reading = asyncio.create_task(log.read())
    await log.lines.get()
    async with asyncio.timeout(60):
        while watch.polls:  # noqa: ASYNC110 - nothing tells that nothing happens any more
            await asyncio.sleep(0.01)
    waited: list[bool] = []
    poll = watch._poll_due

    def poll_and_note() -> None:
        waited.append(log.lines.empty())
        poll()

    monkeypatch.setattr(watch, "_poll_due", poll_and_note)
    log.write(b"y\n")
    await log.lines.get()
    assert True not in waited, "the reader waited for a poll"
    reading.cancel()
    watch.close()


async def test_a_line_written_just_before_the_watch_is_set_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = LogWatch()
    log = _Writer(tmp_path / "log", watch)
    log.write(b"")
    add_watch = Inotify.add_watch
    late = [b"first\n", b"second\n"]

    def add_watch_too_late(inotify: Inotify, path: Path, mask: Mask) -> Watch:
        if late:
            log.write(late.pop(0))
        return add_watch(inotify, path, mask)

    monkeypatch.setattr(Inotify, "add_watch", add_watch_too_late)
    reading = asyncio.create_task(log.read())
    async with asyncio.timeout(60):
        assert (await log.lines.get()).data == b"first"
        assert (await log.lines.get()).data == b"second"
    reading.cancel()
    watch.close()


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=[pytest.mark.soak])])
async def test_no_line_is_lost_between_a_fast_writer_and_many_silences(tmp_path: Path, count: int) -> None:
    """Bursts with pauses around two polls hit the moment in which the watch is set again."""
    script = (
        "import sys, time, random\n"
        "r = random.Random(7)\n"
        "f = open(sys.argv[1], 'ab', buffering=0)\n"
        f"for n in range({count}):\n"
        "    f.write(b'%d\\n' % n)\n"
        "    time.sleep(r.choice([0, 0, 0.09, 0.1, 0.11]))\n"
    )
    watch = LogWatch()
    log = _Writer(tmp_path / "log", watch)
    log.write(b"")
    reading = asyncio.create_task(log.read())
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(log.path))
    async with asyncio.timeout(20 + count):
        seen = [(await log.lines.get()).data for _ in range(count)]
    assert seen == [b"%d" % number for number in range(count)]
    await writer.wait()
    reading.cancel()
    watch.close()


async def test_where_no_inotify_instance_is_to_be_had_logs_are_polled(tmp_path: Path) -> None:
    watch = LogWatch()
    log = _Writer(tmp_path / "log", watch)
    log.write(b"")
    followed = watch.follow(log.path)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The same refusal as when the user's instances are used up, which would be other processes' too.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, descriptors[1]))
    try:
        reading = asyncio.create_task(followed.grown(0))
        await asyncio.sleep(0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, descriptors)
    assert watch.polls
    log.write(b"x\n")
    assert await reading == b"x\n"
    watch.leave(followed)
    watch.close()

"""Reading the output log: whole lines in batches, from a byte offset on, while it grows.

Lines end at b"\\n" and nowhere else (U+2028 is text), and are as long as they are: a reader with a line
limit fails on Claude's. When to look is `log_watch.py`; what a line means is nobody's business here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from backends.base import LogCut, OutputLine
from backends.log_watch import POLL_BYTES, LogWatch

MAX_READ_BYTES = 1 << 20


class LineSplitter:
    """Cuts a stream of bytes into lines, in whatever chunks it comes. Linear in the bytes."""

    def __init__(self, offset: int) -> None:
        self._end = offset
        self._torn: list[bytes] = []

    def feed(self, chunk: bytes) -> list[OutputLine]:
        """The lines that `chunk` completes; a torn last line waits for the next chunk."""
        head, *rest = chunk.split(b"\n")
        self._torn.append(head)
        if not rest:
            return []
        torn = rest.pop()
        whole = [b"".join(self._torn), *rest]
        self._torn = [torn]
        lines = []
        for data in whole:
            self._end += len(data) + 1
            lines.append(OutputLine(data, self._end))
        return lines


async def read_lines(
    watch: LogWatch, path: Path, offset: int, when_ended: Callable[[Callable[[], None]], Callable[[], None]]
) -> AsyncIterator[Sequence[OutputLine]]:
    """Yield the whole lines of the log `path` from `offset` on, as `Host.lines` says.

    `when_ended` takes what to call when nobody writes to the log any more, and returns how to cancel that.
    """
    try:
        log = watch.follow(path)
    except FileNotFoundError:
        if offset > 0:
            raise LogCut(path, expected=offset, actual=0) from None
        return  # a host that was never started
    cancel = when_ended(log.end)
    splitter = LineSplitter(offset)
    position = offset
    try:
        # A log that was cut and written on may be long enough again: then a line hardly ends there.
        if offset > 0 and log.read(offset - 1, 1) != b"\n":
            raise LogCut(path, expected=offset, actual=path.stat().st_size)
        chunk = log.read(position, MAX_READ_BYTES)
        while True:
            position += len(chunk)
            if batch := splitter.feed(chunk):
                yield batch
            if len(chunk) >= POLL_BYTES:
                await asyncio.sleep(0)  # a long backlog must not hold up the others
                chunk = log.read(position, MAX_READ_BYTES)
                continue
            chunk = await log.grown(position)
            if not chunk:
                return
    finally:
        cancel()
        watch.leave(log)

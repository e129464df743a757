"""Reading the output log: whole lines in batches, from a byte offset on, while it grows.

Lines end at b"\\n" and nowhere else (U+2028 is text), and are as long as they are: a reader with a line
limit fails on Claude's. When to look is `log_watch.py`; what a line means is nobody's business here.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from backends.base import LogCut, OutputLine
from backends.log_watch import FollowedLog, LogWatch

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
        whole = [b"".join(self._torn), *rest[:-1]]
        self._torn = [rest[-1]]
        return [self._line(data) for data in whole]

    def _line(self, data: bytes) -> OutputLine:
        self._end += len(data) + 1
        return OutputLine(data, self._end)


async def read_lines(
    watch: LogWatch, path: Path, offset: int, when_ended: Callable[[Callable[[], None]], Callable[[], None]]
) -> AsyncIterator[Sequence[OutputLine]]:
    """Yield the whole lines of the log `path` from `offset` on, as `Host.lines` says.

    `when_ended` takes what to call when nobody writes to the log any more, and returns how to cancel that.
    """
    try:
        with watch.follow(path) as log:
            cancel = when_ended(log.end)
            try:
                async for batch in _batches(log, offset):
                    yield batch
            finally:
                cancel()
    except FileNotFoundError:
        # A host that was never started has no log and no lines; a log that was known is cut.
        if offset > 0:
            raise LogCut(path, expected=offset, actual=0) from None


async def _batches(log: FollowedLog, offset: int) -> AsyncIterator[Sequence[OutputLine]]:
    size = log.size()
    if size < offset:
        raise LogCut(log.path, expected=offset, actual=size)
    splitter = LineSplitter(offset)
    position = offset
    while True:
        ended = log.ended  # asked before reading: what was written until then is read below
        chunk = os.pread(log.descriptor, min(MAX_READ_BYTES, max(log.size() - position, 0)), position)
        position += len(chunk)
        batch = splitter.feed(chunk) if chunk else []
        if batch:
            yield batch
        if len(chunk) == MAX_READ_BYTES:
            await asyncio.sleep(0)  # a long backlog must not hold up the others
        elif ended and not chunk:
            return
        elif not ended:
            await log.grown_beyond(position)

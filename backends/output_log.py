"""Read the output log: whole lines in batches, from a byte offset on, while it grows.

Lines end at b"\\n" and nowhere else (U+2028 is text), and have no length limit: a reader with one fails on
Claude's lines. `log_watch.py` decides when to look. The meaning of a line does not matter here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from backends.base import LogCut, OutputLine
from backends.log_watch import POLL_BYTES, LogWatch

MAX_READ_BYTES = 1 << 20


class LineSplitter:
    """Splits a stream of bytes, in chunks of any size, into lines. Linear in the number of bytes."""

    def __init__(self, offset: int) -> None:
        self._end = offset
        # Pieces, joined once: adding each chunk to one bytes object would copy a line of 8 MB again and again.
        self._torn: list[bytes] = []

    def feed(self, chunk: bytes) -> list[OutputLine]:
        """Return the lines that `chunk` completes. An incomplete last line waits for the next chunk."""
        whole = chunk.split(b"\n")
        torn = whole.pop()
        if not whole:
            self._torn.append(torn)
            return []
        if self._torn:
            whole[0] = b"".join([*self._torn, whole[0]])
        self._torn = [torn] if torn else []
        end = self._end
        lines = [OutputLine(data, end := end + len(data) + 1) for data in whole]
        self._end = end
        return lines


async def read_lines(
    watch: LogWatch, path: Path, offset: int, when_ended: Callable[[Callable[[], None]], Callable[[], None]]
) -> AsyncIterator[Sequence[OutputLine]]:
    """Yield the whole lines of the log `path` from `offset` on, as `Host.lines` says.

    `when_ended` takes a function to call when the log is complete, and returns a function that cancels this.
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
        # A log that was cut and then grew may be long enough again. But then no line is likely to end here.
        if offset > 0 and log.read(offset - 1, 1) != b"\n":
            raise LogCut(path, expected=offset, actual=path.stat().st_size)
        chunk = log.read(position, MAX_READ_BYTES)
        while True:
            position += len(chunk)
            if batch := splitter.feed(chunk):
                yield batch
            if len(chunk) >= POLL_BYTES:
                await asyncio.sleep(0)  # a long backlog must not block the other tasks
                chunk = log.read(position, MAX_READ_BYTES)
                continue
            chunk = await log.grown(position)
            # The program is dead and all is read: a torn last line gets no end any more.
            if not chunk:
                return
    finally:
        cancel()
        watch.leave(log)

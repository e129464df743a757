"""Append lines to the input log so that each is there exactly once, even after a crash in between.

Each line has its place (`start`) before it is written. Bytes that are there already are never written again,
and nothing is ever cut off. There is no sync: the kernel keeps the appended bytes when the process dies. Only a
power cut could lose them, and that ends the host as well.
"""

import os
from pathlib import Path

from backends.base import InputLine, InputNotWritten, LogCut
from faults import crash_in_write, crash_point


def append_missing(path: Path, line: InputLine) -> None:
    """Append `line`, or the part of it that is missing. Raises `LogCut`, `InputNotWritten`."""
    try:
        # No O_CREAT: a missing log is a cut one. A new one would begin in the middle of the numbering.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LogCut(path, expected=line.start, actual=0) from None
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        size = os.fstat(descriptor).st_size
        # Writing on after a cut would put all later lines at offsets that no row has.
        if size < line.start:
            raise LogCut(path, expected=line.start, actual=size)
        if size < line.end:
            crash_point("input_log.before_append")
            # A process that died in the middle left a part, and the follower may have fed it: exactly the rest
            # must come next.
            _write_all(descriptor, line.data[size - line.start :], path)
            crash_point("input_log.after_append")
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes, path: Path) -> None:
    crash_in_write("input_log.in_append", descriptor, data)
    left = memoryview(data)
    # A short write is no error: on a nearly full disk it takes what fits, and only the next one fails.
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except OSError as error:
            raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> InputNotWritten:
    return InputNotWritten(path, reason=os.strerror(error.errno or 0))

"""Reads a file so that its bytes belong to one moment, though others write to it meanwhile."""

import os
import stat
import time
from hashlib import sha1
from typing import assert_never

import msgspec

from workdirs.model import FilePath, WhyUncovered
from workdirs.paths import WorkTree, is_link_in_the_way
from workdirs.stat_cache import Known

# The kernel stamps files with a clock of up to 10 ms a tick: a second write in one tick leaves no trace.
_TICK_NS = 10_000_000
_CLOCK_SET_BACK_NS = 1_000_000_000
# Each is longer than a tick: a file that nobody writes any more passes at the next try.
_PAUSES_S = (0.012, 0.024, 0.036)
_CHUNK = 1024 * 1024


class Content(msgspec.Struct, frozen=True):
    """A file's bytes. `is_moving` says that it changed in every try: they are the last ones read."""

    data: bytes
    known: Known
    is_moving: bool = False


class NotThere(msgspec.Struct, frozen=True):
    """Nothing is there any more, or something that is no file: a directory took its place."""


class NotCovered(msgspec.Struct, frozen=True):
    """Something is there whose content is not taken."""

    why: WhyUncovered
    size: int = 0


Reading = Content | NotThere | NotCovered


def read_file(tree: WorkTree, path: FilePath, max_bytes: int, *, patient: bool = True) -> Reading:
    """Read the file or link at `path`, following no link. `patient` tries again while it changes, ~70 ms."""
    reading: Reading = NotThere()
    for pause_s in (*_PAUSES_S, None) if patient else (None,):
        try:
            reading = _read(tree, path, max_bytes)
        except FileNotFoundError:
            return NotThere()
        except OSError as error:
            if is_link_in_the_way(error):
                return NotThere()
            return NotCovered(WhyUncovered.UNREADABLE)
        match reading:
            case Content(is_moving=True) if pause_s is not None:
                time.sleep(pause_s)
            case Content() | NotThere() | NotCovered():
                break
            case _:
                assert_never(reading)
    return reading


def blob_id(data: bytes) -> bytes:
    """Return the id that git gives to a file of these bytes."""
    return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).digest()


def known_as(found: os.stat_result, blob: bytes) -> Known:
    """Return how the cache remembers a file that looked like this."""
    return Known(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode, blob)


def _read(tree: WorkTree, path: FilePath, max_bytes: int) -> Reading:
    found = tree.stat(path)
    if found is None or stat.S_ISDIR(found.st_mode):
        return NotThere()
    if stat.S_ISLNK(found.st_mode):
        # Nobody can rewrite a link in place, so one look has all of it.
        target = tree.read_link(path)
        return Content(target, known_as(found, blob_id(target)))
    if not stat.S_ISREG(found.st_mode):
        return NotCovered(WhyUncovered.SPECIAL)
    descriptor = tree.open_file(path)
    try:
        return _read_open(descriptor, max_bytes)
    finally:
        os.close(descriptor)


def _read_open(descriptor: int, max_bytes: int) -> Reading:
    before = os.fstat(descriptor)
    # Another thing may stand there by now than the one that `stat` saw.
    if not stat.S_ISREG(before.st_mode):
        return NotCovered(WhyUncovered.SPECIAL)
    if before.st_size > max_bytes:
        return NotCovered(WhyUncovered.TOO_LARGE, before.st_size)
    started_ns = time.time_ns()
    data = _read_up_to(descriptor, before.st_size)
    after = os.fstat(descriptor)
    known = known_as(after, blob_id(data))
    is_whole = len(data) == after.st_size and known_as(before, known.blob) == known
    # The time of change, not of modification: any program may set that one to what it was.
    age_ns = started_ns - after.st_ctime_ns
    if is_whole and age_ns > _TICK_NS:
        return Content(data, known)
    # Stat data that no file has: the next snapshot reads this file again.
    never_matches = Known(0, 0, 0, 0, after.st_mode, known.blob)
    # A time far in the future: the clock was set back, and no waiting tells whether the file changes.
    return Content(data, never_matches, is_moving=not (is_whole and age_ns < -_CLOCK_SET_BACK_NS))


def _read_up_to(descriptor: int, size: int) -> bytes:
    # One byte more than the size shows that the file has grown.
    data = os.read(descriptor, min(size + 1, _CHUNK))
    if len(data) >= size or not data:
        return data[: size + 1]
    parts = [data]
    left = size + 1 - len(data)
    while left > 0 and (data := os.read(descriptor, min(left, _CHUNK))):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)

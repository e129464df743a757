"""Refuse archives that would take many times their size in memory, by a trial in a limited process.

A megabyte of tiny parts becomes tens of megabytes of objects. First, the parts that show in the raw bytes are
counted. Then a second process with a memory limit reads the file as we would: if it succeeds, so shall we.
Run as a program, this module is that process: the file on standard input, its size and the limit as arguments.
"""

import asyncio
import re
import resource
import sys
from collections.abc import Sequence

from machine.limited_process import run_module
from sessions.archive import read_archive
from sessions.errors import ImportRefused

HARMLESS_BYTES = 1 << 20
"""A file up to this size costs little, whatever its content."""
MEMORY_FACTOR = 5
"""A file may take this many times its size in memory. An export takes 1.5 times, one of short lines 3 times."""
_OWN_BYTES = 96 << 20
_LEAST_LINE_BYTES = 24
_DEADLINE_S = 60.0
_TAKEN, _REFUSED, _TOO_MUCH = 0, 3, 4
_NEXT_TEXT = re.compile(rb'",\s{0,64}"')

_SENTENCE = "The file is damaged: it has far more parts than a session of its size."


async def refuse_costly(data: bytes) -> None:
    """Return if `data` can be read in bounded memory, else raise `ImportRefused`.

    A file over `HARMLESS_BYTES` that is no archive is refused too. Takes about as long as reading it.
    Cancelling ends the second process.
    """
    if len(data) <= HARMLESS_BYTES:
        return
    # Only texts in a list are separated by a comma alone: in an object, a key and its colon come between.
    if await asyncio.to_thread(_count_texts, data) > len(data) // _LEAST_LINE_BYTES:
        raise ImportRefused(_SENTENCE)
    code, said = await _try(data)
    if code == _REFUSED:
        raise ImportRefused(said)
    if code != _TAKEN:
        raise ImportRefused(_SENTENCE)


def _count_texts(data: bytes) -> int:
    return sum(1 for _ in _NEXT_TEXT.finditer(data))


async def _try(data: bytes) -> tuple[int, str]:
    limit = _OWN_BYTES + MEMORY_FACTOR * len(data)
    size = str(len(data))
    try:
        exited = await run_module("sessions.archive_trial", size, str(limit), data=data, deadline_s=_DEADLINE_S)
    except TimeoutError:
        return _TOO_MUCH, ""
    return exited.code, exited.stdout.decode("utf-8", "replace")


def main(arguments: Sequence[str]) -> int:
    """Read the archive on standard input within the limit. If it is refused, print the reason."""
    size, limit = map(int, arguments)
    # Since Linux 4.7 this limit covers private mappings, too, and so all that Python allocates.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        read_archive(sys.stdin.buffer.read(size))
    except ImportRefused as error:
        sys.stdout.write(str(error))
        return _REFUSED
    except MemoryError:
        return _TOO_MUCH
    return _TAKEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whether a file can be read as an archive without costing many times its size: tried in a limited process.

A megabyte of tiny parts is tens of megabytes of objects. Parts that can be counted in the bytes are counted
first. Then another process reads the file as we would, with a limit on its memory: if it can, so can we.
Run as a program it is that process: the file on its standard input, its size and the limit as arguments.
"""

import asyncio
import os
import re
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress

from sessions.archive import read_archive
from sessions.errors import ImportRefused

HARMLESS_BYTES = 1 << 20
"""A file of this size costs little, whatever is in it."""
MEMORY_FACTOR = 5
"""So many times its size a file may cost. An export costs 1.5 times its own, one of short lines 3 times."""
_OWN_BYTES = 96 << 20
_LEAST_LINE_BYTES = 24
_DEADLINE_S = 60.0
_TAKEN, _REFUSED, _TOO_MUCH = 0, 3, 4
_NEXT_TEXT = re.compile(rb'",\s{0,64}"')

_SENTENCE = "The file is damaged: it has far more parts than a session of its size."


async def refuse_costly(data: bytes) -> None:
    """Return if `data` can be read in bounded memory. Raises `ImportRefused`, also for what is no archive.

    Takes about as long as reading it. Cancelling ends the other process.
    """
    if len(data) <= HARMLESS_BYTES:
        return
    # Texts of a list follow each other directly: between those of an object there is a colon.
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
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sessions.archive_trial", str(len(data)), str(limit)),
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            said, _ = await process.communicate(data)
    except TimeoutError:
        return _TOO_MUCH, ""
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, said.decode("utf-8", "replace")


def main(arguments: Sequence[str]) -> int:
    """Read the archive on standard input within the limit; print why it is refused, if it is."""
    size, limit = map(int, arguments)
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

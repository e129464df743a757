"""`watch DIR`: shows a host's conversation, live, from its directory. Needs no bridge; changes nothing.

Reads the output log as it grows until the host has ended. It polls, because it runs only while somebody looks.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from console.pane import Pane
from sessions.claude.parse import parse

OK, FAILED = 0, 1

_PAUSE_S = 0.1
_CHUNK_BYTES = 1 << 20
_HISTORY_BYTES = 1 << 20


def watch(directory: Path, out: TextIO) -> int:
    """Show the host in `directory` until it has ended or Ctrl-C; return the exit code."""
    log = directory / "output.ndjson"
    if not log.is_file():
        sys.stderr.write(f"{directory} is no host's directory: there is no output.ndjson in it.\n")
        return FAILED
    pane = Pane()
    try:
        for line in _lines(log, directory / "exit", out):
            if text := pane.show(parse(line)):
                out.write(text)
                out.flush()
        out.write("\nClaude's process has ended.\n")
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    return OK


def _lines(log: Path, exited: Path, out: TextIO) -> Iterator[bytes]:
    """Yield whole lines, from near the end of a long log, until `exited` exists and everything is read."""
    rest = b""
    with log.open("rb") as stream:
        size = log.stat().st_size
        if size > _HISTORY_BYTES:
            stream.seek(size - _HISTORY_BYTES)
            # The jump lands in the middle of a line.
            stream.readline()
            out.write("… what was said earlier is left out\n")
        while True:
            # Asked before reading: what is printed until the end is then read in any case.
            has_ended = exited.exists()
            while chunk := stream.read(_CHUNK_BYTES):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
            if has_ended:
                return
            time.sleep(_PAUSE_S)

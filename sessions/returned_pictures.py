"""Pictures that tools return, kept for the faces. A browser's screenshot, for example, is nowhere else.

`DATA_DIR/run/<session>/returned/<name>`, readable for this user only. They go with the session. A block counts
its pictures, and the name follows from the call and the number: nothing else is stored.
"""

import binascii
import hashlib
import logging
import os
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sessions.claude.lines import MOST_PICTURES, ToolResult
from sessions.model import SessionId

log = logging.getLogger(__name__)

_DIRECTORY = "returned"
_PART = ".part"
_MOST_FILES = 200
"""Pictures of a session; the oldest go first."""


def returned_of(run_directory: Path, session_id: SessionId) -> Path:
    """Return the directory of a session's returned pictures, whether or not it exists."""
    return run_directory / session_id / _DIRECTORY


def returned_name(tool_use_id: str, number: int) -> str:
    """Return the name of picture `number` (from 0) of a call. The id comes from outside, so it is hashed."""
    return f"{hashlib.sha256(tool_use_id.encode(errors='replace')).hexdigest()[:24]}-{number}"


def keep_pictures(directory: Path, results: Iterable[ToolResult]) -> None:
    """Store the pictures of `results`. A repetition changes nothing. Blocks; a failure is logged.

    A turn must not end because a picture cannot be stored: people then read that there was one.
    """
    try:
        _keep(directory, results)
    except OSError:
        log.exception("returned pictures not stored", extra={"directory": directory.name})


def _keep(directory: Path, results: Iterable[ToolResult]) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for cut in directory.glob(f"*{_PART}"):  # left by a kill
        cut.unlink(missing_ok=True)
    for result in results:
        for number, encoded in enumerate(result.pictures[:MOST_PICTURES]):
            path = directory / returned_name(result.tool_use_id, number)
            if not path.exists():
                with suppress(binascii.Error):
                    _write(path, b64decode(encoded, validate=True))
    kept = sorted(directory.iterdir(), key=lambda each: each.stat().st_mtime_ns)
    for old in kept[:-_MOST_FILES]:
        old.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(_PART)
    with open(part, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    # Last: a face that reads meanwhile must not show half of a picture.
    part.replace(path)

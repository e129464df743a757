"""Files and directories that only their owner may read: modes 0600 and 0700, whatever the umask says."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def make_directory(path: Path) -> None:
    """Make `path` with its parents, mode 0700. An existing directory keeps its mode. Raises `OSError`."""
    # One by one: `mkdir(parents=True)` gives the mode to the last one only.
    for each in (*reversed(path.parents), path):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file unless it exists. Its mode is 0600 in both cases. Raises `OSError`."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o177:
            # Only its owner may change a file's mode: leave a file of another user as it is.
            with suppress(PermissionError):
                os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace the file in one step, with its mode from the first byte on. Raises `OSError`."""
    # A name may have 255 bytes: leave room for the suffix.
    draft = path.with_name(f"{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            # Content before name: a loss of power leaves the old file or the new one, never an empty one.
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

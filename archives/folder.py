"""The folder of one session on the disk: its layout, its files, its move to the archive. Blocks.

All files but notes and decisions are views that callers write again from rows; each is replaced as a whole.
People edit notes and decisions, so an existing one is never overwritten.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace  # noqa: TID251
from pathlib import Path, PurePosixPath

from storage.files import make_directory, write_whole

PARTS = ("artifacts", "notes", "decisions", "snapshots")
EDITED = ("notes", "decisions")
"""The parts whose files belong to people."""
TRACKING = "TRACKING.md"
MAX_EDITED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """The folder of one session below the directory of its project. Making this value touches nothing."""

    project: Path
    name: str
    is_archived: bool = False

    @property
    def path(self) -> Path:
        """The directory."""
        return self.project / "sessions" / ("archive" if self.is_archived else "active") / self.name

    def make(self) -> None:
        """Make the directories that are missing. Raises `OSError`."""
        for part in PARTS:
            make_directory(self.path / part)

    def write(self, views: Mapping[str, bytes]) -> None:
        """Write the files that differ, each in one step; one of a person stays as it is. Raises `OSError`."""
        self.make()
        for name, data in views.items():
            path = self.path / name
            if name.startswith(tuple(f"{part}/" for part in EDITED)) and path.exists():
                continue
            # Each write waits for the disk, and most views are as they were.
            if not _has(path, data):
                make_directory(path.parent)
                write_whole(path, data)

    def read(self, name: str) -> str | None:
        """Return the text of a small file; None if it is gone, no file, too large or unreadable."""
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_EDITED_BYTES:
                return None
            return file.read(MAX_EDITED_BYTES).decode("utf-8", "replace")

    def files(self) -> Iterator[tuple[PurePosixPath, Path]]:
        """Yield the regular files with their paths below the folder, sorted. Links are left out."""
        for directory, names, found in os.walk(self.path):
            names.sort()
            for name in sorted(found):
                path = Path(directory, name)
                if stat.S_ISREG(path.lstat().st_mode):
                    yield PurePosixPath(path.relative_to(self.path).as_posix()), path

    def moved(self, *, is_archived: bool) -> "SessionFolder":
        """Move the folder to the archive or back, and return it there. Doing it again changes nothing.

        A folder that is already there keeps its files; those that it lacks are added. Raises `OSError`.
        """
        target = replace(self, is_archived=is_archived)
        if self.path == target.path or not self.path.is_dir():
            return target
        make_directory(target.path.parent)
        if not target.path.exists():
            self.path.rename(target.path)
            return target
        # Both are there if an earlier move failed on the disk and the views were written anew at the other
        # place.
        for name, path in self.files():
            if not (target.path / name).exists():
                make_directory((target.path / name).parent)
                path.rename(target.path / name)
        # What is left here is at the target already.
        shutil.rmtree(self.path)
        return target


def _has(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False

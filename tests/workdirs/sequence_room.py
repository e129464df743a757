"""A place for many short sequences: in memory, with one store for all of them, and with the kernel's own tick.

A sequence costs mostly starts of git. One store spares each of them `git init` and `git fsck`: the store of a
project is shared by its branches in the same way.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from workdirs import file_reading
from workdirs.store import Store

_MEMORY = Path("/dev/shm")
_COARSE_CLOCK = 5
"""CLOCK_REALTIME_COARSE of Linux: the clock that file systems stamp with."""

_MOST_USES = 40


@dataclass
class SequenceRoom:
    """Homes of sequences, one after the other."""

    directory: Path
    template: Path | None = None
    numbers: "count[int]" = field(default_factory=count)
    """Names of checkpoints: the store has those of many sequences."""
    uses: int = 0

    @property
    def store(self) -> Store:
        return Store(self.directory / "store")

    @contextmanager
    def home(self) -> Iterator[Path]:
        """Make the home of one sequence: a copy of the template, and the store beside it."""
        self.uses += 1
        if self.uses % _MOST_USES == 0:  # a full one makes each look slower
            self.sound()
            shutil.rmtree(self.store.directory)
            self.store.prepare()
        # What was remembered of other files of the same names is not to be believed.
        shutil.rmtree(self.store.directory / "caches", ignore_errors=True)
        with TemporaryDirectory(dir=self.directory) as name:
            home = Path(name)
            if self.template is not None:
                shutil.copytree(self.template, home, symlinks=True, dirs_exist_ok=True)
            (home / "store").symlink_to(self.store.directory)
            yield home

    def sound(self) -> None:
        """Check that the store has no damage."""
        command = ["git", f"--git-dir={self.store.git_dir}", "fsck", "--full", "--strict", "--no-dangling"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def sequence_room() -> Iterator[SequenceRoom]:
    """Open a room. Its store is checked at the end."""
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    # The program takes 10 ms for granted, the longest tick of all kernels, and waits as long for a new file.
    tick_s = time.clock_getres(_COARSE_CLOCK) if os.uname().sysname == "Linux" else 0.01
    with (
        TemporaryDirectory(dir=memory) as name,
        patch.object(file_reading, "_TICK_NS", int(tick_s * 1e9)),
        patch.object(file_reading, "_PAUSES_S", (tick_s * 1.2, tick_s * 2.4, tick_s * 3.6)),
    ):
        room = SequenceRoom(Path(name))
        room.store.prepare()
        yield room
        room.sound()

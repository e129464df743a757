"""Keep git from waiting for ever on a FIFO that is named as a file of ignore rules.

git opens every `.gitignore` to read it, and opening a FIFO waits for a writer. If a call takes long, the FIFOs
of that name are opened here: git then goes on, and takes them for empty files.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Timer

# Far more than a listing takes (0.1 s for 20,000 files), so nearly no snapshot walks the tree once more.
_LONG_S = 3.0


@contextmanager
def unblocked(work_tree: Path) -> Iterator[None]:
    """Open such FIFOs below `work_tree` if the body takes long."""
    held: list[int] = []
    over = Event()
    timer = Timer(_LONG_S, _open_all, (work_tree, held, over))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        over.set()
        timer.cancel()
        # Before the descriptors are closed: the timer may be opening one more right now.
        timer.join()
        for descriptor in held:
            os.close(descriptor)


def _open_all(work_tree: Path, held: list[int], over: Event) -> None:
    for directory, names, files in os.walk(os.fsencode(work_tree)):
        if over.is_set():
            return
        with suppress(ValueError):
            names.remove(b".git")
        if b".gitignore" in files:
            path = directory + b"/.gitignore"
            with suppress(OSError):
                if stat.S_ISFIFO(os.lstat(path).st_mode):
                    # For reading and writing: that waits for nobody, and git finds a writer.
                    held.append(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))

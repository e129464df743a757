"""Watch append-only logs for growth: one watcher for all logs of a process.

A silent log costs almost nothing: a one-shot inotify watch and its own descriptor, no timer. Its reader learns
of the first growth at once. From then on the log is polled every 50 ms until two polls find nothing; then the
watch is set again. All logs share one inotify instance (a user has 128 of them) and one timer. The polls are
spread over the round, which gets longer if more than 125 logs are busy, so that a thousand logs neither block
nor fill the loop. Without inotify, every log stays polled. `output_log.py` splits the bytes into lines.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.base import LogCut
from backends.poll_round import PollRound

if TYPE_CHECKING:
    from asyncinotify import Inotify, Watch

_SILENT_POLLS = 2

# The most that a poll reads: a reader that gets that much reads on by itself.
POLL_BYTES = 65_536


class FollowedLog:
    """One open log with its one reader. Made by `LogWatch.follow`."""

    def __init__(self, watch: "LogWatch", path: Path, descriptor: int) -> None:
        self._watch = watch
        self.path = path
        self._descriptor = descriptor
        self._position = 0
        self._grown: asyncio.Future[bytes] | None = None
        self._ended = False
        self.watched = False  # polled, or waited for by inotify
        self.silent_polls = _SILENT_POLLS  # a newly opened log counts as silent until it grows

    def read(self, position: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of the log from `position` on. Raises `LogCut` if it ends before."""
        chunk = os.pread(self._descriptor, max_bytes, position)
        if not chunk:
            status = os.fstat(self._descriptor)
            size = status.st_size if status.st_nlink else 0  # nobody can open a removed file again
            if size < position or not status.st_nlink:
                raise LogCut(self.path, expected=position, actual=size)
        return chunk

    async def grown(self, position: int) -> bytes:
        """Wait for bytes from `position` on; return at most `POLL_BYTES`, or no bytes at the end of the log.

        Raises `LogCut`.
        """
        if self._ended:
            return self.read(position, POLL_BYTES)
        self._position = position
        self._grown = asyncio.get_running_loop().create_future()
        try:
            # Only at the first wait: from then on, the log is always either polled or armed.
            if not self.watched:
                self._watch.add(self)
            return await self._grown
        finally:
            self._grown = None

    def close(self) -> None:
        """Close the descriptor. Reading is impossible afterwards."""
        os.close(self._descriptor)

    def end(self) -> None:
        """Note that the log is complete: its reader may stop at the end."""
        self._ended = True
        self.look()

    def look(self) -> bool:
        """Give the reader new bytes, or the error that the log was cut. False if there is nothing to give."""
        if self._grown is None or self._grown.done():
            return True  # the reader is busy, so the log does not count as silent
        try:
            chunk = self.read(self._position, POLL_BYTES)
        except LogCut as cut:
            self._grown.set_exception(cut)
            return True
        if chunk or self._ended:
            self._grown.set_result(chunk)
            return True
        return False


class LogWatch:
    """Wakes the readers of logs. Bound to the running loop; `close` lets go of everything."""

    def __init__(self, *, use_inotify: bool = True) -> None:
        self._use_inotify = use_inotify
        self._inotify: Inotify | None = None
        self._armed: dict[Watch, set[FollowedLog]] = {}
        self._watch_of: dict[FollowedLog, Watch] = {}
        self._polled: PollRound[FollowedLog] = PollRound()
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, path: Path) -> FollowedLog:
        """Open `path` for one reader, which must pass it to `leave` later. Raises `FileNotFoundError`."""
        return FollowedLog(self, path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def leave(self, log: FollowedLog) -> None:
        """Forget `log` and close it."""
        self._disarm(log)
        self._polled.discard(log)
        log.close()

    def add(self, log: FollowedLog) -> None:
        """Watch `log` for growth, which is found at the next poll, or at once if the log is silent."""
        log.watched = True
        if log.silent_polls < _SILENT_POLLS or not self._arm(log):
            self._poll(log)

    @property
    def polls(self) -> bool:
        """Whether any log is polled now; false while all are silent."""
        return self._timer is not None

    def close(self) -> None:
        """Stop waking readers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None
        self._armed.clear()
        self._watch_of.clear()

    # --- polling ------------------------------------------------------------------------------------------

    def _poll(self, log: FollowedLog) -> None:
        self._polled.add(log)
        if self._timer is None:
            self._set_timer()

    def _set_timer(self) -> None:
        """Sleep until the next log is to be polled."""
        delay_s = self._polled.advance()
        loop = asyncio.get_running_loop()
        self._timer = None if delay_s is None else loop.call_later(delay_s, self._poll_due)

    def _poll_due(self) -> None:
        for log in self._polled.due():
            if log.look():
                log.silent_polls = 0
                continue
            # If no watch can be set, or the log has just grown, it stays among the polled ones.
            log.silent_polls += 1
            if log.silent_polls >= _SILENT_POLLS and self._arm(log):
                self._polled.discard(log)
        self._set_timer()

    # --- inotify ------------------------------------------------------------------------------------------

    def _arm(self, log: FollowedLog) -> bool:
        """Set a watch for the next write to `log`. False if that is impossible or the log has grown already."""
        inotify = self._open_inotify()
        if inotify is None:
            return False
        from asyncinotify import Mask

        try:
            # ONESHOT: else each line of a busy log would wake the loop. ATTRIB: a log that is removed while we
            # have it open only loses a link, and DELETE_SELF waits for the last descriptor.
            watch = inotify.add_watch(log.path, Mask.MODIFY | Mask.DELETE_SELF | Mask.ATTRIB | Mask.ONESHOT)
        except OSError:  # the user has no watch left, or the file is gone: polling shows which
            return False
        self._armed.setdefault(watch, set()).add(log)
        self._watch_of[log] = watch
        # No event comes for bytes that were written before the watch was set.
        if log.look():
            self._disarm(log)
            return False
        return True

    def _disarm(self, log: FollowedLog) -> None:
        watch = self._watch_of.pop(log, None)
        if watch is None:
            return
        # An inode has one watch for each inotify instance: two readers of a log share it.
        others = self._armed[watch]
        others.discard(log)
        if not others:
            del self._armed[watch]
            if self._inotify is not None:
                with suppress(OSError):
                    # A one-shot watch that has fired is gone already.
                    self._inotify.rm_watch(watch)

    def _open_inotify(self) -> "Inotify | None":
        if self._inotify is None and self._use_inotify:
            try:
                from asyncinotify import Inotify

                self._inotify = Inotify()
            except (ImportError, OSError):  # another system, or the user has no instance left
                self._use_inotify = False
                return None
            os.set_blocking(self._inotify.fd, False)  # the library asks for it and does not get it
            asyncio.get_running_loop().add_reader(self._inotify.fd, self._read_events)
        return self._inotify

    def _read_events(self) -> None:
        if self._inotify is None:
            return
        with suppress(BlockingIOError):
            while True:
                event = self._inotify.sync_get()
                if event is not None and event.watch is not None:
                    self._tell(event.watch)

    def _tell(self, watch: "Watch") -> None:
        """Wake the reader of every log behind `watch` at once, and poll these logs from now on."""
        for log in self._armed.pop(watch, ()):
            del self._watch_of[log]
            log.silent_polls = 0
            self._poll(log)
            log.look()

"""Telling when append-only logs have grown: one watcher for all logs of a process.

A silent log costs nothing: one one-shot inotify watch, no descriptor of ours but its own, no timer. Its first
growth is told at once. From then on it is polled every 50 ms, until it was silent for two polls; then the
watch is set again. All logs share one inotify instance (a user has 128 of them) and one timer. The polls are
spread over it, and the round gets longer where more than 125 logs are busy, so that a thousand neither hold
the loop up nor fill it. Where no inotify is to be had, every log stays polled. What the bytes mean, and where
lines end, is `output_log.py`.
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

# What a poll reads: a reader that gets as much reads on by itself.
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
        self.silent_polls = _SILENT_POLLS  # a log just opened is silent until it grows

    def read(self, position: int, max_bytes: int) -> bytes:
        """What the log holds from `position` on, at most `max_bytes`. Raises `LogCut` if it ends before."""
        chunk = os.pread(self._descriptor, max_bytes, position)
        if not chunk:
            status = os.fstat(self._descriptor)
            size = status.st_size if status.st_nlink else 0  # a removed file holds what nobody can find again
            if size < position or not status.st_nlink:
                raise LogCut(self.path, expected=position, actual=size)
        return chunk

    async def grown(self, position: int) -> bytes:
        """Wait for bytes from `position` on and return some, at most `POLL_BYTES`; none when the log has ended.

        Raises `LogCut`.
        """
        if self._ended:
            return self.read(position, POLL_BYTES)
        self._position = position
        self._grown = asyncio.get_running_loop().create_future()
        try:
            if not self.watched:
                self._watch.add(self)
            return await self._grown
        finally:
            self._grown = None

    def close(self) -> None:
        """Give the descriptor back; nothing can be read any more."""
        os.close(self._descriptor)

    def end(self) -> None:
        """Nobody writes to the log any more: its reader may stop at its end."""
        self._ended = True
        self.look()

    def look(self) -> bool:
        """Give the reader what is new, or that the log was cut; false if there is nothing to give."""
        if self._grown is None or self._grown.done():
            return True  # the reader is busy: there is no saying that its log is silent
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
        """Open `path` for one reader, who gives it back to `leave`. Raises `FileNotFoundError`."""
        return FollowedLog(self, path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def leave(self, log: FollowedLog) -> None:
        """Forget `log` and close it."""
        self._disarm(log)
        self._polled.discard(log)
        log.close()

    def add(self, log: FollowedLog) -> None:
        """Look at `log` when it grows: at the next poll, or at once if it is silent."""
        log.watched = True
        if log.silent_polls < _SILENT_POLLS or not self._arm(log):
            self._poll(log)

    @property
    def polls(self) -> bool:
        """Whether any log is polled now; false while all are silent."""
        return self._timer is not None

    def close(self) -> None:
        """Stop waking anybody."""
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
            log.silent_polls += 1
            if log.silent_polls >= _SILENT_POLLS and self._arm(log):
                self._polled.discard(log)
        self._set_timer()

    # --- inotify ------------------------------------------------------------------------------------------

    def _arm(self, log: FollowedLog) -> bool:
        """Be told of the next write to `log`; False if that cannot be had."""
        inotify = self._open_inotify()
        if inotify is None:
            return False
        from asyncinotify import Mask

        try:
            watch = inotify.add_watch(log.path, Mask.MODIFY | Mask.DELETE_SELF | Mask.ATTRIB | Mask.ONESHOT)
        except OSError:  # no watch left for this user, or the file is gone: polling finds out
            return False
        self._armed.setdefault(watch, set()).add(log)
        self._watch_of[log] = watch
        # What was written before the watch was set would be told by nobody.
        if log.look():
            self._disarm(log)
            return False
        return True

    def _disarm(self, log: FollowedLog) -> None:
        watch = self._watch_of.pop(log, None)
        if watch is None:
            return
        others = self._armed[watch]
        others.discard(log)
        if not others:
            del self._armed[watch]
            if self._inotify is not None:
                with suppress(OSError):
                    self._inotify.rm_watch(watch)

    def _open_inotify(self) -> "Inotify | None":
        if self._inotify is None and self._use_inotify:
            try:
                from asyncinotify import Inotify

                self._inotify = Inotify()
            except (ImportError, OSError):  # another system, or none of the user's instances is left
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
        """The silence of every log behind `watch` is over: wake it at once, and poll it from now on."""
        for log in self._armed.pop(watch, ()):
            del self._watch_of[log]
            log.silent_polls = 0
            self._poll(log)
            log.look()

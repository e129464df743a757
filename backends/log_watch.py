"""Telling when append-only logs have grown: one watcher for all logs of a process.

A silent log costs nothing: one one-shot inotify watch, no descriptor of ours but its own, no timer. Its first
growth is told at once. From then on it is polled every 50 ms, until it was silent for two polls; then the
watch is set again. All logs share one inotify instance (a user has 128 of them) and one timer, and the polls
are spread over it, so that a thousand busy logs do not hold the loop up at once. Where no inotify is to be
had, every log stays polled. What the bytes mean, and where lines end, is `output_log.py`.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.base import LogCut

if TYPE_CHECKING:
    from asyncinotify import Inotify, Watch

_POLL_S = 0.05
_PHASES = 5
_SILENT_POLLS = 2


class FollowedLog:
    """One open log. Made by `LogWatch.follow`; one reader."""

    def __init__(self, watch: "LogWatch", path: Path, descriptor: int) -> None:
        self._watch = watch
        self.path = path
        self.descriptor = descriptor
        self.ended = False
        self.silent_polls = _SILENT_POLLS  # a log just opened is silent until it grows
        self._position = 0
        self._grown: asyncio.Future[None] | None = None

    def size(self) -> int:
        """Bytes in the log now; 0 if its file was removed."""
        status = os.fstat(self.descriptor)
        return status.st_size if status.st_nlink else 0

    async def grown_beyond(self, position: int) -> None:
        """Return when the log holds more than `position` bytes, or will not grow any more.

        Raises `LogCut` if it holds less.
        """
        self._position = position
        self._grown = asyncio.get_running_loop().create_future()
        try:
            if not self.ended:
                self._watch.await_growth(self)
                await self._grown
        finally:
            self._grown = None
        size = self.size()
        if size < position:
            raise LogCut(self.path, expected=position, actual=size)

    def end(self) -> None:
        """Nobody writes to the log any more: its reader may stop at its end."""
        self.ended = True
        self.wake()

    @property
    def awaited(self) -> bool:
        """Whether the reader waits; one that is busy with a batch is left alone."""
        return self._grown is not None

    def changed(self) -> bool:
        """Whether the log differs from what its reader knows."""
        return self.size() != self._position

    def wake(self) -> None:
        """Let the reader look."""
        if self._grown is not None and not self._grown.done():
            self._grown.set_result(None)


class LogWatch:
    """Wakes the readers of logs. Bound to the running loop; `close` lets go of everything."""

    def __init__(self, *, use_inotify: bool = True) -> None:
        self._use_inotify = use_inotify
        self._inotify: Inotify | None = None
        self._armed: dict[Watch, set[FollowedLog]] = {}
        self._watch_of: dict[FollowedLog, Watch] = {}
        self._polled: list[set[FollowedLog]] = [set() for _ in range(_PHASES)]
        self._phase = 0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def follow(self, path: Path) -> Iterator[FollowedLog]:
        """Open `path` for one reader. Raises `FileNotFoundError`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        log = FollowedLog(self, path, descriptor)
        try:
            yield log
        finally:
            self._disarm(log)
            for phase in self._polled:
                phase.discard(log)
            os.close(descriptor)

    def await_growth(self, log: FollowedLog) -> None:
        """Wake `log`'s reader when the log has changed: at the next poll, or at once if it is silent."""
        if log in self._watch_of or any(log in phase for phase in self._polled):
            return
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
        fewest = min(self._polled, key=len)
        fewest.add(log)
        if self._timer is None:
            self._set_timer()

    def _set_timer(self) -> None:
        """Sleep until the next phase that has a log to poll."""
        for step in range(1, _PHASES + 1):
            phase = (self._phase + step) % _PHASES
            if self._polled[phase]:
                self._phase = phase
                delay_s = step * _POLL_S / _PHASES
                self._timer = asyncio.get_running_loop().call_later(delay_s, self._poll_phase)
                return
        self._timer = None

    def _poll_phase(self) -> None:
        logs = self._polled[self._phase]
        silent = []
        for log in logs:
            if not log.awaited:
                continue
            if log.changed():
                log.silent_polls = 0
                log.wake()
                continue
            log.silent_polls += 1
            if log.silent_polls >= _SILENT_POLLS:
                silent.append(log)
        for log in silent:
            if self._arm(log):
                logs.discard(log)
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
        if log.changed():
            self._tell(watch)
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
            log.wake()

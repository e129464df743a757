"""Watch for the death of processes that are not our children: by a descriptor for each, else by polling."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import machine
from backends import processes
from machine import DeathDescriptor, ProcessId

_POLL_S = 0.1


@dataclass(slots=True)
class _Watched:
    """A watched process; `descriptor` is None while it is polled."""

    descriptor: DeathDescriptor | None
    callbacks: set[Callable[[], None]] = field(default_factory=set)


class DeathWatch:
    """Calls back once when a process dies. Bound to the running loop; `close` forgets everything."""

    def __init__(self, *, use_descriptors: bool = True) -> None:
        self._use_descriptors = use_descriptors
        self._watched: dict[ProcessId, _Watched] = {}
        self._poll: asyncio.TimerHandle | None = None

    def when_dead(self, process: ProcessId, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once `process` is dead, at once if it is already. Return a function to cancel."""
        watched = self._watched.get(process)
        if watched is None:
            watched = self._watch(process)
        if watched is None:
            # Not called at once: the caller does not have its function to cancel yet.
            return asyncio.get_running_loop().call_soon(callback).cancel
        watched.callbacks.add(callback)
        return lambda: self._cancel(process, callback)

    async def died(self, process: ProcessId) -> None:
        """Return when `process` is dead. Can be cancelled."""
        loop = asyncio.get_running_loop()
        dead: asyncio.Future[None] = loop.create_future()
        cancel = self.when_dead(process, lambda: None if dead.done() else dead.set_result(None))
        try:
            await dead
        finally:
            cancel()

    async def all_died(self, these: Iterable[ProcessId]) -> None:
        """Return when every one of `these` is dead."""
        for process in these:
            await self.died(process)

    def close(self) -> None:
        """Stop watching. No callback is called afterwards."""
        for process in list(self._watched):
            self._forget(process)
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None

    def _watch(self, process: ProcessId) -> _Watched | None:
        descriptor: DeathDescriptor | None = None
        if self._use_descriptors:
            try:
                descriptor = machine.this().open_death_descriptor(process)
            except OSError:
                # The system lacks the call, or no descriptor is left: polling needs one only for a moment.
                return self._watch_by_polling(process)
            if descriptor is None:
                return None
            asyncio.get_running_loop().add_reader(descriptor, self._report, process)
            watched = self._watched[process] = _Watched(descriptor)
            return watched
        return self._watch_by_polling(process)

    def _watch_by_polling(self, process: ProcessId) -> _Watched | None:
        if _is_known_dead(process):
            return None
        watched = self._watched[process] = _Watched(None)
        if self._poll is None:
            self._poll = asyncio.get_running_loop().call_later(_POLL_S, self._poll_all)
        return watched

    def _poll_all(self) -> None:
        self._poll = None
        polled = [process for process, watched in self._watched.items() if watched.descriptor is None]
        for process in polled:
            if _is_known_dead(process):
                self._report(process)
        if any(watched.descriptor is None for watched in self._watched.values()):
            self._poll = asyncio.get_running_loop().call_later(_POLL_S, self._poll_all)

    def _report(self, process: ProcessId) -> None:
        # Forgotten before the calls: a callback may cancel others, or watch the same process again.
        for callback in self._forget(process):
            callback()

    def _cancel(self, process: ProcessId, callback: Callable[[], None]) -> None:
        watched = self._watched.get(process)
        if watched is not None:
            watched.callbacks.discard(callback)
            if not watched.callbacks:
                self._forget(process)

    def _forget(self, process: ProcessId) -> set[Callable[[], None]]:
        watched = self._watched.pop(process)
        if watched.descriptor is not None:
            # Before closing: the loop would go on watching the next file with this number.
            asyncio.get_running_loop().remove_reader(watched.descriptor)
            watched.descriptor.close()
        return watched.callbacks


def _is_known_dead(process: ProcessId) -> bool:
    """Whether the process is certainly dead. False if no descriptor is left to look with."""
    try:
        return not processes.is_alive(process)
    except OSError:
        return False

"""Free memory when the machine runs short: the session idle longest is parked before its time."""

import asyncio
from collections.abc import Callable, Sequence

from sessions.clock import Clock
from sessions.machine_reserve import MachineReserve
from sessions.parking import longest_idle, may_be_parked
from sessions.session import Session

# A shorter time would take the process from somebody who reads the answer and writes the next prompt.
_LEAST_IDLE_MS = 20_000


class MemoryRelief:
    """Parks idle sessions to free memory. `sessions` returns the sessions that may have a process."""

    def __init__(
        self, reserve: MachineReserve, clock: Clock, sessions: Callable[[], Sequence[Session]]
    ) -> None:
        self._reserve = reserve
        self._clock = clock
        self._sessions = sessions

    async def look(self) -> None:
        """Park one session if the machine needs memory. Only one: the next call sees how much that freed."""
        if not await asyncio.to_thread(self._reserve.needs_memory):
            return
        sessions = {each.id: each for each in self._sessions()}
        since_ms = self._clock.now_ms() - _LEAST_IDLE_MS
        idle = longest_idle((each.snapshot for each in sessions.values()), since_ms=since_ms)
        if idle is not None:
            await sessions[idle.id].park_if(may_be_parked, "the machine needed its memory")

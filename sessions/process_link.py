"""A session's tie to its process: which one it has, how it leaves it, and the record of its end."""

from collections.abc import Callable
from typing import Protocol

from sessions.host_run import HostRun
from sessions.leaving import (
    Departure,
    leaves_without_process,
    must_be_stored,
    record_departure,
    stored_departure,
)
from sessions.model import Lifecycle
from sessions.process_end import Exited, NoProcess, ProcessEnd, events_at_end
from sessions.session_port import SessionPort
from sessions.snapshot import Snapshot


class TiedSession(SessionPort, Protocol):
    """The session whose process it is."""

    async def until(self, is_so: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until the state is as wished, and return it."""
        ...


class ProcessLink:
    """The one owner of `run`: None while the session has no process, or its process was not found again yet."""

    def __init__(self, session: TiedSession) -> None:
        self._session = session
        self._run: HostRun | None = None

    @property
    def run(self) -> HostRun | None:
        """The process of now."""
        return self._run

    def join(self, run: HostRun) -> None:
        """The session has this process from now on, until `record_end`."""
        self._run = run

    def let_go(self) -> None:
        """Nobody stays with the process any more. Whoever waits for its end would wait for ever."""
        if self._run is not None:
            self._run.leaving.is_over()

    async def record_end(self, end: ProcessEnd) -> None:
        """Record that the process is over, or that there is none where one was expected."""
        run = self._run
        if isinstance(end, Exited) and (run is None or run.number != end.number):
            return  # it was recorded already, and another one may have begun since
        async with self._session.change() as draft:
            wished = run.leaving.departure if run is not None else stored_departure(draft.snapshot)
            continues = self._session.around.continue_cut_turns
            draft.add_all(events_at_end(draft.snapshot, end, wished, takes_up_cut_turns=continues))
            self._run = None
        if run is not None:
            run.close()

    async def leave(self, departure: Departure) -> None:
        """Go where `departure` leads, with or without a process. Raises as `Leaving.leave`."""
        if self._run is not None:
            await self._run.leaving.leave(departure)
            return
        async with self._session.change() as draft:
            if self.run is not None:
                pass  # it was launched or found while we waited for our turn
            elif must_be_stored(draft.snapshot, departure):
                # Its process is being launched or found again: who does that ends it as soon as it is there.
                record_departure(draft, departure)
            elif leaves_without_process(draft.snapshot, departure):
                draft.add_all(events_at_end(draft.snapshot, NoProcess(), departure, takes_up_cut_turns=False))
        run = self.run
        if run is not None and run.leaving.departure is None:
            await run.leaving.leave(departure)
            return
        await self._session.until(lambda snapshot: snapshot.lifecycle is not Lifecycle.STOPPING)
        if departure.ends and self._session.snapshot.lifecycle is not Lifecycle.ENDED:
            await self.leave(departure)

    async def end_at_once(self, departure: Departure, grace_s: float) -> None:
        """The same with signals only. Raises as `Leaving.leave`."""
        if self._run is not None:
            await self._run.leaving.end_at_once(departure, grace_s)
        await self.leave(departure)

"""The link between a session and its process: join a process, leave it, and record its end."""

from collections.abc import Callable
from typing import Protocol

from backends.base import Unkillable
from sessions.errors import ClaudeUnavailable, IllegalMove
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
from storage import StorageError
from workdirs.checkpoint_model import Reason


class TiedSession(SessionPort, Protocol):
    """The session that the process belongs to."""

    async def until(self, is_so: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until the state satisfies the condition, and return it."""
        ...


class ProcessLink:
    """The one owner of `run`, which is None without a process or before recovery has found the process."""

    def __init__(self, session: TiedSession) -> None:
        self._session = session
        self._run: HostRun | None = None

    @property
    def run(self) -> HostRun | None:
        """The current process, if any."""
        return self._run

    def join(self, run: HostRun) -> None:
        """The session has this process from now on, until `record_end`."""
        self._run = run

    def let_go(self) -> None:
        """Release everybody who waits for the end of the process: this bridge will not see that end."""
        if self._run is not None:
            self._run.leaving.is_over()

    async def record_end(self, end: ProcessEnd) -> None:
        """Record the end of the process, or the absence of an expected one."""
        run = self._run
        if isinstance(end, Exited) and (run is None or run.number != end.number):
            return  # it was recorded already, and another one may have begun since
        try:
            async with self._session.change() as draft:
                wished = run.leaving.departure if run is not None else stored_departure(draft.snapshot)
                continues = self._session.around.continue_cut_turns
                draft.add_all(events_at_end(draft.snapshot, end, wished, takes_up_cut_turns=continues))
                # Before the commit: no line of this change may go to a process that is over.
                self._run = None
        except StorageError:
            # Nothing was stored. Without the process the next try would take the end for recorded.
            self._run = run
            raise
        if run is not None:
            # Only after the commit: callers that waited find the end in the state.
            run.close()

    async def leave(
        self, departure: Departure, *, if_still: Callable[[Snapshot], bool] = lambda _: True
    ) -> bool:
        """Carry `departure` out, with or without a process; False if `if_still` rejects the state by then.

        Raises as `Leaving.leave`.
        """
        if self._run is not None:
            return await self._run.leaving.leave(departure, if_still=if_still)
        async with self._session.change() as draft:
            if self.run is not None:
                pass  # a process was launched or found while this change waited
            elif not if_still(draft.snapshot):
                return False
            elif must_be_stored(draft.snapshot, departure):
                # The process is being launched or found again. That code sees the stored departure and ends it.
                record_departure(draft, departure)
            elif leaves_without_process(draft.snapshot, departure):
                draft.add_all(events_at_end(draft.snapshot, NoProcess(), departure, takes_up_cut_turns=False))
        run = self.run
        if run is not None and run.leaving.departure is None:
            return await run.leaving.leave(departure, if_still=if_still)
        await self._session.until(lambda snapshot: snapshot.lifecycle is not Lifecycle.STOPPING)
        # It was being parked, and is parked now: the end is one more change, without a process.
        if departure.ends and self._session.snapshot.lifecycle is not Lifecycle.ENDED:
            await self.leave(departure)
        return True

    async def leave_at_rest(self, what: str, departure: Departure, reason: Reason) -> None:
        """Leave for an act that cuts no turn, not even one that begins while the checkpoint is taken.

        `what` names the act. Raises `IllegalMove` if a turn runs, or a prompt waits that a hand-over would
        leave behind. Raises as `Leaving.leave`, too.
        """
        if self._run is not None or departure.hands_over:
            await self.keep_files(reason)

        def is_at_rest(snapshot: Snapshot) -> bool:
            has_turn = snapshot.holds_slot and snapshot.current is not None
            return not has_turn and not (departure.hands_over and snapshot.queue)

        if not is_at_rest(self._session.snapshot) or not await self.leave(departure, if_still=is_at_rest):
            raise IllegalMove(what, "busy")

    async def keep_files(self, reason: Reason) -> None:
        """Take a checkpoint before the session leaves its process; waits for it a bounded time."""
        if (checkpoints := self._session.around.checkpoints) is not None:
            await checkpoints.before_leaving(self._session, reason)

    async def end_at_once(self, departure: Departure, grace_s: float) -> None:
        """End the process with signals, without asking it first. Raises as `Leaving.leave`."""
        if self._run is not None:
            await self._run.leaving.end_at_once(departure, grace_s)
        await self.leave(departure)

    async def end_left_running(self) -> None:
        """End the processes that Claude's tools left running; Claude's own stays. No-op without a process.

        Raises `ClaudeUnavailable` if one of them outlives even SIGKILL.
        """
        run = self._run
        if run is None:
            return
        try:
            await run.host.end_left_running(self._session.around.patience.stop_s)
        except Unkillable as error:
            pids = ", ".join(map(str, error.pids))
            raise ClaudeUnavailable(f"It could not be ended (process {pids}); an admin has to look.") from error
        await run.note_left_running()

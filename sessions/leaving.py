"""Leave a process: decide the session's next lifecycle, and end the host step by step.

A request to leave is first in memory, then stored as a move to `stopping` that says where it leads. After a
restart, the bridge finishes a stored move. `Leaving` owns the requests and the stored move of one host.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from backends.base import Host, LogCut, Unkillable
from sessions import events as e
from sessions.draft import Draft
from sessions.errors import ClaudeUnavailable
from sessions.left_processes import left_process
from sessions.model import LeftProcess, Lifecycle
from sessions.session_port import SessionPort
from sessions.state import Snapshot
from storage import StorageError


@dataclass(frozen=True, slots=True)
class Departure:
    """The lifecycle that a session gets when it leaves its process. `cause` is for people only.

    With `keeps_turn` a running turn is cut, not ended: the next process takes it up. With `hands_over` the
    conversation may grow in a terminal in the meantime.
    """

    leads_to: Lifecycle
    cause: str
    keeps_turn: bool = False
    hands_over: bool = False

    @property
    def ends(self) -> bool:
        """Whether the session ends for good."""
        return self.leads_to is Lifecycle.ENDED


def stored_departure(snapshot: Snapshot) -> Departure | None:
    """Return the stored departure of a stopping session; None for any other."""
    if snapshot.leads_to is None:
        return None
    # Without `hands_over`: the move to `stopping` has set `handed_over` already, and it stays set.
    return Departure(snapshot.leads_to, snapshot.reason, snapshot.keeps_turn)


def must_be_stored(snapshot: Snapshot, departure: Departure) -> bool:
    """Whether `departure` still has to be stored for a session with a process.

    A stored move to `parked` can still become an end. A stored end never becomes a move to `parked`.
    """
    if snapshot.lifecycle in (Lifecycle.STARTING, Lifecycle.LIVE):
        return True
    return departure.ends and snapshot.leads_to is Lifecycle.PARKED


def leaves_without_process(snapshot: Snapshot, departure: Departure) -> bool:
    """Whether a session without a process has to change its lifecycle for `departure`."""
    match snapshot.lifecycle:
        case Lifecycle.STOPPING | Lifecycle.ENDED:
            return False
        case Lifecycle.PARKED:
            return departure.ends or (departure.hands_over and not snapshot.queue)
        case _:
            # Never park a session whose queued prompts wait for a process: nothing would wake it.
            return departure.ends or not snapshot.queue


def record_departure(draft: Draft, departure: Departure) -> None:
    """Add the move to `stopping` to the draft. If the session ends, withdraw its queued prompts, too."""
    if must_be_stored(draft.snapshot, departure):
        old = draft.snapshot.lifecycle
        draft.add(
            e.LifecycleChanged(
                old,
                Lifecycle.STOPPING,
                departure.cause,
                departure.leads_to,
                departure.keeps_turn,
                departure.hands_over,
            )
        )
    if departure.ends:
        draft.withdraw_queue(departure.cause)


class _Stays(Exception):
    """The session's state has changed since the request to park it, so it stays."""


class Leaving:
    """The requests to end one host, and its end. Calls `stays` when a request is given up."""

    def __init__(self, session: SessionPort, host: Host, stays: Callable[[], None]) -> None:
        self._session = session
        self._host = host
        self._stays = stays
        self._wishes: list[Departure] = []
        self._ending = asyncio.Lock()
        self._left: dict[int, LeftProcess] = {}
        self._over = asyncio.Event()
        self._stuck = asyncio.Event()
        self._unkillable: Unkillable | None = None

    @property
    def departure(self) -> Departure | None:
        """The session's departure when the host has ended; None if nobody asked for its end.

        An end wins over a park. Otherwise the newest request wins over the stored move.
        """
        stored = stored_departure(self._session.snapshot)
        known = [*([stored] if stored is not None else []), *self._wishes]
        ends = [each for each in known if each.ends]
        return (ends or known)[-1] if known else None

    async def leave(
        self, departure: Departure, *, if_still: Callable[[Snapshot], bool] = lambda _: True
    ) -> bool:
        """End the host and wait until its end is recorded: a request first, then signals, each bounded.

        The host stays if `if_still` rejects the state at the moment when the request is stored; returns False
        then. Raises `ClaudeUnavailable` if a process outlives even SIGKILL; the session is then failed. Raises
        `StorageError` if the request cannot be stored; then the host stays, too.
        """
        # Before the first await: from here on no prompt is sent, and if the host ends by itself, its end leads
        # where this request says.
        self._wishes.append(departure)
        stop_s = self._session.around.patience.stop_s
        try:
            # A host whose log was cut takes no request: it can only be killed.
            with suppress(TimeoutError, LogCut):
                async with asyncio.timeout(stop_s):
                    await self._ask_to_leave(departure, if_still)
                    # Nothing was asked of a process whose turn the next one takes up: an interrupt would end
                    # that turn.
                    if not departure.keeps_turn:
                        await self._host.wait()
        except _Stays:
            self._give_up(departure)
            return False
        except (StorageError, asyncio.CancelledError):
            # If the move is stored, the request stays: the end of the process has to lead where the row says.
            if must_be_stored(self._session.snapshot, departure):
                self._give_up(departure)
            raise
        await self._kill(stop_s)
        return True

    async def end_at_once(self, departure: Departure, grace_s: float) -> None:
        """End the host with signals only, and wait until its end is recorded. Raises as `leave` does."""
        self._wishes.append(departure)
        await self._kill(grace_s)

    async def stuck(self) -> None:
        """Wait until an attempt to end the host fails, then raise `Unkillable`. Never returns."""
        await self._stuck.wait()
        assert self._unkillable is not None
        raise self._unkillable

    @property
    def left(self) -> tuple[LeftProcess, ...]:
        """The processes that Claude's tools left running and that were ended with the host."""
        return tuple(self._left.values())

    async def end_all(self, grace_s: float) -> None:
        """End all processes of the host, even if its program has ended. `left` then has those of its tools.

        Raises `Unkillable`.
        """
        # One at a time: a second caller would see only the processes that the first has not ended yet.
        async with self._ending:
            # Before the kill: nobody can name them afterwards. By pid, since this may run twice for a host.
            for each in await asyncio.to_thread(self._host.left_running):
                self._left[each.pid] = left_process(each)
            await self._host.kill(grace_s)

    async def over(self) -> None:
        """Return when the end of the host is recorded."""
        await self._over.wait()

    def is_over(self) -> None:
        """Release all callers that wait. Call it when the host's end is recorded, or its run is given up."""
        self._over.set()

    async def _kill(self, grace_s: float) -> None:
        try:
            await self.end_all(grace_s)
        except Unkillable as error:
            # `stuck` raises it where the host is read, so that an end is recorded and the wait below returns.
            self._unkillable = error
            self._stuck.set()
        # The task that reads the host records its end. Callers go on when the state shows it.
        await self._over.wait()
        if self._unkillable is not None:
            raise ClaudeUnavailable(self._session.snapshot.reason)

    def _give_up(self, departure: Departure) -> None:
        """Drop the request and wake the sender, which sends nothing to a process about to be left."""
        # Only this one. To restore the requests from before it would drop a clear that came meanwhile.
        self._wishes.remove(departure)
        self._stays()

    async def _ask_to_leave(self, departure: Departure, if_still: Callable[[Snapshot], bool]) -> None:
        driver = self._session.around.driver
        async with self._session.change() as draft:
            if not if_still(draft.snapshot):
                # An exception drops the draft: nothing of the request is stored.
                raise _Stays
            record_departure(draft, departure)
            if departure.keeps_turn:
                return
            # An interrupt keeps the partial text in Claude's transcript; the signals that follow would lose it
            # (measured).
            if draft.snapshot.current is not None:
                token = str(uuid.uuid4())
                draft.send(token, driver.interrupt(token))
            token = str(uuid.uuid4())
            # In one change with the move to `stopping`: after a kill, the next bridge appends the missing ones.
            draft.send(token, driver.end_session(token))

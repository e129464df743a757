"""Leaving a process: where its session goes then, and the steps that end the host.

A wish to leave is in memory first, then stored as the move to `stopping`, with fields that say where it leads.
A bridge that starts again finishes what is stored. `Leaving` owns both for one host.
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
    """Where a session goes without its process. `cause` is for people only.

    With `keeps_turn` a running turn is cut, not ended: the next process takes it up. With `hands_over` the
    conversation may grow in a terminal meanwhile.
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
    """Where a session goes that is stopping; None if it is not."""
    if snapshot.leads_to is None:
        return None
    return Departure(snapshot.leads_to, snapshot.reason, snapshot.keeps_turn)


def must_be_stored(snapshot: Snapshot, departure: Departure) -> bool:
    """Whether the state does not say yet that the process is to go where `departure` leads.

    One that is stored as being parked may still come to be ended for good, not the other way round.
    """
    if snapshot.lifecycle in (Lifecycle.STARTING, Lifecycle.LIVE):
        return True
    return departure.ends and snapshot.leads_to is Lifecycle.PARKED


def leaves_without_process(snapshot: Snapshot, departure: Departure) -> bool:
    """Whether a session that has no process is not yet where `departure` leads."""
    match snapshot.lifecycle:
        case Lifecycle.STOPPING | Lifecycle.ENDED:
            return False
        case Lifecycle.PARKED:
            return departure.ends or (departure.hands_over and not snapshot.queue)
        case _:
            # Parked, one that waits for a process or failed to get one would be woken by nobody.
            return departure.ends or not snapshot.queue


def record_departure(draft: Draft, departure: Departure) -> None:
    """Put on the draft that the process is to end; an end withdraws the prompts that wait."""
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
    """The session is not as it was when somebody wished to park it."""


class Leaving:
    """Whether one host is to end, and ending it. `stays` is called when a wish to leave is given up."""

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
        """Where the session goes when the host has ended; None if nobody wished that it ends.

        An end wins over a park, else the newest wish over what is stored.
        """
        stored = stored_departure(self._session.snapshot)
        known = [*([stored] if stored is not None else []), *self._wishes]
        ends = [each for each in known if each.ends]
        return (ends or known)[-1] if known else None

    async def leave(
        self, departure: Departure, *, if_still: Callable[[Snapshot], bool] = lambda _: True
    ) -> None:
        """End the host and wait until that is recorded: a polite request first, then signals, each bounded.

        It stays if the state no longer is one that `if_still` accepts when the wish is written down. Raises
        `ClaudeUnavailable` if something outlives even SIGKILL; the session is then failed. Raises
        `StorageError` if the wish cannot be written down; then it stays, too.
        """
        self._wishes.append(departure)
        stop_s = self._session.around.patience.stop_s
        try:
            # With a log that was cut it cannot be asked, only ended.
            with suppress(TimeoutError, LogCut):
                async with asyncio.timeout(stop_s):
                    await self._ask_to_leave(departure, if_still)
                    if not departure.keeps_turn:
                        await self._host.wait()
        except _Stays:
            self._give_up(departure)
            return
        except (StorageError, asyncio.CancelledError):
            if must_be_stored(self._session.snapshot, departure):
                self._give_up(departure)
            raise
        await self._kill(stop_s)

    async def end_at_once(self, departure: Departure, grace_s: float) -> None:
        """End the host with signals only, and wait until that is recorded. Raises as `leave`."""
        self._wishes.append(departure)
        await self._kill(grace_s)

    async def stuck(self) -> None:
        """Raise `Unkillable` once somebody found that the host cannot be ended. Never returns."""
        await self._stuck.wait()
        assert self._unkillable is not None
        raise self._unkillable

    @property
    def left(self) -> tuple[LeftProcess, ...]:
        """What Claude's tools had left running and was ended with the host."""
        return tuple(self._left.values())

    async def end_all(self, grace_s: float) -> None:
        """End whatever runs of the host, its program alive or not; `left` tells what its tools had left.

        Raises `Unkillable`.
        """
        # One at a time: who comes second would find what the first has not ended yet, or nothing.
        async with self._ending:
            for each in await asyncio.to_thread(self._host.left_running):
                self._left[each.pid] = left_process(each)
            await self._host.kill(grace_s)

    async def over(self) -> None:
        """Return when the end of the host is recorded."""
        await self._over.wait()

    def is_over(self) -> None:
        """The end of the host is recorded, or nobody stays with it any more: let go of everybody who waits."""
        self._over.set()

    async def _kill(self, grace_s: float) -> None:
        try:
            await self.end_all(grace_s)
        except Unkillable as error:
            self._unkillable = error
            self._stuck.set()
        await self._over.wait()
        if self._unkillable is not None:
            raise ClaudeUnavailable(self._session.snapshot.reason)

    def _give_up(self, departure: Departure) -> None:
        """It stays, and goes on with what waits: a process that only waits to be left is sent nothing."""
        self._wishes.remove(departure)
        self._stays()

    async def _ask_to_leave(self, departure: Departure, if_still: Callable[[Snapshot], bool]) -> None:
        driver = self._session.around.driver
        async with self._session.change() as draft:
            if not if_still(draft.snapshot):
                raise _Stays
            record_departure(draft, departure)
            if departure.keeps_turn:
                return
            if draft.snapshot.current is not None:
                token = str(uuid.uuid4())
                draft.send(token, driver.interrupt(token))
            token = str(uuid.uuid4())
            draft.send(token, driver.end_session(token))

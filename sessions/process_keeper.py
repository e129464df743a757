"""Give processes to sessions: start one when there is room, park one to make room, stay with each to its end.

`ProcessKeeper` owns the tasks that stay with processes. It is also the boundary for errors: an exception from
one session's task is recorded as that session's failure and affects no other session.
"""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace

from backends.base import HostGone, Unkillable
from sessions import events as e
from sessions.clock import Clock
from sessions.host_run import HostRun
from sessions.machine_reserve import MachineReserve
from sessions.model import Lifecycle, SessionId
from sessions.parking import may_be_parked
from sessions.process_end import Broken, Outlived, ProcessEnd
from sessions.process_life import launch_and_stay, stay
from sessions.retry_until_stored import until_stored
from sessions.session import Session
from sessions.slots import Limits, ParkOne, SlotQueue, StartOne, Wait
from sessions.state import Snapshot
from sessions.topics import Topic

log = logging.getLogger(__name__)

STARTS_PER_MINUTE = 5


class ProcessKeeper:
    """The owner of all processes. A session that waits for a process or has one must stay in `loaded`."""

    def __init__(
        self,
        limits: Limits,
        resources: MachineReserve,
        clock: Clock,
        stop_s: float,
        loaded: Callable[[], Sequence[Session]],
    ) -> None:
        self.slots = SlotQueue(limits)
        self._resources = resources
        self._clock = clock
        self._stop_s = stop_s
        self._loaded = loaded
        # A session stays in `_starting` until its process is over, in `_granted` only until it holds its place.
        self._starting: set[SessionId] = set()
        self._granted: set[SessionId] = set()
        self._asked_meanwhile: set[SessionId] = set()
        self._parking: set[SessionId] = set()
        self._starts: dict[SessionId, deque[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def wants_process(self, session: Session) -> None:
        """Let the session wait for a process; it gets one at once if there is room. No-op while one starts."""
        if session.id in self._starting:
            # Asked again when the process is over: the start may fail, or the last process may still be ending.
            self._asked_meanwhile.add(session.id)
            return
        self.slots.add(session.id, session.snapshot.user_id)
        self.grant()

    def changed(self, session: Session) -> None:
        """Note that the session changed, and look whether there is room for a process now."""
        if session.snapshot.holds_slot:
            self._granted.discard(session.id)
            self._asked_meanwhile.discard(session.id)  # the request was for this very process
        # Not earlier: if the database refuses the end, a session without its place in line waits for ever.
        if session.snapshot.lifecycle is Lifecycle.ENDED:
            self.slots.remove(session.id)
        # Only such a change can make room. A session that works changes many times a second.
        if len(self.slots) and (session.snapshot.is_idle or not session.snapshot.holds_slot):
            self.grant()

    def is_starting(self, session_id: SessionId) -> bool:
        """Whether a process of the session is starting, or the last one has not ended yet."""
        return session_id in self._starting

    def is_place_wanted(self, session: Session) -> bool:
        """Whether another session waits and would get a process if this one gave its place up."""
        snapshots = [each.snapshot for each in self._loaded()]
        return self.slots.would_help(session.snapshot, snapshots, self._granted)

    def stop_granting(self) -> None:
        """Start no more processes, neither for waiting sessions nor for those that would go on."""
        self._closing = True

    async def close(self) -> None:
        """Let go of all processes. They keep running."""
        self._closing = True
        # A cancelled task leaves its host alone: only `Leaving` ends one.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def rejoin(self, session: Session, run: HostRun) -> None:
        """Stay with a host that recovery has found again."""
        self.spawn(self._rejoin(session, run), session)

    def spawn(self, work: Coroutine[Any, Any, object], session: Session) -> asyncio.Task[None]:
        """Run `work` for `session` behind the boundary; the task raises nothing but cancellation."""
        task = asyncio.get_running_loop().create_task(
            self._bounded(work, session), name=f"session {session.id}"
        )
        # The loop holds tasks by weak references: without this one, a running task may be collected.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- granting ---------------------------------------------------------------------------------------

    def grant(self) -> None:
        """Start and park processes until nothing more can be done."""
        # No await from here to `_grant_to`: no other task may come between counting the places and taking one.
        sessions = {each.id: each for each in self._loaded()}
        while not self._closing:
            snapshots = [self._as_seen(each) for each in sessions.values()]
            step = self.slots.next_step(snapshots, self._granted)
            match step:
                case StartOne(session_id):
                    self._grant_to(sessions[session_id])
                case ParkOne(session_id):
                    # Before the task begins: the next round of this loop would choose the same session again.
                    self._parking.add(session_id)
                    self.spawn(self._park_for_another(sessions[session_id]), sessions[session_id])
                case Wait():
                    break
        for waiting, _ in self.slots.order():
            if sessions[waiting].snapshot.lifecycle in (Lifecycle.PARKED, Lifecycle.FAILED):
                say = partial(self._say_that_it_waits, sessions[waiting])
                self.spawn(until_stored(say), sessions[waiting])

    def _as_seen(self, session: Session) -> Snapshot:
        """A session that gives its place back anyway cannot be chosen to be parked.

        It is being parked already, or its process is over and that is being recorded: to choose it would change
        nothing, again and again, until the record is stored.
        """
        snapshot = session.snapshot
        is_over = snapshot.lifecycle is Lifecycle.LIVE and session.run is None
        if is_over or (snapshot.id in self._parking and snapshot.holds_slot):
            return replace(snapshot, lifecycle=Lifecycle.STOPPING)
        return snapshot

    def _grant_to(self, session: Session) -> None:
        self.slots.remove(session.id)
        self.slots.served(session.snapshot.user_id)
        self._starting.add(session.id)
        self._granted.add(session.id)
        self.spawn(self._start(session), session)

    async def _say_that_it_waits(self, session: Session) -> None:
        async with session.change() as draft:
            lifecycle = draft.snapshot.lifecycle
            # It may have got its place while this waited for the lock.
            waits = self.slots.place(session.id) is not None and session.id not in self._starting
            if waits and lifecycle in (Lifecycle.PARKED, Lifecycle.FAILED):
                draft.add(e.LifecycleChanged(lifecycle, Lifecycle.QUEUED, "every place is taken"))

    async def _park_for_another(self, session: Session) -> None:
        try:
            await until_stored(partial(self._park_if_idle, session))
        finally:
            self._parking.discard(session.id)
            self.grant()

    async def _park_if_idle(self, session: Session) -> None:
        await session.park_if(may_be_parked, "its place was needed for another session")

    # --- one process ------------------------------------------------------------------------------------

    async def _start(self, session: Session) -> None:
        try:
            if self._starts_too_often(session.id):
                await self._give_up_starting(session)
            else:
                # Its place stays granted meanwhile: another session would meet the same shortage.
                await self._wait_for_memory(session)
                # A requested end is no crash: to be parked and woken often is no crash loop.
                if await launch_and_stay(session):
                    self._starts.pop(session.id, None)
        finally:
            self._starting.discard(session.id)
            self._granted.discard(session.id)
            self._after_process(session)

    async def _wait_for_memory(self, session: Session) -> None:
        """Wait until memory and disk suffice for another process; tell the session of each shortage once."""
        said: set[Topic] = set()
        while shortage := await asyncio.to_thread(self._shortage):
            topic, sentence = shortage
            if topic not in said:
                said.add(topic)
                await until_stored(partial(self._notice, session, topic, sentence))
            await asyncio.sleep(self._resources.look_again_s)

    async def _notice(self, session: Session, topic: Topic, sentence: str) -> None:
        async with session.change() as draft:
            draft.add(e.Noticed(topic, sentence))

    def _shortage(self) -> tuple[Topic, str] | None:
        """The present shortage of the machine, with a sentence about it. Blocks briefly."""
        looks = {Topic.MEMORY: self._resources.memory_shortage, Topic.DISK: self._resources.disk_shortage}
        return next(((topic, sentence) for topic, look in looks.items() if (sentence := look())), None)

    async def _rejoin(self, session: Session, run: HostRun) -> None:
        try:
            if (departure := run.leaving.departure) is not None:
                # A task of its own: `leave` waits until `stay`, below, has recorded the end.
                self.spawn(until_stored(partial(run.leaving.leave, departure)), session)
            await stay(session, run)
        finally:
            if session.id not in self._starting:  # a prompt may have woken it already
                self._after_process(session)

    def _after_process(self, session: Session) -> None:
        """After the end of a process, go on with the session's work and give the free place away."""
        asked = session.id in self._asked_meanwhile
        self._asked_meanwhile.discard(session.id)
        if self._closing:
            return
        snapshot = session.snapshot
        # A failed session goes on only if somebody asks: by itself it would fail again and again.
        goes_on = snapshot.lifecycle is Lifecycle.PARKED and (snapshot.queue or snapshot.current)
        if goes_on or (asked and snapshot.lifecycle in (Lifecycle.PARKED, Lifecycle.FAILED)):
            self.slots.add(session.id, snapshot.user_id)
        self.grant()

    def _starts_too_often(self, session_id: SessionId) -> bool:
        starts = self._starts.setdefault(session_id, deque(maxlen=STARTS_PER_MINUTE))
        now = self._clock.monotonic()
        too_often = len(starts) == STARTS_PER_MINUTE and now - starts[0] < 60
        if not too_often:
            starts.append(now)
        return too_often

    async def _give_up_starting(self, session: Session) -> None:
        self._starts.pop(session.id, None)
        times = f"{STARTS_PER_MINUTE} times in a minute"
        sentence = f"Claude's process ended {times}; send a prompt to try again."
        await until_stored(partial(session.process.record_end, Broken(Topic.CRASH_LOOP, sentence)))

    # --- the boundary -----------------------------------------------------------------------------------

    async def _bounded(self, work: Coroutine[Any, Any, object], session: Session) -> None:
        try:
            await work
        except Exception:
            incident = uuid.uuid4().hex[:8]
            log.exception("session broke down", extra={"session": session.id, "incident": incident})
            try:
                # A cancellation is not caught: it is the end of the bridge, and the process goes on.
                await self._record_breakdown(session, incident)
            except Exception:
                log.exception("not recorded", extra={"session": session.id, "incident": incident})
                # Callers that wait for the end would wait for ever: nobody records it any more.
                session.process.let_go()

    async def _record_breakdown(self, session: Session, incident: str) -> None:
        sentence = f"This session broke down (incident {incident}); send a prompt to try again."
        end: ProcessEnd = Broken(Topic.BROKEN, sentence)
        try:
            # Before the record: a failed session may be woken at once, for a second process beside this one.
            await self._end_process(session)
        except Unkillable as error:
            end = Outlived(error.pids)
        await until_stored(partial(session.process.record_end, end))

    async def _end_process(self, session: Session) -> None:
        """End the session's process, even one that was not found again. The next prompt starts another one."""
        if session.run is not None:
            await session.run.leaving.end_all(self._stop_s)
        elif session.snapshot.holds_slot:
            backend = session.around.backend
            with suppress(HostGone):
                if (ref := await backend.find(session.id, session.snapshot.host)) is not None:
                    await (await backend.attach(ref)).kill(self._stop_s)

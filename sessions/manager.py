"""The one place through which sessions are made, found, started, stopped and recovered.

`SessionManager` owns every loaded session and every task that stays with a process. It is the boundary for
trouble: a session that breaks ends in a recorded state and takes no other with it. Leaving the `async with`
block lets go of everything and leaves the hosts running.
"""

import asyncio
import logging
import uuid
from collections import OrderedDict, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from backends.base import Backend, HostGone, HostRef
from sessions import events as e
from sessions import rows
from sessions.bus import Bus
from sessions.clock import Clock, SystemClock
from sessions.conversations import Conversations
from sessions.driver import Driver
from sessions.errors import SessionNotFound
from sessions.events import PartialText
from sessions.host_run import HostRun
from sessions.model import Lifecycle, PermissionMode, SessionId, TurnStatus, is_session_id
from sessions.process_life import launch_and_stay, stay
from sessions.rows import StoredHost
from sessions.session import Patience, Session, Surroundings, title_from
from sessions.slots import Limits, ParkOne, SlotQueue, StartOne, Wait
from sessions.state import Snapshot
from sessions.work_directory import open_project
from storage import ConstraintViolated, Database, UuidMaker

log = logging.getLogger(__name__)

CACHED_SESSIONS = 256
STARTS_PER_MINUTE = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings decide for the core."""

    run_directory: Path
    workspace_root: Path
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    default_model: str = ""
    default_mode: PermissionMode = PermissionMode.DEFAULT
    continue_cut_turns: bool = True


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is made of. `key` names the place it belongs to; one session that has not ended has it."""

    user_id: str
    channel_id: str
    key: str = ""
    title: str = ""
    project: str = ""
    model: str = ""
    mode: PermissionMode | None = None


class SessionManager:
    """Entered with `async with` after the database is open; `initialize` recovers what was there."""

    def __init__(
        self,
        db: Database,
        backend: Backend,
        driver: Driver,
        conversations: Conversations,
        policy: Policy,
        clock: Clock | None = None,
    ) -> None:
        self.db = db
        self.policy = policy
        self.bus = Bus(db, self._partials)
        self._backend = backend
        self._ids = UuidMaker()
        self._around = Surroundings(
            db=db,
            bus=self.bus,
            backend=backend,
            driver=driver,
            clock=clock or SystemClock(),
            conversations=conversations,
            run_directory=policy.run_directory,
            workspace_root=policy.workspace_root,
            patience=policy.patience,
            continue_cut_turns=policy.continue_cut_turns,
            wants_process=self._wants_process,
            changed=self._changed,
        )
        self._loaded: OrderedDict[SessionId, Session] = OrderedDict()
        self._loading = asyncio.Lock()
        self._slots = SlotQueue(policy.limits)
        self._starting: set[SessionId] = set()
        self._parking: set[SessionId] = set()
        self._starts: dict[SessionId, deque[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def initialize(self) -> None:
        """Find every session that had a process or waited for one, and go on with it."""
        await self.restore_sessions()

    async def shutdown(self, *, stop_hosts: bool = False) -> None:
        """Take nothing more and let go of all processes; they keep running unless `stop_hosts`."""
        if stop_hosts:
            await asyncio.gather(
                *(session.park("the bridge was stopped") for session in self._with_process()),
                return_exceptions=True,
            )
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._backend.close()

    # --- sessions ---------------------------------------------------------------------------------------

    async def create_session(self, wish: NewSession) -> Session:
        """Make a session. Raises `WorkDirectoryRefused`, or `ConstraintViolated` if its key is taken."""
        work_directory = await asyncio.to_thread(open_project, wish.project, self.policy.workspace_root)
        session = Session(Snapshot(SessionId(self._ids.make())), self._around)
        async with session.change(new_session=True) as draft:
            draft.add(
                e.SessionCreated(
                    user_id=wish.user_id,
                    channel_id=wish.channel_id,
                    key=wish.key,
                    title=title_from(wish.title),
                    project=wish.project,
                    work_directory=str(work_directory),
                    model=wish.model or self.policy.default_model,
                    mode=wish.mode or self.policy.default_mode,
                )
            )
        self._keep(session)
        return session

    async def get_or_create_session(self, wish: NewSession) -> Session:
        """The session that holds `wish.key` and has not ended, or a new one; concurrent calls get the same."""
        while True:
            known = await rows.find_by_key(self.db, wish.key)
            if known is not None:
                return await self.get_session(known)
            try:
                return await self.create_session(wish)
            except ConstraintViolated:
                continue

    async def get_session(self, session_id: str) -> Session:
        """The session with this id, loaded if need be. Raises `SessionNotFound`."""
        if not is_session_id(session_id):
            raise SessionNotFound(session_id)
        wanted = SessionId(session_id)
        async with self._loading:
            session = self._loaded.get(wanted)
            if session is None:
                snapshot = await rows.load_snapshot(self.db, wanted)
                if snapshot is None:
                    raise SessionNotFound(session_id)
                session = Session(snapshot, self._around)
            self._keep(session)
        return session

    async def clear_session(self, session_id: str) -> None:
        """End the process and the session; what was said stays stored until retention removes it."""
        session = await self.get_session(session_id)
        self._slots.remove(session.id)
        await session.end("cleared")

    def loaded(self) -> Sequence[Session]:
        """The sessions in memory, least recently used first."""
        return list(self._loaded.values())

    def now_ms(self) -> int:
        """The core's wall clock, in milliseconds since the epoch."""
        return self._around.clock.now_ms()

    def place_in_line(self, session_id: SessionId) -> int | None:
        """How many sessions get a process before this one; None when it does not wait for one."""
        return self._slots.place(session_id)

    def _partials(self, session_id: SessionId) -> Sequence[PartialText]:
        session = self._loaded.get(session_id)
        return session.partials() if session is not None else ()

    def _with_process(self) -> list[Session]:
        return [each for each in self._loaded.values() if each.run is not None]

    def _keep(self, session: Session) -> None:
        """Put the session at the recent end of the cache, and let go of the longest unused ones."""
        self._loaded[session.id] = session
        self._loaded.move_to_end(session.id)
        if len(self._loaded) <= CACHED_SESSIONS:
            return
        for old in list(self._loaded.values()):
            if len(self._loaded) <= CACHED_SESSIONS:
                return
            if not self._is_needed(old):
                del self._loaded[old.id]

    def _is_needed(self, session: Session) -> bool:
        snapshot = session.snapshot
        waits = snapshot.queue or snapshot.current or session.id in self._starting
        return bool(waits) or snapshot.holds_slot or session.run is not None or session.busy

    # --- processes --------------------------------------------------------------------------------------

    def _wants_process(self, session: Session) -> None:
        self._slots.add(session.id, session.snapshot.user_id)
        self._keep(session)
        self._grant()

    def _changed(self, session: Session) -> None:
        """Something about the session changed: perhaps there is room now."""
        if len(self._slots) and (session.snapshot.is_idle or not session.snapshot.holds_slot):
            self._grant()

    def _grant(self) -> None:
        """Start and park processes until nothing more can be done."""
        while not self._closing:
            snapshots = [each.snapshot for each in self._loaded.values()]
            busy = [each for each in snapshots if each.id not in self._parking]
            parking = [each for each in snapshots if each.id in self._parking]
            step = self._slots.next_step([*busy, *map(_as_stopping, parking)], self._starting)
            match step:
                case StartOne(session_id):
                    self._slots.remove(session_id)
                    session = self._loaded[session_id]
                    self._slots.served(session.snapshot.user_id)
                    self._starting.add(session_id)
                    self._spawn(self._start(session), f"process {session_id}")
                case ParkOne(session_id):
                    self._parking.add(session_id)
                    self._spawn(self._park_for_another(self._loaded[session_id]), f"park {session_id}")
                case Wait():
                    break
        for waiting, _ in self._slots.order():
            session = self._loaded[waiting]
            if session.snapshot.lifecycle in (Lifecycle.PARKED, Lifecycle.FAILED):
                self._spawn(self._say_that_it_waits(session), f"queue {waiting}")

    async def _say_that_it_waits(self, session: Session) -> None:
        async with session.change() as draft:
            lifecycle = draft.snapshot.lifecycle
            still = lifecycle in (Lifecycle.PARKED, Lifecycle.FAILED) and session.id not in self._starting
            if still and self._slots.place(session.id) is not None:
                draft.add(e.LifecycleChanged(lifecycle, Lifecycle.QUEUED, "every place is taken"))

    async def _park_for_another(self, session: Session) -> None:
        try:
            if session.snapshot.is_idle:
                await session.park("its place was needed for another session")
        finally:
            self._parking.discard(session.id)
            self._grant()

    async def _start(self, session: Session) -> None:
        try:
            if self._starts_too_often(session.id):
                await self._give_up_starting(session)
            else:
                await launch_and_stay(session)
        finally:
            self._starting.discard(session.id)
            self._after_process(session)

    async def _rejoin(self, session: Session, run: HostRun) -> None:
        try:
            if run.leaving is not None:
                self._spawn(run.leave(run.leaving, session.snapshot.reason), f"leave {session.id}")
            await stay(session, run)
        finally:
            self._after_process(session)

    def _after_process(self, session: Session) -> None:
        """A process is over: take up what it left, and give its place away."""
        if self._closing:
            return
        snapshot = session.snapshot
        if snapshot.lifecycle is Lifecycle.PARKED and (snapshot.queue or snapshot.current):
            self._wants_process(session)
        self._grant()

    def _starts_too_often(self, session_id: SessionId) -> bool:
        starts = self._starts.setdefault(session_id, deque(maxlen=STARTS_PER_MINUTE))
        now = self._around.clock.monotonic()
        too_often = len(starts) == STARTS_PER_MINUTE and now - starts[0] < 60
        if not too_often:
            starts.append(now)
        return too_often

    async def _give_up_starting(self, session: Session) -> None:
        sentence = (
            f"Claude's process ended {STARTS_PER_MINUTE} times within a minute; send a prompt to try again."
        )
        self._starts.pop(session.id, None)
        async with session.change() as draft:
            current = draft.snapshot.current
            if current is not None:
                draft.add(e.TurnEnded(current.turn_id, TurnStatus.CUT, reason=sentence))
            draft.add(e.Noticed("crash_loop", sentence))
            draft.add(e.LifecycleChanged(draft.snapshot.lifecycle, Lifecycle.FAILED, sentence))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._bounded(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bounded(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """The boundary: what escapes here is logged under an incident id, and stays with its session."""
        try:
            await work
        except Exception:
            incident = uuid.uuid4().hex[:8]
            log.exception("unexpected", extra={"task": name, "incident": incident})
            await self._record_breakdown(name, incident)

    async def _record_breakdown(self, name: str, incident: str) -> None:
        session = self._loaded.get(SessionId(name.rpartition(" ")[2]))
        if session is None or session.snapshot.lifecycle in (Lifecycle.ENDED, Lifecycle.FAILED):
            return
        sentence = f"This session broke down (incident {incident}); send a prompt to try again."
        if session.run is not None:
            await session.run.host.kill(self.policy.patience.stop_s)
            session.run.over.set()
        async with session.change() as draft:
            session.run = None
            current = draft.snapshot.current
            if current is not None:
                draft.add(e.TurnEnded(current.turn_id, TurnStatus.CUT, reason=sentence))
            draft.add(e.Noticed("broken", sentence))
            draft.add(e.LifecycleChanged(draft.snapshot.lifecycle, Lifecycle.FAILED, sentence))

    # --- recovery ---------------------------------------------------------------------------------------

    async def restore_sessions(self) -> None:
        """Re-attach to every host that is known, adopt launches that were cut, and wake what waits.

        A session that cannot be restored is failed with its reason and stops no other.
        """
        survivors: dict[tuple[str, int], HostRef] | None = None
        for session_id in await rows.sessions_to_recover(self.db):
            session = await self.get_session(session_id)
            if not session.snapshot.holds_slot:
                if session.snapshot.lifecycle is not Lifecycle.FAILED:
                    self._wants_process(session)
                continue
            stored = await rows.load_host(self.db, session.id, session.snapshot.host)
            if stored is not None and stored.ref is None:
                if survivors is None:
                    survivors = await self._survivors()
                stored = _found(stored, survivors.get((session.id, stored.number)))
            self._spawn(self._restore(session, stored), f"restore {session.id}")

    async def _survivors(self) -> dict[tuple[str, int], HostRef]:
        found: dict[tuple[str, int], HostRef] = {}
        for ref in await self._backend.survivors():
            host = await self._backend.attach(ref)
            found[(host.session_id, host.number)] = ref
        return found

    async def _restore(self, session: Session, stored: StoredHost | None) -> None:
        if stored is None or stored.ref is None:
            await self._record_lost_host(session, "It never started.")
            return
        try:
            host = await self._backend.attach(stored.ref)
        except HostGone:
            await self._record_lost_host(session, "Its process and its log are gone.")
            return
        if stored.status != "live":
            async with session.change() as draft:
                draft.extra.append(rows.host_launched(session.id, stored.number, stored.ref))
        inputs = await rows.load_inputs(self.db, session.id, stored.number)
        run = HostRun(session, host, stored, inputs)
        if session.snapshot.lifecycle is Lifecycle.STOPPING:
            run.leaving = Lifecycle.ENDED if session.snapshot.reason == "cleared" else Lifecycle.PARKED
        session.run = run
        await self._rejoin(session, run)

    async def _record_lost_host(self, session: Session, what: str) -> None:
        """The host left nothing: the conversation goes on from Claude's own transcript."""
        async with session.change() as draft:
            for ask in draft.snapshot.asks:
                draft.add(e.AskWithdrawn(ask.id, "Claude's process ended before it was answered."))
            draft.add(e.HostEnded(draft.snapshot.host, None, what))
            running = draft.snapshot.running
            if running is not None and not running.prompt_uuid:
                draft.add(e.TurnEnded(running.turn_id, TurnStatus.CUT, reason=what))
            draft.add(e.LifecycleChanged(draft.snapshot.lifecycle, Lifecycle.PARKED, what))
        self._after_process(session)


def _as_stopping(snapshot: Snapshot) -> Snapshot:
    """A session that is being parked already: it holds its place, and cannot be chosen again."""
    return replace(snapshot, lifecycle=Lifecycle.STOPPING) if snapshot.holds_slot else snapshot


def _found(stored: StoredHost, ref: HostRef | None) -> StoredHost:
    return StoredHost(stored.number, ref, stored.status, stored.applied, stored.replay_from)

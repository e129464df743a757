"""Make, find, end and count sessions: everything outside reaches them through here.

`SessionManager` puts the parts together: `session_maker.py` makes sessions, `loaded_sessions.py` has them in
memory, `process_keeper.py` owns their processes, `recovery.py` finds them again. Leaving the `async with` block
lets go of everything and leaves the hosts running.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from backends.base import Backend, BackendError
from backends.commands.model import CommandRunner
from sessions import events as e
from sessions import rows
from sessions.account_limits import AccountLimits
from sessions.bus import Bus
from sessions.bypass import BypassRule
from sessions.checkpointing import CheckpointPolicy, SessionCheckpoints
from sessions.clock import Clock, SystemClock
from sessions.conversations import Conversations
from sessions.dependencies import Dependencies, Patience
from sessions.driver import Driver
from sessions.errors import SessionError
from sessions.loaded_sessions import LoadedSessions
from sessions.machine_reserve import MachineReserve
from sessions.memory_relief import MemoryRelief
from sessions.model import PermissionMode, SessionId
from sessions.parking import may_be_parked
from sessions.process_keeper import ProcessKeeper
from sessions.recovery import recover
from sessions.retention import Retention, RetentionRules
from sessions.rule_keeping import tell_rules
from sessions.session import Session
from sessions.session_maker import NewSession, SessionMaker
from sessions.slots import Limits
from sessions.state import Snapshot
from sessions.supervision import Supervisor, Vigilance
from sessions.tools import Toolbox
from sessions.topics import Topic
from sessions.trust import TrustPolicy
from storage import Database, StorageError
from workdirs.checkpoint_model import Restored

log = logging.getLogger(__name__)

_CLEAR_ALL_S = 9.0  # below the ten seconds that `clear_all_sessions` promises
_CLEARED = "cleared"
_MAX_OF_USER = 100
_NOT_CLEARED = "It could not be ended, or that could not be stored; it may still run. The log says why."


class Policy(msgspec.Struct, frozen=True):
    """The settings that the core works by. `commands` runs shell commands beside sessions.

    `sandbox_news` returns what people are told once about the sandbox, and remembers it; it blocks briefly.
    """

    run_directory: Path
    workspace_root: Path
    resources: MachineReserve
    limits: Limits = msgspec.field(default_factory=Limits)
    patience: Patience = msgspec.field(default_factory=Patience)
    vigilance: Vigilance = msgspec.field(default_factory=Vigilance)
    retention: RetentionRules = msgspec.field(default_factory=RetentionRules)
    default_model: str = ""
    default_mode: PermissionMode = PermissionMode.DEFAULT
    private_places: tuple[Path, ...] = ()
    continue_cut_turns: bool = True
    trust: TrustPolicy = msgspec.field(default_factory=TrustPolicy)
    bypass: BypassRule = msgspec.field(default_factory=BypassRule)
    surveys: bool = True
    asks_for_titles: bool = False
    checkpoints: CheckpointPolicy | None = None
    commands: CommandRunner | None = None
    sandbox_news: Callable[[], str] | None = None
    tools: Toolbox | None = None


class Cleared(msgspec.Struct, frozen=True):
    """The result of an emergency stop for one session; `trouble` is a sentence, or empty if it was cleared."""

    session_id: SessionId
    had_process: bool
    trouble: str = ""


class SessionManager:
    """The owner of all sessions. Make it on an open database and enter it; `initialize` recovers sessions."""

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
        self._backend = backend
        self._clock = clock or SystemClock()
        self._loaded = LoadedSessions(db, self._session, self._is_needed)
        self.bus = Bus(db, self._loaded.partials)
        self.keeper = ProcessKeeper(
            policy.limits, policy.resources, self._clock, policy.patience.stop_s, self.loaded
        )
        self.limits = AccountLimits(self._wake_senders)
        self._supervision: asyncio.Task[None] | None = None
        self._intervals: asyncio.Task[None] | None = None
        self.checkpoints = _checkpoints(db, policy, self._clock)
        self._around = Dependencies(
            db=db,
            bus=self.bus,
            backend=backend,
            driver=driver,
            clock=self._clock,
            conversations=conversations,
            resources=policy.resources,
            run_directory=policy.run_directory,
            workspace_root=policy.workspace_root,
            private_places=policy.private_places,
            patience=policy.patience,
            continue_cut_turns=policy.continue_cut_turns,
            trust=policy.trust,
            bypass=policy.bypass,
            limits=self.limits,
            surveys=policy.surveys,
            asks_for_titles=policy.asks_for_titles,
            checkpoints=self.checkpoints,
            commands=policy.commands,
            sandbox_news=policy.sandbox_news,
            tools=policy.tools,
        )
        self.maker = SessionMaker(self._loaded, self._around, policy.default_model, policy.default_mode)
        self.retention = Retention(self._around, policy.retention, self.get_session, self._loaded.forget)
        relief = MemoryRelief(policy.resources, self._clock, self.loaded)
        self._supervisor = Supervisor(
            policy.vigilance, self.loaded, self.keeper.is_place_wanted, self.retention.apply, relief.look
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def initialize(self) -> None:
        """Start supervision and recover every session that had a process or waited for one."""
        self._supervision = asyncio.create_task(self._supervisor.run(), name="supervision")
        try:
            await self.db.write([rows.fail_cut_requests()])
        except StorageError:
            # A full disk ends no start. The next one tells that these requests were cut.
            log.exception("cut requests are not marked")
        if self.checkpoints is not None:
            # Before any prompt can leave: Claude must not work in files that are half restored.
            await self._finish_cut_work(self.checkpoints)
            self._intervals = asyncio.create_task(self.checkpoints.run(self.loaded), name="checkpoints")
        if self._around.commands is not None:
            # A killed keeper leaves its command running, and nobody else looks for it.
            await self._around.commands.sweep()
        await self.restore_sessions()

    async def restore_sessions(self) -> None:
        """Re-attach to the hosts that survived; see `recovery.recover`."""
        # `recover` attaches known hosts. To look at them here, too, was a third of a start with a thousand.
        known = await rows.hosts_not_ended(self.db)
        if strangers := await self._backend.survivors(besides=known):
            # Before `recover`, which may start a process: two must not run on one conversation.
            from sessions.adoption import adopt_strangers  # most starts find none

            await adopt_strangers(strangers, self._backend, self.keeper, self.get_session, self._loaded.new)
        sessions = await self._loaded.get_readable(await rows.sessions_to_recover(self.db))
        for session in sessions:
            # Limits are known only in memory: a start learns them from the sessions that they hold back.
            if session.snapshot.limit is not None:
                self.limits.learn(session.snapshot.limit, session.snapshot.last_activity_ms)
        await recover(self.db, self._backend, self.keeper, sessions)

    async def shutdown(self, *, stop_hosts: bool = False) -> None:
        """Stop supervision and let go of all processes. They keep running; with `stop_hosts` they are ended."""
        # First of all: neither may park a session or look at files while the rest lets go.
        for task in (self._supervision, self._intervals):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self.checkpoints is not None:
            await self.checkpoints.close()
        if stop_hosts:
            # Or each place that becomes free would start a waiting session.
            self.keeper.stop_granting()
            parked = (
                each.park("the bridge was stopped", keep_turn=True) for each in self._loaded.with_process()
            )
            await asyncio.gather(*parked, return_exceptions=True)
        await self.keeper.close()
        for session in self._loaded.with_process():
            # A caller that waits for an end would wait for ever: this bridge records none any more.
            session.process.let_go()
        await self._backend.close()

    def now_ms(self) -> int:
        """The core's wall clock, in milliseconds since the epoch."""
        return self._clock.now_ms()

    # --- making and finding -----------------------------------------------------------------------------

    async def create_session(self, wish: NewSession) -> Session:
        """Make a session; see `SessionMaker.create`. `maker` has the other ways to make one."""
        return await self.maker.create(wish)

    async def get_or_create_session(self, wish: NewSession) -> Session:
        """Return the session of the place `wish.key`, or a new one; see `SessionMaker.get_or_create`."""
        return await self.maker.get_or_create(wish)

    async def get_session(self, session_id: str) -> Session:
        """Return the session with this id; load it if it is not in memory. Raises `SessionNotFound`."""
        return await self._loaded.get(session_id)

    async def get_user_sessions(self, user_id: str) -> list[Session]:
        """Return the user's own sessions that have not ended, newest activity first; at most a hundred."""
        return await self.get_readable(await rows.sessions_of_user(self.db, user_id, _MAX_OF_USER))

    async def get_readable(self, ids: Sequence[SessionId]) -> list[Session]:
        """Return the sessions with these ids, in this order. Leave out and log damaged or just deleted ones."""
        return await self._loaded.get_readable(ids)

    async def persist_session(self, session_id: str) -> None:
        """Store the session's row as it is now. Rarely needed: each change is stored as it happens."""
        session = await self.get_session(session_id)
        async with session.change() as draft:
            draft.extra.append(rows.update_session(draft.snapshot))

    async def memory_bytes(self) -> int:
        """Return the memory that all host trees use together, in bytes. Reading takes milliseconds per host."""
        runs = [each.run for each in self._loaded.with_process() if each.run is not None]
        # One after the other: each look reads the memory of a whole process tree.
        usages = [await asyncio.to_thread(run.host.usage) for run in runs]
        return sum(usage.memory_bytes for usage in usages)

    def loaded(self) -> Sequence[Session]:
        """The sessions in memory, least recently used first."""
        return self._loaded.all()

    def place_in_line(self, session_id: SessionId) -> int | None:
        """Return how many sessions get a process before this one; None if it does not wait for one."""
        return self.keeper.slots.place(session_id)

    async def tell_rules(self, work_directory: str, *, without: int | None = None) -> None:
        """Tell every running process in `work_directory` its present permission rules; see `rule_keeping`."""
        for session in self._loaded.with_process():
            if session.snapshot.work_directory == work_directory:
                await tell_rules(session, without=without)

    async def renew_processes(self, work_directory: str, cause: str) -> None:
        """Park the idle sessions in `work_directory`, so that their next process gets the present settings."""
        for session in self._loaded.with_process():
            if session.snapshot.work_directory == work_directory:
                await session.park_if(may_be_parked, cause)

    # --- ending -----------------------------------------------------------------------------------------

    async def clear_session(self, session_id: str) -> None:
        """End the process and the session. The conversation stays stored until retention removes it."""
        await (await self.get_session(session_id)).end(_CLEARED)

    async def clear_all_sessions(self) -> list[Cleared]:
        """Emergency stop: end every process within 10 seconds, even during a turn, and clear its session."""
        # Empty the queue first: a place that becomes free must not start a waiting session.
        for session in self.loaded():
            self.keeper.slots.remove(session.id)
        busy = [each for each in self.loaded() if each.snapshot.holds_slot or each.snapshot.queue]
        cleared = await asyncio.gather(*map(self._clear_by_force, busy))
        if self._around.commands is not None:
            await self._around.commands.stop_all()
        return list(cleared)

    async def _clear_by_force(self, session: Session) -> Cleared:
        run = session.run
        try:
            async with asyncio.timeout(_CLEAR_ALL_S):
                # `Host.kill` may take this time twice, for TERM and KILL. The rest is for storing the end.
                await session.end_at_once(_CLEARED, _CLEAR_ALL_S / 3)
                # It may have asked for a place again while its process ended.
                self.keeper.slots.remove(session.id)
        except (TimeoutError, BackendError, SessionError, StorageError):
            log.exception("not cleared", extra={"session": session.id})
            return Cleared(session.id, run is not None, _NOT_CLEARED)
        return Cleared(session.id, run is not None)

    # --- what the parts ask for -------------------------------------------------------------------------

    async def _finish_cut_work(self, checkpoints: SessionCheckpoints) -> None:
        """Finish restores, branches and merges that the end of the last process cut.

        Most starts find none, so the code for it is loaded only if there are some.
        """
        for restored in await checkpoints.recover():
            await self._tell_restored(restored)
        if await rows.load_cut_branches(self.db):
            from sessions.own_copies import finish_cut_branches

            await finish_cut_branches(self.db)
        if await rows.load_cut_merges(self.db):
            from sessions.merging import finish_cut_merges

            await finish_cut_merges(self.db, checkpoints)

    async def _tell_restored(self, restored: Restored) -> None:
        """Say in the session that a restore which the last process began is finished."""
        from sessions.restoring import restored_words

        try:
            session = await self.get_session(restored.safety.owner)
        except SessionError:
            return  # it was deleted meanwhile
        async with session.change() as draft:
            draft.add(e.Noticed(Topic.RESTORED, f"After the restart: {restored_words(restored)}"))

    def _wake_senders(self) -> None:
        """Let every session try its next prompt again: the known usage limits have changed."""
        for session in self.loaded():
            if session.run is not None:
                session.run.sender.wake()

    def _session(self, snapshot: Snapshot) -> Session:
        return Session(snapshot, self._around, self)

    def wants_process(self, session: Session) -> None:
        """Let `session` wait for a process; see `SessionOwner`."""
        self._loaded.keep(session)
        self.keeper.wants_process(session)

    def changed(self, session: Session) -> None:
        """Note that `session` changed; see `SessionOwner`."""
        self.keeper.changed(session)

    def _is_needed(self, session: Session) -> bool:
        snapshot = session.snapshot
        keeper = self.keeper
        # A session can wait in line without a prompt, to put files back. The keeper looks up all that wait, so
        # those stay in memory as well.
        waits = (
            snapshot.queue or snapshot.current or session.id in keeper.slots or keeper.is_starting(session.id)
        )
        return bool(waits) or snapshot.holds_slot or session.run is not None or session.busy


def _checkpoints(db: Database, policy: Policy, clock: Clock) -> SessionCheckpoints | None:
    if policy.checkpoints is None:
        return None
    return SessionCheckpoints(db, policy.checkpoints, policy.workspace_root, clock.now_ms, clock.monotonic)

"""The one place through which sessions are made, found, ended and counted.

`SessionManager` owns every loaded session; `process_keeper.py` owns their processes, `recovery.py` finds them
again. Leaving the `async with` block lets go of everything and leaves the hosts running.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from backends.base import Backend, BackendError
from sessions import events as e
from sessions import rows
from sessions.access import Actor, Role
from sessions.adoption import adopt_strangers
from sessions.archive import read_archive
from sessions.bus import Bus
from sessions.claude.launch import is_model_name
from sessions.claude.transcript import StoredConversation
from sessions.clock import Clock, SystemClock
from sessions.commands import QuerySessions, ReadStatistics, Statistics, Totals
from sessions.conversations import Conversations
from sessions.driver import Driver
from sessions.errors import IllegalMove, ModelRefused, SessionError, SessionNotFound
from sessions.events import PartialText
from sessions.importing import fill_from_archive, fill_from_transcript
from sessions.model import PermissionMode, SessionId, TurnId, is_session_id
from sessions.process_keeper import ProcessKeeper
from sessions.queries import read_page
from sessions.quotas import Budget
from sessions.reasons import CLEARED
from sessions.recovery import recover
from sessions.resources import Resources
from sessions.retention import Retention, RetentionRules
from sessions.session import Session
from sessions.slots import Limits
from sessions.state import Snapshot
from sessions.supervision import Supervisor, Vigilance
from sessions.surroundings import Patience, Surroundings
from sessions.title import title_from
from sessions.usage_rows import count_by_lifecycle, read_usage
from sessions.work_directory import check_work_directory, open_project
from storage import ConstraintViolated, Database, UuidMaker

log = logging.getLogger(__name__)

CACHED_SESSIONS = 256
_CLEAR_ALL_S = 9.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings decide for the core."""

    run_directory: Path
    workspace_root: Path
    resources: Resources
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    vigilance: Vigilance = field(default_factory=Vigilance)
    budget: Budget = field(default_factory=Budget)
    retention: RetentionRules = field(default_factory=RetentionRules)
    default_model: str = ""
    default_mode: PermissionMode = PermissionMode.DEFAULT
    continue_cut_turns: bool = True
    secrets: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class ClearedOne:
    """What became of a session in an emergency stop; `trouble` is empty when all went well."""

    session_id: SessionId
    had_process: bool
    trouble: str


class SessionManager:
    """Made after the database is open, entered with `async with`; `initialize` recovers what was there."""

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
        self._clock = clock or SystemClock()
        self._loaded: OrderedDict[SessionId, Session] = OrderedDict()
        # Whoever still holds a session that left the cache must meet the same object there again.
        self._alive: WeakValueDictionary[SessionId, Session] = WeakValueDictionary()
        self._loading = asyncio.Lock()
        self.keeper = ProcessKeeper(
            policy.limits, policy.resources, self._clock, policy.patience.stop_s, self.loaded
        )
        self._supervision: asyncio.Task[None] | None = None
        self._around = Surroundings(
            db=db,
            bus=self.bus,
            backend=backend,
            driver=driver,
            clock=self._clock,
            conversations=conversations,
            resources=policy.resources,
            run_directory=policy.run_directory,
            workspace_root=policy.workspace_root,
            patience=policy.patience,
            continue_cut_turns=policy.continue_cut_turns,
            wants_process=self._wants_process,
            changed=self.keeper.changed,
        )
        self.retention = Retention(self._around, policy.retention, self.get_session, self._forget)
        self._supervisor = Supervisor(
            policy.vigilance, self.loaded, lambda: len(self.keeper.slots), self.retention.apply
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def initialize(self) -> None:
        """Find every session that had a process or waited for one, and go on with it."""
        self._supervision = asyncio.create_task(self._supervisor.run(), name="supervision")
        await self.restore_sessions()

    async def restore_sessions(self) -> None:
        """Re-attach to what survived; see `recovery.recover`."""
        await adopt_strangers(self._backend, self.keeper, self.get_session, self._unknown_session)
        await recover(self.db, self._backend, self.keeper, self.get_session)

    async def shutdown(self, *, stop_hosts: bool = False) -> None:
        """Take nothing more and let go of all processes; they keep running unless `stop_hosts`."""
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.gather(self._supervision, return_exceptions=True)
        if stop_hosts:
            self.keeper.stop_granting()
            parked = (each.park("the bridge was stopped", keep_turn=True) for each in self._with_process())
            await asyncio.gather(*parked, return_exceptions=True)
        await self.keeper.close()
        for session in self._with_process():
            if session.run is not None:
                session.run.over.set()  # who waits for the end of a process would wait for ever
        await self._backend.close()

    def now_ms(self) -> int:
        """The core's wall clock, in milliseconds since the epoch."""
        return self._clock.now_ms()

    # --- making and finding -----------------------------------------------------------------------------

    async def create_session(self, wish: NewSession) -> Session:
        """Make a session. Raises `WorkDirectoryRefused`, or `ConstraintViolated` if its key is taken."""
        work_directory = await asyncio.to_thread(open_project, wish.project, self.policy.workspace_root)
        async with self._making() as session, session.change(new_session=True) as draft:
            draft.add(self._created(wish, str(work_directory)))
        return session

    async def get_or_create_session(self, wish: NewSession) -> Session:
        """The session that holds `wish.key` and has not ended, or a new one; concurrent calls get the same.

        Without a key it is always a new one.
        """
        if not wish.key:
            return await self.create_session(wish)
        while True:
            known = await rows.find_by_key(self.db, wish.key)
            if known is not None:
                return await self.get_session(known)
            try:
                return await self.create_session(wish)
            except ConstraintViolated:
                continue

    async def branch_session(self, parent: Session, turn_id: TurnId | None, wish: NewSession) -> Session:
        """A new session that goes on from a turn of `parent` (None: the last one); the parent is untouched.

        Raises `IllegalMove` if that turn cannot be branched from yet, `TurnNotFound` if it is not the parent's.
        """
        turn = await rows.find_branch_point(self.db, parent.id, turn_id)
        if not turn.last_uuid or not turn.conversation_id:
            raise IllegalMove("Branching from this turn", "not that far")
        async with self._making() as session, session.change(new_session=True) as draft:
            draft.add(self._created(wish, parent.snapshot.work_directory))
            draft.add(e.Branched(parent.id, turn.id, turn.conversation_id, turn.last_uuid))
            words = "This branch works in the same directory as the session it came from."
            draft.add(e.Noticed("shared_directory", words))
        return session

    async def import_session(self, data: bytes, wish: NewSession) -> Session:
        """A session made from an exported file. Raises `ImportRefused`, `WorkDirectoryRefused`."""
        archive = await asyncio.to_thread(read_archive, data)
        work_directory = await asyncio.to_thread(open_project, wish.project, self.policy.workspace_root)
        model = wish.model or (archive.model if is_model_name(archive.model) else "")
        titled = replace(wish, title=wish.title or archive.title, model=model)
        async with self._making() as session:
            await fill_from_archive(session, self._created(titled, str(work_directory)), archive)
        return session

    async def stored_conversations(self) -> list[StoredConversation]:
        """Claude's conversations on this machine that no session has, last written first."""
        found = await asyncio.to_thread(self._around.conversations.stored)
        taken = await rows.conversations_in_use(self.db)
        return [each for each in found if each.conversation_id not in taken]

    async def adopt_conversation(self, conversation_id: str, wish: NewSession) -> Session:
        """A session that takes over a conversation begun elsewhere, in the directory that it was begun in.

        Raises `SessionNotFound` if there is none to take, `WorkDirectoryRefused` if it lies elsewhere.
        """
        free = {each.conversation_id: each for each in await self.stored_conversations()}
        if conversation_id not in free:
            raise SessionNotFound(conversation_id)
        conversation = free[conversation_id]
        directory = check_work_directory(Path(conversation.cwd), self.policy.workspace_root)
        turns = await asyncio.to_thread(self._around.conversations.turns_after, conversation_id, directory, "")
        titled = replace(wish, title=wish.title or conversation.title or conversation.first_prompt)
        created = self._created(titled, str(directory))
        async with self._making() as session:
            await fill_from_transcript(session, created, conversation_id, turns)
        return session

    async def get_session(self, session_id: str) -> Session:
        """The session with this id, loaded if need be. Raises `SessionNotFound`."""
        if not is_session_id(session_id):
            raise SessionNotFound(session_id)
        wanted = SessionId(session_id)
        async with self._loading:
            session = self._loaded.get(wanted) or self._alive.get(wanted)
            if session is None:
                snapshot = await rows.load_snapshot(self.db, wanted)
                if snapshot is None:
                    raise SessionNotFound(session_id)
                session = Session(snapshot, self._around)
            self._keep(session)
        return session

    async def query_sessions(self, actor: Actor, query: QuerySessions) -> tuple[list[Session], str]:
        """A page of the sessions that `actor` may view, and the cursor of the next one; see `QuerySessions`."""
        ids, cursor = await read_page(self.db, actor, query)
        return [await self.get_session(each) for each in ids], cursor

    async def get_user_sessions(self, user_id: str) -> list[Session]:
        """The user's own sessions that have not ended, newest activity first; at most a hundred."""
        admin = Actor(user_id, "core", Role.ADMIN)
        sessions, _ = await self.query_sessions(admin, QuerySessions(user_id=user_id, limit=100))
        return sessions

    async def persist_session(self, session_id: str) -> None:
        """Return when the session's row is stored as it is; every change is stored as it happens anyway."""
        session = await self.get_session(session_id)
        async with session.change() as draft:
            draft.extra.append(rows.update_session(draft.snapshot))

    async def statistics(self, wish: ReadStatistics) -> Statistics:
        """Counts and sums for `wish`; reads the memory of every host tree, which takes milliseconds each."""
        runs = [each.run for each in self._with_process() if each.run is not None]
        usages = [await asyncio.to_thread(run.host.usage) for run in runs]
        totals = await read_usage(self.db, wish.since_ms, "")
        groups = await read_usage(self.db, wish.since_ms, wish.group_by) if wish.group_by else []
        return Statistics(
            by_lifecycle=await count_by_lifecycle(self.db),
            live_processes=sum(each.snapshot.holds_slot for each in self.loaded()),
            max_processes=self.policy.limits.max_sessions,
            waiting=len(self.keeper.slots),
            open_asks=sum(len(each.snapshot.asks) for each in self.loaded()),
            memory_bytes=sum(usage.memory_bytes for usage in usages),
            totals=totals[0].totals if totals else Totals(),
            groups=tuple(groups),
        )

    def loaded(self) -> Sequence[Session]:
        """The sessions in memory, least recently used first."""
        return list(self._loaded.values())

    def place_in_line(self, session_id: SessionId) -> int | None:
        """How many sessions get a process before this one; None when it does not wait for one."""
        return self.keeper.slots.place(session_id)

    # --- ending -----------------------------------------------------------------------------------------

    async def clear_session(self, session_id: str) -> None:
        """End the process and the session; what was said stays stored until retention removes it."""
        session = await self.get_session(session_id)
        self.keeper.slots.remove(session.id)
        await session.end(CLEARED)

    async def clear_all_sessions(self) -> list[ClearedOne]:
        """Emergency: end every process within 10 seconds, whatever it is doing, and clear its session."""
        for session in self.loaded():
            self.keeper.slots.remove(session.id)
        busy = [each for each in self.loaded() if each.snapshot.holds_slot or each.snapshot.queue]
        return list(await asyncio.gather(*map(self._clear_by_force, busy)))

    async def _clear_by_force(self, session: Session) -> ClearedOne:
        run = session.run
        try:
            async with asyncio.timeout(_CLEAR_ALL_S):
                if run is not None:
                    await run.host.kill(_CLEAR_ALL_S / 3)
                    await run.over.wait()
                self.keeper.slots.remove(session.id)
                await session.end(CLEARED)
        except (TimeoutError, BackendError, SessionError) as error:
            log.exception("not cleared", extra={"session": session.id})
            return ClearedOne(session.id, run is not None, f"{type(error).__name__}: it may still run")
        return ClearedOne(session.id, run is not None, "")

    # --- the cache --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _making(self) -> AsyncIterator[Session]:
        """A new session, known before it is stored: nobody who finds its row makes a second object of it."""
        session = self._new_session()
        self._keep(session)
        try:
            yield session
        finally:
            if session.snapshot.next_event == 1:
                self._loaded.pop(session.id, None)

    def _new_session(self) -> Session:
        return Session(Snapshot(SessionId(self._ids.make())), self._around)

    def _unknown_session(self, session_id: SessionId) -> Session:
        """A session that has no row, under the id that its host says."""
        session = Session(Snapshot(session_id), self._around)
        self._keep(session)
        return session

    def _created(self, wish: NewSession, work_directory: str) -> e.SessionCreated:
        model = wish.model or self.policy.default_model
        if model and not is_model_name(model):
            raise ModelRefused(model)
        return e.SessionCreated(
            user_id=wish.user_id,
            channel_id=wish.channel_id,
            key=wish.key,
            title=title_from(wish.title),
            project=wish.project,
            work_directory=work_directory,
            model=model,
            mode=wish.mode or self.policy.default_mode,
        )

    def _wants_process(self, session: Session) -> None:
        self._keep(session)
        self.keeper.wants_process(session)

    def _partials(self, session_id: SessionId) -> Sequence[PartialText]:
        session = self._loaded.get(session_id)
        return session.partials() if session is not None else ()

    def _with_process(self) -> list[Session]:
        return [each for each in self._loaded.values() if each.snapshot.holds_slot]

    def _keep(self, session: Session) -> None:
        """Put the session at the recent end of the cache, and let go of the longest unused ones."""
        self._loaded[session.id] = self._alive[session.id] = session
        self._loaded.move_to_end(session.id)
        for old in list(self._loaded.values()):
            if len(self._loaded) <= CACHED_SESSIONS:
                return
            if not self._is_needed(old):
                del self._loaded[old.id]

    def _forget(self, session_id: SessionId) -> None:
        self._loaded.pop(session_id, None)
        self._alive.pop(session_id, None)

    def _is_needed(self, session: Session) -> bool:
        snapshot = session.snapshot
        waits = snapshot.queue or snapshot.current or self.keeper.is_starting(session.id)
        return bool(waits) or snapshot.holds_slot or session.run is not None or session.busy

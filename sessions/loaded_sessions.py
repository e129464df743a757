"""The sessions in memory: one object per session, loaded on demand and dropped when it is not needed.

A session that waits or has a process stays. The others leave the cache, the longest unused first.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakValueDictionary

from sessions import rows
from sessions.errors import SessionNotFound, SessionUnreadable
from sessions.events import PartialText
from sessions.model import SessionId, is_session_id
from sessions.session import Session
from sessions.state import Snapshot
from storage import Database

log = logging.getLogger(__name__)

CACHED_SESSIONS = 256
_LOOK_EVERY = 64


class LoadedSessions:
    """A cache of sessions. `make` builds a session from a snapshot; `is_needed` keeps one in the cache."""

    def __init__(
        self, db: Database, make: Callable[[Snapshot], Session], is_needed: Callable[[Session], bool]
    ) -> None:
        self._db = db
        self._make = make
        self._is_needed = is_needed
        self._cached: OrderedDict[SessionId, Session] = OrderedDict()
        # A caller may still hold a session that left the cache. Loading it again must return the same object.
        self._alive: WeakValueDictionary[SessionId, Session] = WeakValueDictionary()
        self._loading = asyncio.Lock()
        self._most = CACHED_SESSIONS

    async def get(self, session_id: str) -> Session:
        """Return the session with this id, loading it if needed. Raises `SessionNotFound`."""
        if not is_session_id(session_id):
            raise SessionNotFound(session_id)
        wanted = SessionId(session_id)
        # One load at a time: two at once would make two objects of one session.
        async with self._loading:
            session = self._cached.get(wanted) or self._alive.get(wanted)
            if session is None:
                snapshot = await rows.load_snapshot(self._db, wanted)
                if snapshot is None:
                    raise SessionNotFound(session_id)
                session = self._make(snapshot)
            self.keep(session)
        return session

    async def get_readable(self, session_ids: Sequence[SessionId]) -> list[Session]:
        """Return the sessions with these ids, in this order. One query loads all that are not in memory.

        Damaged sessions are left out and logged. Sessions that no longer exist are left out, too.
        """
        async with self._loading:
            # A caller may hold one that left the cache: a second object would not know its changes.
            unknown = [each for each in session_ids if each not in self._alive]
            for snapshot in await rows.load_snapshots(self._db, unknown):
                self.keep(self._make(snapshot))
        found = []
        for session_id in session_ids:
            try:
                found.append(await self.get(session_id))
            except SessionUnreadable:
                log.exception("cannot be read", extra={"session": session_id})
            except SessionNotFound:
                continue
        return found

    def all(self) -> Sequence[Session]:
        """Return the sessions in the cache, least recently used first."""
        return list(self._cached.values())

    def with_process(self) -> Sequence[Session]:
        """Return the sessions in the cache that hold a slot."""
        return [each for each in self._cached.values() if each.snapshot.holds_slot]

    def partials(self, session_id: SessionId) -> Sequence[PartialText]:
        """Return the text that Claude is writing in the session now; empty if it is not in memory."""
        session = self._cached.get(session_id)
        return session.partials() if session is not None else ()

    def new(self, session_id: SessionId) -> Session:
        """Make a session without a row. The cache holds it before it is stored, so no second object is made."""
        session = self._make(Snapshot(session_id))
        self.keep(session)
        return session

    @contextmanager
    def making(self, session_id: SessionId) -> Iterator[Session]:
        """Make a new session for the block; if nothing of it was stored, drop it from the cache afterwards."""
        session = self.new(session_id)
        try:
            yield session
        finally:
            if session.snapshot.next_event == 1:
                self._cached.pop(session.id, None)

    def keep(self, session: Session) -> None:
        """Put the session at the recent end of the cache, and drop the longest unused ones if it is full."""
        self._cached[session.id] = self._alive[session.id] = session
        self._cached.move_to_end(session.id)
        if len(self._cached) > self._most:
            self._let_go()

    def _let_go(self) -> None:
        for old in self.all():
            if len(self._cached) <= CACHED_SESSIONS:
                break
            if not self._is_needed(old):
                del self._cached[old.id]
        # If nearly all sessions are needed, do not check them all again for each further one.
        full = len(self._cached) > CACHED_SESSIONS
        self._most = len(self._cached) + _LOOK_EVERY if full else CACHED_SESSIONS

    def forget(self, session_id: SessionId) -> None:
        """Drop a deleted session, even if a caller still holds it."""
        self._cached.pop(session_id, None)
        self._alive.pop(session_id, None)

"""Archive unused sessions, and delete ended ones by rules.

An archived session is an ended one whose reason says so. It leaves the lists and gives its place back, but
loses nothing. `restore` brings an ended session back until a rule deletes it with all that we keep of it.
Claude's own transcripts are never touched; our copies are deleted with the session.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from backends.base import BackendError
from sessions import events as e
from sessions import retention_rows as stored
from sessions import rows
from sessions.dependencies import Dependencies
from sessions.ended_hosts import remove_all, remove_ended_hosts, sweep
from sessions.errors import IllegalMove, NotRemoved, PlaceTaken, SessionError, SessionNotFound
from sessions.model import Lifecycle, SessionId
from sessions.retention_rows import StoredOne
from sessions.session import Session
from sessions.stored import BranchStatus
from storage import ConstraintViolated, StorageError
from workdirs.rows import release

log = logging.getLogger(__name__)

ARCHIVED = "archived: nobody used it for long"
"""The reason of a session that a rule ended."""

MAX_SIZED = 500
_ERASING_S = 2.0
"""A person may wait for it."""
_DAY_MS = 86_400_000


class RetentionRules(msgspec.Struct, frozen=True):
    """The rules of removal. A rule that is None removes nothing. A day has 24 hours.

    `keep_ended_days`, `max_ended` and `max_ended_bytes` delete ended sessions, the earliest ended first.
    `archive_after_days` ends sessions that had no process and no activity for so many days. Sessions that
    somebody ended with a summary and a bundle are deleted by `keep_archived_days` alone.
    """

    keep_ended_days: float | None = None
    archive_after_days: float | None = None
    max_ended: int | None = None
    max_ended_bytes: int | None = None
    keep_archived_days: float | None = None


class Due(msgspec.Struct, frozen=True):
    """A session to remove, and the reason in words."""

    session: StoredOne
    why: str


def due_for_deletion(rules: RetentionRules, ended: Sequence[StoredOne], now_ms: int) -> Iterator[Due]:
    """Yield the sessions of `ended` (newest first) to delete. Pure; only `max_ended_bytes` looks at sizes."""
    total_bytes = 0
    for session in ended:
        days = rules.keep_archived_days
        if session.is_archived and days is not None and now_ms - session.last_ms >= days * _DAY_MS:
            yield Due(session, f"archived {days:g} days ago or earlier")
    for place, session in enumerate((each for each in ended if not each.is_archived), start=1):
        total_bytes += session.size_bytes
        days, most, most_bytes = rules.keep_ended_days, rules.max_ended, rules.max_ended_bytes
        if days is not None and now_ms - session.last_ms >= days * _DAY_MS:
            yield Due(session, f"ended {days:g} days ago or earlier")
        elif most is not None and place > most:
            yield Due(session, f"more than {most:,} ended sessions")
        elif most_bytes is not None and total_bytes > most_bytes:
            yield Due(session, f"ended sessions take more than {most_bytes / 2**20:,.0f} MB")


class Removals(msgspec.Struct, frozen=True):
    """The sessions to archive and to delete, planned or done."""

    archived: tuple[Due, ...]
    deleted: tuple[Due, ...]


class Retention:
    """Carries the rules out. `load` returns a session, `forget` removes one from the cache."""

    def __init__(
        self,
        around: Dependencies,
        rules: RetentionRules,
        load: Callable[[str], Awaitable[Session]],
        forget: Callable[[SessionId], None],
    ) -> None:
        self._around = around
        self._db = around.db
        self._rules = rules
        self._load = load
        self._forget = forget
        self._needed: set[str] = set()
        # A purge and the daily round may meet, and they share `_needed`.
        self._applying = asyncio.Lock()

    async def plan(self) -> Removals:
        """Return what `apply` would do now; change nothing. Only the first `MAX_SIZED` of each have sizes."""
        return Removals(tuple(await self._to_archive()), tuple(await self._to_delete()))

    async def apply(self) -> Removals:
        """Archive and delete the sessions that are due, one after the other; return those that were removed.

        A session that cannot be removed now is logged, left out of the result, and tried again next time.
        """
        archived = await self.remove(await self._to_archive(), archive=True)
        deleted = await self.remove(await self._to_delete(), archive=False)
        async with self._applying:
            # Under the lock: a purge may be removing the same directories.
            await self._sweep()
            for session_id in await stored.sessions_with_ended_hosts(self._db):
                await self._remove_hosts(session_id)
        if archived or deleted:
            log.info("retention", extra={"archived": len(archived), "deleted": len(deleted)})
        return Removals(tuple(archived), tuple(deleted))

    async def remove(self, due: Sequence[Due], *, archive: bool) -> list[Due]:
        """Archive or delete sessions, one after the other; return those that were removed."""
        if not due:
            return []
        async with self._applying:
            # Once for all of them: it reads the row of every session.
            self._needed = set() if archive else await stored.conversations_to_branch_from(self._db)
            carry_out = self._archive if archive else self._delete
            removed = [each for each in due if await self._done(each, carry_out)]
        if removed and not archive:
            await self._erase()
        return removed

    async def purge(self, session: Session) -> None:
        """Delete an ended session now. Raises `IllegalMove`, `NotRemoved` or `BranchUnmerged`."""
        if session.snapshot.lifecycle is not Lifecycle.ENDED:
            raise IllegalMove("Deleting it for good", session.snapshot.lifecycle)
        async with self._applying:
            self._needed = await stored.conversations_to_branch_from(self._db)
            if not await self._delete(session):
                raise NotRemoved
        await self._erase()

    async def restore(self, session: Session, *, channel_id: str, key: str | None) -> None:
        """Restore an ended session as a parked one. Its next prompt wakes it.

        With `key` None it gets its old place if that is free, else no place. Raises `IllegalMove` if it has
        not ended, `PlaceTaken` if another session holds `key`, `SessionNotFound` if it was just deleted.
        """
        snapshot = session.snapshot
        if snapshot.lifecycle is not Lifecycle.ENDED:
            raise IllegalMove("Bringing it back", snapshot.lifecycle)
        wanted = snapshot.key if key is None else key
        # A first look, for the sentence. The unique index decides, when the change is stored.
        if wanted and await rows.find_by_key(self._db, wanted) is not None:
            if key is not None:
                raise PlaceTaken
            wanted = ""
        try:
            async with session.change() as draft:
                draft.add(e.SessionRestored(channel_id or snapshot.channel_id, wanted))
        except ConstraintViolated as error:
            # An event of a session without a row is refused, too: by its foreign key.
            if await rows.load_snapshot(self._db, session.id) is None:
                raise SessionNotFound(session.id) from error
            raise PlaceTaken from error

    # --- what is due ------------------------------------------------------------------------------------

    async def _to_archive(self) -> list[Due]:
        days = self._rules.archive_after_days
        if days is None:
            return []
        unused = await stored.load_unused(self._db, self._around.clock.now_ms() - round(days * _DAY_MS))
        return [Due(each, f"nothing happened for {days:g} days") for each in unused]

    async def _to_delete(self) -> list[Due]:
        """The sessions to delete, oldest first. The first `MAX_SIZED` have their sizes."""
        ended = await stored.load_ended(self._db)
        if self._rules.max_ended_bytes is not None:
            ended = [await self.sized(each) for each in ended]
        due = list(due_for_deletion(self._rules, ended, self._around.clock.now_ms()))[::-1]
        listed = [Due(await self.sized(each.session), each.why) for each in due[:MAX_SIZED]]
        return listed + due[MAX_SIZED:]

    async def sized(self, session: StoredOne) -> StoredOne:
        """Return the session with its size: its rows and the copy of its transcript."""
        if session.size_bytes:
            return session
        copied = self._around.conversations.copied_bytes(session.conversation_id)
        return replace(session, size_bytes=await stored.load_size(self._db, session.id) + copied)

    # --- carrying out -----------------------------------------------------------------------------------

    async def _done(self, due: Due, carry_out: Callable[[Session], Awaitable[bool]]) -> bool:
        try:
            return await carry_out(await self._load(due.session.id))
        except SessionNotFound:
            return False
        except (SessionError, BackendError, StorageError, OSError) as error:
            log.warning("not removed", extra={"session": due.session.id, "why": str(error)})
            return False

    async def _sweep(self) -> None:
        try:
            await sweep(self._around)
        except (BackendError, StorageError, OSError) as error:
            log.warning("not swept", extra={"why": str(error)})

    async def _remove_hosts(self, session_id: SessionId) -> None:
        try:
            await remove_ended_hosts(await self._load(session_id))
        except (SessionError, StorageError) as error:
            log.warning("hosts not removed", extra={"session": session_id, "why": str(error)})

    async def _erase(self) -> None:
        """Erase the texts of deleted sessions from the index and the files. The upkeep does the rest."""
        from sessions.rows.search import drop_gone, erase_gone

        try:
            await drop_gone(self._db)
            await erase_gone(self._db, within_s=_ERASING_S)
            # The WAL file comes last: it holds older images of the pages that these two steps change.
            await self._db.empty_wal()
        except StorageError as error:
            log.warning("not erased yet", extra={"why": str(error)})

    async def _archive(self, session: Session) -> bool:
        if session.snapshot.holds_slot or session.snapshot.queue:
            return False  # in use again since the rules were checked
        await session.end(ARCHIVED)
        return True

    async def _delete(self, session: Session) -> bool:
        """Delete files first, then rows: after a crash in between, the next round finds the session again.

        A branch with work that is merged nowhere stays, with its directory: it raises `BranchUnmerged`.
        """
        branch = await rows.load_branch(self._db, session.id)
        if branch is not None and branch.status is BranchStatus.MADE and self._around.checkpoints is not None:
            from sessions import merging, own_copies

            await merging.refuse_if_unmerged(session)
            await own_copies.remove_own_copy(session)
        async with session.change() as draft:
            # No event is put on this draft. It holds the session's lock: nobody restores it while its files go.
            if draft.snapshot.lifecycle is not Lifecycle.ENDED:
                return False
            if not await remove_all(self._around, session.id):
                log.warning("not removed", extra={"session": session.id, "why": "a process of it still runs"})
                return False
            # A branch without a turn begins from a conversation of its parent: our copy may be the last of it.
            for each in await stored.conversations_of(self._db, session.id) - self._needed:
                await asyncio.to_thread(self._around.conversations.remove_copy, each)
            await self._db.write([stored.delete_session(session.id), release(session.id)])
        self._forget(session.id)
        return True

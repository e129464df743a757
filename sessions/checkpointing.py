"""Takes the checkpoints of sessions at their moments: before each prompt, after each turn, in long turns.

A prompt waits for its checkpoint at most `wait_s`. After three late ones in a directory, automatic ones come
only once in `interval_s`, and one notice says so. Nothing here fails a turn: trouble becomes a notice, once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sessions import events as e
from sessions.draft import Draft
from sessions.errors import CheckpointRefused
from sessions.model import SessionId, TurnId
from sessions.snapshot import Snapshot
from sessions.topics import Topic
from sessions.work_directory import BRANCHES
from storage import Database, StorageError
from workdirs import rows
from workdirs.checkpoint_model import Checkpoint, Note, Place, Reason, Restored
from workdirs.checkpoint_rules import CheckpointRules
from workdirs.errors import WorkdirError

if TYPE_CHECKING:
    from workdirs.checkpoints import Checkpoints
    from workdirs.restores import Restores

log = logging.getLogger(__name__)

_Work = Coroutine[Any, Any, Checkpoint | None]
_LATE_TOO_OFTEN = 3
_ROUND_S = 60.0
_TIDY_S = 86_400.0
# Not a day: a bridge that is restarted every day would never tidy. Nor at once: a start has enough to do.
_FIRST_TIDY_S = 900.0
_BACKGROUND_ENDS_S = 5.0
_INTERRUPT_WAITS_S = 0.5


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """How sessions take checkpoints. Seconds."""

    rules: CheckpointRules
    wait_s: float = 2.0
    interval_s: float = 1800.0


class PlacedSession(Protocol):
    """A session as far as its work directory is concerned."""

    @property
    def snapshot(self) -> Snapshot: ...


class CheckpointedSession(PlacedSession, Protocol):
    """A session as checkpoints see it."""

    @property
    def id(self) -> SessionId: ...

    def change(self, *, new_session: bool = False) -> AbstractAsyncContextManager[Draft]:
        """See `SessionPort.change`."""
        ...


@dataclass(slots=True)
class _Known:
    """Facts of a work directory that are kept until the process ends."""

    late_in_a_row: int = 0
    is_slow: bool = False
    said_trouble: bool = False
    last_s: float | None = None


class SessionCheckpoints:
    """The checkpoints of all sessions. `run` is its task for intervals; `close` ends what is still running."""

    def __init__(
        self,
        db: Database,
        policy: CheckpointPolicy,
        workspace_root: Path,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._db = db
        self._policy = policy
        self._now_ms = now_ms
        self._workspace_root = workspace_root
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._soon: dict[str, asyncio.Task[Any]] = {}

    @cached_property
    def engine(self) -> "Checkpoints":
        """The engine. Its code is loaded with the first checkpoint, for a start seldom needs it."""
        from workdirs.checkpoints import Checkpoints

        return Checkpoints(self._db, self._policy.rules, self._now_ms)

    @cached_property
    def restores(self) -> "Restores":
        """The restores of the engine."""
        from workdirs.restores import Restores

        return Restores(self.engine)

    async def recover(self) -> list[Restored]:
        """Finish what the end of the last process cut; return the restores that were finished."""
        # What the last process had begun will never be whole.
        await self._db.write([rows.fail_cut_checkpoints()])
        return await self.restores.finish_cut() if await rows.load_cut_restores(self._db) else []

    async def run(self, loaded: Callable[[], Sequence[CheckpointedSession]]) -> None:
        """Take checkpoints of long turns. Remove old ones soon after a start, then daily. Never returns."""
        tidy_at_s = self._monotonic() + _FIRST_TIDY_S
        while True:
            await asyncio.sleep(min(_ROUND_S, self._policy.interval_s))
            for session in loaded():
                if session.snapshot.current is not None and self._is_interval_over(self._of(session)):
                    await self._try(session, Reason.INTERVAL, _turn_of(session))
            if self._monotonic() >= tidy_at_s:
                tidy_at_s = self._monotonic() + _TIDY_S
                try:
                    await self.engine.tidy()
                except (WorkdirError, StorageError, OSError) as error:
                    log.warning("checkpoints not tidied", extra={"error": type(error).__name__})

    async def close(self) -> None:
        """End the checkpoints that still run; each is recorded as cut at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_BACKGROUND_ENDS_S)

    # --- moments ----------------------------------------------------------------------------------------

    async def before_prompt(self, session: CheckpointedSession, turn_id: TurnId) -> None:
        """Take the checkpoint of a prompt that is about to leave. Returns after `wait_s` at the latest."""
        if self._is_wanted(session):
            await self._bounded(session, self._try(session, Reason.BEFORE_PROMPT, turn_id))

    async def after_turn(self, session: CheckpointedSession, turn_id: TurnId) -> None:
        """Take the checkpoint of a turn's end, and record what the turn changed. Returns after `wait_s`."""
        if self._is_wanted(session):
            await self._bounded(session, self._take_turn_end(session, turn_id))

    async def before_leaving(self, session: CheckpointedSession, reason: Reason) -> None:
        """Take the checkpoint before a session is parked or handed over. Returns after `wait_s`."""
        if self._is_wanted(session):
            await self._bounded(session, self._try(session, reason, _turn_of(session)))

    async def before_interrupt(self, session: CheckpointedSession) -> None:
        """Take the checkpoint before Claude is stopped. A person waits, so this returns very soon."""
        if self._is_wanted(session):
            task = self._start(self._try(session, Reason.INTERRUPT, _turn_of(session)))
            # Unlike `wait_for`, this cancels nothing at the deadline: the checkpoint goes on by itself.
            await asyncio.wait([task], timeout=min(_INTERRUPT_WAITS_S, self._policy.wait_s))

    def soon(self, session: CheckpointedSession, reason: Reason) -> None:
        """Begin a checkpoint and do not wait for it. Nothing if one of the session is on its way."""
        running = self._soon.get(session.id)
        if (running is None or running.done()) and self._is_wanted(session):
            self._soon[session.id] = self._start(self._try(session, reason, _turn_of(session)))

    async def take(
        self, session: CheckpointedSession, reason: Reason, label: str = "", origin: str = ""
    ) -> Checkpoint:
        """Take a checkpoint because somebody asks for it. Raises `CheckpointRefused`.

        A repeated `origin` takes no second one, but returns the first.
        """
        if origin and (known := await rows.load_by_origin(self.engine.db, session.id, origin)) is not None:
            return known
        note = Note(session.id, _turn_of(session), reason, label, origin=origin)
        try:
            return await self.engine.take(self.place(session), note)
        except WorkdirError as error:
            raise CheckpointRefused(_sentence(error)) from error

    def place(self, session: PlacedSession) -> Place:
        """Return the session's work directory and the project that it belongs to."""
        return self.place_of(Path(session.snapshot.work_directory))

    def place_of(self, directory: Path) -> Place:
        """Return a work directory and the project that it belongs to."""
        root = self._workspace_root.resolve()
        branches = root / BRANCHES
        if directory.is_relative_to(branches):
            parts = directory.relative_to(branches).parts
            if len(parts) > 1:
                return Place(directory, root / parts[0])
        return Place(directory, directory)

    # --- carrying out -----------------------------------------------------------------------------------

    async def _bounded(self, session: CheckpointedSession, work: _Work) -> None:
        """Wait for `work` up to `wait_s`; then it goes on by itself."""
        task = self._start(work)
        await asyncio.wait([task], timeout=self._policy.wait_s)
        known = self._of(session)
        if task.done():
            known.late_in_a_row = 0
            return
        # The prompt leaves all the same. Its checkpoint may then hold a part of what the prompt changes.
        known.late_in_a_row += 1
        if known.late_in_a_row >= _LATE_TOO_OFTEN and not known.is_slow:
            known.is_slow = True
            minutes = max(1, round(self._policy.interval_s / 60))
            words = (
                f"Looking at all files takes longer than {self._policy.wait_s:g} seconds here. From now on"
                f" there is an automatic checkpoint every {minutes} minutes only."
            )
            await self._notice(session, words)

    async def _take_turn_end(self, session: CheckpointedSession, turn_id: TurnId) -> Checkpoint | None:
        """Take the checkpoint of a turn's end, and tell how many files the turn changed."""
        taken = await self._try(session, Reason.TURN_END, turn_id)
        changes = [] if taken is None else await rows.load_changes(self.engine.db, taken.id)
        if changes:
            with suppress(StorageError):  # only a number that people see
                async with session.change() as draft:
                    draft.add(e.TurnFilesCounted(turn_id, len(changes)))
        return taken

    async def _try(self, session: CheckpointedSession, reason: Reason, turn_id: str) -> Checkpoint | None:
        """Take a checkpoint; log and tell trouble once, so that no turn fails by it."""
        known = self._of(session)
        # A failed try counts as well: the next one of a long turn comes an interval later.
        known.last_s = self._monotonic()
        late_after_s = self._policy.wait_s if reason is Reason.BEFORE_PROMPT else None
        note = Note(session.id, turn_id, reason, late_after_s=late_after_s)
        try:
            take = self.engine.take_turn_end if reason is Reason.TURN_END else self.engine.take
            taken = await take(self.place(session), note)
        except (WorkdirError, StorageError) as error:
            log.warning("no checkpoint", extra={"session": session.id, "why": type(error).__name__})
            if not known.said_trouble:
                known.said_trouble = True
                await self._notice(session, f"There is no checkpoint: {_sentence(error)}.")
            return None
        known.said_trouble = False
        return taken

    async def _notice(self, session: CheckpointedSession, words: str) -> None:
        try:
            async with session.change() as draft:
                draft.add(e.Noticed(Topic.CHECKPOINTS, words))
        except StorageError:
            log.warning("notice of checkpoints not stored", extra={"session": session.id})

    def _start(self, work: _Work) -> "asyncio.Task[Checkpoint | None]":
        task = asyncio.create_task(work, name="checkpoint")
        # The loop holds tasks by weak references, and nobody awaits one that is late.
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Checkpoint | None]") -> None:
        self._tasks.discard(task)
        # Asked for here, or an error would show only when the task is collected.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("checkpoint broke", exc_info=error)

    def _is_wanted(self, session: CheckpointedSession) -> bool:
        known = self._of(session)
        return bool(session.snapshot.work_directory) and (not known.is_slow or self._is_interval_over(known))

    def _is_interval_over(self, known: _Known) -> bool:
        return known.last_s is None or self._monotonic() - known.last_s >= self._policy.interval_s

    def _of(self, session: CheckpointedSession) -> _Known:
        # By directory: sessions that share one share its troubles and its pace.
        return self._known.setdefault(session.snapshot.work_directory, _Known())


def _turn_of(session: CheckpointedSession) -> str:
    current = session.snapshot.current
    return (current.turn_id if current is not None else session.snapshot.last_turn) or ""


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, WorkdirError) else "it could not be stored"

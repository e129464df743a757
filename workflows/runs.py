"""The runs of work-flows: make them, find them, change them, and let each go on by a task of its own.

Every change goes through `Runs.change`: one pure `apply`, one row, then the view and the faces. Nothing of a
run is only in memory, so leaving the block loses nothing.
"""

import asyncio
import logging
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from msgspec.structs import replace

from api.run_model import (
    TERMINAL,
    Check,
    Configuration,
    IllegalRunMove,
    PauseReason,
    PrdReference,
    RunFieldWrong,
    RunNotFound,
    RunStatus,
)
from api.workflows import StartRun, UnreadableRun
from sessions.errors import SessionError
from sessions.model import is_session_id
from sessions.run_shown import RunShown
from storage import ConstraintViolated, Database, StorageError, UuidMaker
from workflows import model as m
from workflows import rows
from workflows.limits import checked_configuration
from workflows.model import Run, RunEvent
from workflows.ports import Ports
from workflows.runner import Runner
from workflows.shown import shown
from workflows.state import apply
from workflows.template import Template
from workflows.view import remove_view, write_view

log = logging.getLogger(__name__)

_RECENT = 20
_MOST_REQUEST = 20_000


class Runs:
    """The room of work-flows. Enter it to let active runs go on; leaving stops their tasks, not their turns."""

    def __init__(self, db: Database, ports: Ports) -> None:
        self._db = db
        self._ports = ports
        self._ids = UuidMaker()
        self._known: dict[str, Run] = {}
        # Weak: a lock stays as long as somebody holds or awaits it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._told: dict[str, RunShown] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        for run in await rows.load_active(self._db):
            # An unreadable row is shown to people, and keeps no other run from going on.
            if isinstance(run, Run):
                self._known[run.id] = run
                self._go_on(run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the owner's methods ----------------------------------------------------------------------------

    async def create_session(
        self,
        wish: StartRun,
        user_id: str,
        template: Template | None = None,
        document: tuple[PrdReference, str] | None = None,
    ) -> Run:
        """Make a run; a repeated `origin` returns the first one. Its session comes with its first step.

        Raises `RunFieldWrong`.
        """
        if known := await self._of_origin(wish.origin):
            return known
        run = _new_run(self._ids.make(), wish, user_id, template, self._ports.now_ms())
        if document is not None:
            run = replace(run, prd=document[0], prd_text=document[1])
        try:
            await self._db.write(rows.insert_run(run))
        # Two starts with one key: the unique index lets one in, and the other gets its run.
        except ConstraintViolated:
            known = await self._of_origin(wish.origin)
            if known is None:
                raise
            return known
        self._known[run.id] = run
        await self._show(run)
        return run

    async def get_session(self, run_id: str) -> Run:
        """Return a run. Raises `RunNotFound`, `RunUnreadable`."""
        if not is_session_id(run_id):
            raise RunNotFound(run_id)
        # Only active runs are kept, and all changes of them go through `change` of this object.
        if run_id in self._known:
            return self._known[run_id]
        run = await rows.load_run(self._db, run_id)
        if run is None:
            raise RunNotFound(run_id)
        return run

    async def update_session(self, run_id: str, *events: RunEvent) -> Run:
        """Change a run by `events`, all or none, and let it go on. Raises `IllegalRunMove`, `RunNotFound`."""
        run = await self.change(run_id, *events)
        self._go_on(run)
        return run

    async def delete_session(self, run_id: str) -> None:
        """Delete the record of a run that has ended, or cannot be read.

        Raises `IllegalRunMove`, `RunNotFound`.
        """
        project = ""
        try:
            run = await self.get_session(run_id)
        except RunNotFound:
            raise
        except SessionError:
            pass
        else:
            if run.status not in TERMINAL:
                raise IllegalRunMove("Deleting the run", run.status)
            project = run.project
        await self._db.write(rows.delete_run(run_id))
        self._known.pop(run_id, None)
        await asyncio.to_thread(remove_view, self._ports.data_dir, project, run_id)

    async def transition_state(self, run_id: str, to: RunStatus, detail: str = "") -> Run:
        """Bring a run into another state, if `state.LEGAL_MOVES` has that move. Raises `IllegalRunMove`."""
        match to:
            case RunStatus.PAUSED:
                event: RunEvent = m.Paused(PauseReason.PERSON, detail)
            case RunStatus.FAILED:
                event = m.Failed(detail)
            case _:
                event = m.Moved(to)
        return await self.update_session(run_id, event)

    async def query_sessions(self, query: rows.RunQuery) -> tuple[list[Run | UnreadableRun], str]:
        """Return a page of runs, newest first, and the next page's cursor."""
        return await rows.query_runs(self._db, query)

    async def list_active_sessions(self) -> list[Run | UnreadableRun]:
        """Return the runs that have not ended, oldest first."""
        return await rows.load_active(self._db)

    async def get_recent_sessions(self, limit: int = _RECENT) -> list[Run | UnreadableRun]:
        """Return the newest runs."""
        return (await rows.query_runs(self._db, rows.RunQuery(limit=limit)))[0]

    # --- changing and going on --------------------------------------------------------------------------

    async def change(self, run_id: str, *events: RunEvent) -> Run:
        """Apply `events` to the run, store it, and tell the faces. Raises `IllegalRunMove`, `RunNotFound`."""
        # One at a time: each change is computed from the row that the one before it wrote.
        async with self._locks.setdefault(run_id, asyncio.Lock()):
            before = await self.get_session(run_id)
            run = before
            for event in events:
                run = apply(run, event, self._ports.now_ms())
            if run is before:
                return run
            # One row of one version: the steps between are never seen.
            run = m.at_version(run, before.version + 1)
            (outcome,) = await self._db.write([rows.update_run(run)])
            # The row has another version, so what is kept here is not the truth: it is read anew next time.
            if outcome.rowcount != 1:
                self._known.pop(run_id, None)
                raise IllegalRunMove("Changing the run", "changed by somebody else")
            if run.status in TERMINAL:
                self._known.pop(run_id, None)
            else:
                self._known[run_id] = run
            await self._show(run)
        return run

    async def begin(self, run: Run) -> Run:
        """Make the run's session now, so that its starter learns of a refusal. The run is then on its way.

        Raises what making a session raises; then the run is gone.
        """
        try:
            run = await Runner(self, self._ports, run.id).make_session(run)
        except IllegalRunMove:
            raise  # the run is on its way already, and stays
        except SessionError:
            await self._db.write(rows.delete_run(run.id))
            self._known.pop(run.id, None)
            await asyncio.to_thread(remove_view, self._ports.data_dir, run.project, run.id)
            raise
        self._go_on(run)
        return run

    def making(self, run_id: str) -> asyncio.Lock:
        """Return the lock of making the run's session: at a start its task and its starter may both want to."""
        return self._making.setdefault(run_id, asyncio.Lock())

    def halt(self, run_id: str) -> asyncio.Task[None] | None:
        """Stop the task of a run; its turn in Claude goes on. Await the returned task, if any."""
        task = self._tasks.get(run_id)
        if task is not None:
            task.cancel()
        return task

    def _go_on(self, run: Run) -> None:
        """Let the run's task look again, and start it if it rests."""
        if self._closed or run.status in TERMINAL:
            return
        wake = self._wake.setdefault(run.id, asyncio.Event())
        wake.set()
        task = self._tasks.get(run.id)
        if task is None or task.done():
            self._tasks[run.id] = asyncio.create_task(self._drive(run.id, wake), name=f"run {run.id}")

    async def _drive(self, run_id: str, wake: asyncio.Event) -> None:
        """Take the run's steps until it rests. Only this task begins turns of the run."""
        try:
            # No await from the last look at `wake` to the task's end: a wake is seen here or finds no task.
            while wake.is_set():
                wake.clear()
                await Runner(self, self._ports, run_id).go_on()
        except (SessionError, StorageError):
            log.exception("run stopped", extra={"run": run_id})
        except Exception:
            log.exception("run broke", extra={"run": run_id})
            await self._pause_broken(run_id)
        finally:
            if self._tasks.get(run_id) is asyncio.current_task():
                del self._tasks[run_id]

    async def _pause_broken(self, run_id: str) -> None:
        """Leave a state with a next step, whatever went wrong."""
        try:
            words = "An error of the bridge stopped the run; the log has it."
            await self.change(run_id, m.Noted("", is_error=True), m.Paused(PauseReason.CORE_REFUSED, words))
        except (SessionError, StorageError):
            log.exception("run not paused", extra={"run": run_id})

    # --- telling ----------------------------------------------------------------------------------------

    async def _show(self, run: Run) -> None:
        try:
            await asyncio.to_thread(write_view, self._ports.data_dir, run)
        except OSError as error:
            # The view is for people who look at files. A full disk must not stop the run for it.
            log.warning("view of a run not written", extra={"run": run.id, "why": error.strerror})
        now = shown(run)
        # Each telling is an event of the session, so the same glance is not told twice.
        if run.session_id and self._told.get(run.id) != now:
            self._told[run.id] = now
            try:
                await self._ports.announce(run.session_id, now)
            except SessionError as error:
                log.warning("run not shown", extra={"run": run.id, "why": type(error).__name__})
        if run.status in TERMINAL:
            self._told.pop(run.id, None)
            self._wake.pop(run.id, None)

    async def _of_origin(self, origin: str) -> Run | None:
        known = await rows.load_by_origin(self._db, origin) if origin else None
        return None if known is None else await self.get_session(known)


def _new_run(run_id: str, wish: StartRun, user_id: str, template: Template | None, now_ms: int) -> Run:
    request = wish.request.strip()
    if not request and not wish.prd_text and not wish.prd_path:
        raise RunFieldWrong("request", "it is empty")
    if len(request) > _MOST_REQUEST:
        raise RunFieldWrong("request", f"it is longer than {_MOST_REQUEST:,} characters; attach it as a file")
    config = wish.config or Configuration()
    if template is not None:
        config = template.configuration(config, is_given=wish.config is not None)
    title = wish.title.strip() or (request or wish.prd_name or wish.prd_path).splitlines()[0]
    return Run(
        id=run_id,
        user_id=user_id,
        acts_for=user_id,
        request=request,
        title=title[:100],
        channel_id=wish.channel_id,
        key=wish.key or f"run:{run_id}",
        project=wish.project,
        origin=wish.origin,
        template=template.name if template is not None else "",
        template_prompts=dict(template.prompts) if template is not None else {},
        given_checks=_checks(wish, template),
        config=checked_configuration(config),
        created_ms=now_ms,
        updated_ms=now_ms,
        since_ms=now_ms,
    )


def _checks(wish: StartRun, template: Template | None) -> tuple[Check, ...]:
    if wish.checks:
        return wish.checks
    return template.checks if template is not None else ()

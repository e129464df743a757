"""Restores: preview, apply, verify, undo, and the end of those that were cut. The engine with its rows."""

import asyncio
import logging
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec.structs import replace

from faults import crash_point
from storage import run_to_end
from workdirs import rows
from workdirs.apply import Applied
from workdirs.changes import ChangeKind, PathChange
from workdirs.checkpoint_model import (
    Cause,
    Checkpoint,
    CheckpointId,
    Note,
    Place,
    Preview,
    Reason,
    Restored,
    RestoreId,
    Scope,
)
from workdirs.checkpoints import Checkpoints
from workdirs.errors import CheckpointGone, PlanChanged, RestoreFailed, WorkdirError
from workdirs.model import ObjectId
from workdirs.plan import RestorePlan, SetMode, Step, plan_restore
from workdirs.restoring import (
    already_done,
    apply_restore,
    differing,
    look_up,
    planned_steps,
    still_as_before,
    sweep_restore,
)
from workdirs.store import Store

log = logging.getLogger(__name__)


class RestoreWish(msgspec.Struct, frozen=True):
    """A restore that somebody asks for. `owner` and `anchor` are written down with its checkpoints."""

    place: Place
    target: CheckpointId
    scope: Scope
    owner: str
    anchor: str
    undoes: RestoreId | None = None


class Restores:
    """Puts work directories back to their checkpoints."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._db = checkpoints.db

    async def preview(self, wish: RestoreWish) -> Preview:
        """Return a preview of the restore as of now. Takes a checkpoint, changes no file.

        Raises `CheckpointGone`, `CheckpointFailed`, `StoreMissing`, `StoreDamaged`.
        """
        async with self._checkpoints.locked(wish.place.directory):
            return await self._preview(wish)

    async def restore(self, wish: RestoreWish, digest: str) -> Restored:
        """Carry out the restore that was previewed as `digest`, and verify it.

        Raises `PlanChanged` if it would do something else by now, `RestoreFailed` if files could not be
        written, and what `preview` raises.
        """
        async with self._checkpoints.locked(wish.place.directory):
            # With a new safety checkpoint: files may have changed since somebody looked.
            preview = await self._preview(wish)
            if preview.digest != digest:
                raise PlanChanged
            new = RestoreId(self._checkpoints.ids.make())
            cut = rows.CutRestore(new, wish.target, preview.safety.id, wish.owner, wish.scope)
            # The row first: from here on, `finish_cut` finishes what a kill cuts.
            await self._db.write([rows.insert_restore(cut, preview.target.directory, wish.undoes, self._now())])
            crash_point("restore.begun")
            return await self._carry_out(cut, wish.place, wish.anchor, preview)

    async def last(self, owner: str) -> tuple[RestoreId, CheckpointId] | None:
        """Return the owner's last restore that can be undone, and the checkpoint that undoes it."""
        return await rows.load_last_restore(self._db, owner)

    async def undo_wish(self, wish: RestoreWish, restore: RestoreId, safety: CheckpointId) -> RestoreWish:
        """Return the wish that undoes `restore`: the files that it changed, back to its safety checkpoint."""
        scope = await rows.load_restore_scope(self._db, restore)
        return replace(wish, target=safety, scope=scope, undoes=restore)

    async def finish_cut(self) -> list[Restored]:
        """Finish the restores that the end of the last process cut; for the start.

        A path that is as the safety checkpoint saw it is restored. One that is as in the target is done. Any
        other one was changed by somebody since, and stays. What cannot be finished is recorded as failed.
        """
        finished = []
        for cut in await rows.load_cut_restores(self._db):
            try:
                finished.append(await self._finish(cut))
                continue
            except WorkdirError as error:
                reason = str(error)
            except OSError:
                reason = "the system refused to write"
            # Left as it is, the row would end every later start the same way.
            except Exception:
                log.exception("restore not finished", extra={"restore": cut.id})
                reason = "an unexpected error, which the log describes"
            await self._db.write([rows.restore_failed(cut.id, reason, self._now())])
        return finished

    async def _preview(self, wish: RestoreWish) -> Preview:
        target = await self._checkpoints.load(wish.target)
        # Ids come from people: one of another directory must not be restored here.
        if target.directory != str(wish.place.directory):
            raise CheckpointGone
        note = Note(wish.owner, wish.anchor, Reason.BEFORE_RESTORE)
        safety = await self._checkpoints.take_locked(wish.place, note)
        store = await self._checkpoints.store_of(target)
        plan, digest = await asyncio.to_thread(
            _plan, store, wish.place.directory, safety.commit, target.commit, wish.scope
        )
        return Preview(target, safety, plan, digest)

    async def _carry_out(
        self,
        cut: rows.CutRestore,
        place: Place,
        anchor: str,
        preview: Preview,
        earlier: Sequence[Step] = (),
    ) -> Restored:
        """Apply the plan and record it, with the `earlier` steps of a process that was killed."""
        target, plan = preview.target, preview.plan
        directory = await rows.load_directory(self._db, target.directory)
        if directory is None:
            raise CheckpointGone
        store = await self._checkpoints.store_of(target)
        try:
            # Under the lock to its last write: a checkpoint or restore in between would see half of it.
            applied = await run_to_end(
                apply_restore, store, place.directory, directory.cache, plan, _token(cut.id)
            )
            applied.done.extend(earlier)
            crash_point("restore.applied")
            note = Note(cut.owner, anchor, Reason.AFTER_RESTORE)
            after = await self._checkpoints.take_locked(place, note)
        # A cancel leaves the row at `applying`, so the next start finishes it.
        except (WorkdirError, OSError) as error:
            reason = str(error) if isinstance(error, WorkdirError) else error.strerror or "the system refused"
            await self._db.write([rows.restore_failed(cut.id, reason, self._now())])
            raise RestoreFailed(reason) from error
        return await self._record(cut, store, preview, applied, after)

    async def _record(
        self, cut: rows.CutRestore, store: Store, preview: Preview, applied: Applied, after: Checkpoint
    ) -> Restored:
        target, safety, plan = preview.target, preview.safety, preview.plan
        wrong = await asyncio.to_thread(differing, store, plan, applied, after.commit, target.commit)
        paths = {step.path for step in applied.done}
        changes = [each for each in await self._checkpoints.compare(safety, after) if each.path in paths]
        # A comparison does not show these: of the permission bits, a tree has one only.
        changes += [
            PathChange(step.path, ChangeKind.CHANGED, 0, 0)
            for step in applied.done
            if isinstance(step, SetMode)
        ]
        left = (*plan.left, *applied.left)
        await self._db.write(
            [
                *rows.insert_changes(after, Cause.RESTORE, changes),
                rows.restore_applied(cut.id, after.id, len(paths), len(left), self._now()),
            ]
        )
        return Restored(cut.id, target, safety, after, tuple(sorted(paths)), left, tuple(wrong))

    async def _finish(self, cut: rows.CutRestore) -> Restored:
        safety = await self._checkpoints.load(cut.safety)
        known = await rows.load_directory(self._db, safety.directory)
        if known is None:
            raise CheckpointGone
        place = Place(Path(known.path), Path(known.project))
        async with self._checkpoints.locked(place.directory):
            store = await self._checkpoints.store_of(safety)
            target = await self._checkpoints.load(cut.target)
            before = await asyncio.to_thread(store.differences, safety.commit, target.commit)
            await run_to_end(sweep_restore, place.directory, list(before), _token(cut.id))
            wish = RestoreWish(place, cut.target, cut.scope, cut.owner, safety.anchor)
            preview = await self._preview(wish)
            differences = await asyncio.to_thread(store.differences, preview.safety.commit, target.commit)
            still = still_as_before(differences, before)
            steps = tuple(
                each for each in preview.plan.steps if isinstance(each, SetMode) or each.path in still
            )
            planned = await asyncio.to_thread(
                planned_steps, store, place.directory, safety.commit, target.commit, cut.scope
            )
            earlier = already_done(planned, preview.plan.steps, differences)
            # An undo goes back to the first safety checkpoint: in the new one half of the restore is done.
            rest = replace(preview, safety=safety, plan=replace(preview.plan, steps=steps))
            return await self._carry_out(cut, place, safety.anchor, rest, earlier)

    def _now(self) -> int:
        return self._checkpoints.now_ms()


def _plan(
    store: Store, directory: Path, now: ObjectId, target: ObjectId, scope: Scope
) -> tuple[RestorePlan, str]:
    looked = look_up(store, directory, now, target)
    plan = plan_restore(looked, scope)
    # The plan names only what it writes. Without what it replaces, a later edit of such a file went unnoticed.
    replaced = [looked.differences.get(step.path, (None, None))[0] for step in plan.steps]
    return plan, sha256(repr((plan, replaced)).encode()).hexdigest()[:32]


def _token(restore: RestoreId) -> str:
    # The random end of the id. Its beginning is a time, which another restore may share.
    return restore[-12:]

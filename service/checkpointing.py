"""Carries out the commands of `api/checkpointing.py`."""

from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

import api as c
from api.checkpointing import MOST_LISTED, MOST_PATHS
from service.parts import ServiceParts
from sessions.checkpointing import SessionCheckpoints
from sessions.errors import CheckpointNotFound, CheckpointRefused, FolderRefused, TurnNotFound
from sessions.model import TurnId
from sessions.restore_scope import RestoreScope
from sessions.restoring import checkpoints_of, preview_restore, restore_files, undo_restore
from sessions.rows import load_turn
from sessions.session import Session
from texts.os_text import decoded
from workdirs import rows
from workdirs.changes import PathChange
from workdirs.checkpoint_model import Checkpoint, Note, Reason, Restored
from workdirs.errors import CheckpointGone, WorkdirError
from workdirs.plan import Delete, Left, SetMode, Step, Write

_MOST_DIFF_BYTES = 900_000
_MOST_LABEL = 100


async def checkpoint(parts: ServiceParts, session: Session, command: c.CheckpointingCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that its docstring names."""
    checkpoints = checkpoints_of(session)
    try:
        match command:
            case c.TakeCheckpoint():
                return await create_checkpoint(parts, session, command)
            case c.ListCheckpoints():
                return await _list(session, checkpoints, command)
            case c.CompareCheckpoints():
                return await _compare(session, checkpoints, command)
            case c.ReadTurnChanges():
                return await _of_turn(session, checkpoints, command)
            case c.PreviewRestore():
                return await _preview(session, checkpoints, command)
            case c.RestoreFiles():
                await _of_session(session, checkpoints, command.checkpoint_id)
                others = parts.manager.loaded()
                done = await restore_files(
                    session, others, command.checkpoint_id, command.scope, command.digest
                )
                return _result(done)
            case c.UndoRestore():
                return _result(await undo_restore(session, parts.manager.loaded()))
            case _:
                assert_never(command)
    except CheckpointGone as error:
        raise CheckpointNotFound from error
    except WorkdirError as error:
        raise CheckpointRefused(str(error)) from error


async def put_turn_back(parts: ServiceParts, session: Session, command: c.RewindFiles) -> c.FilesChanged | None:
    """Put the session's own files back to before a turn, Bash's changes included; with `dry_run` say which.

    Returns None if there is no checkpoint before the turn. Raises as `restore_files` does.
    """
    checkpoints = session.around.checkpoints
    if checkpoints is None:
        return None
    # Checkpoints see what Bash changed; the CLI's own copies know the files of its tools alone.
    target = await rows.load_anchored(checkpoints.engine.db, session.id, command.turn_id, Reason.BEFORE_PROMPT)
    if target is None:
        return None
    preview = (await preview_restore(session, target.id, RestoreScope.SESSION)).preview
    paths = {step.path for step in preview.plan.steps}
    changes = [each for each in await checkpoints.engine.compare(target, preview.safety) if each.path in paths]
    if not command.dry_run:
        others = parts.manager.loaded()
        # With the digest of this look: what changes in between makes the restore refuse.
        await restore_files(session, others, target.id, RestoreScope.SESSION, preview.digest)
    return c.FilesChanged(
        paths=tuple(sorted(decoded(path) for path in paths)),
        insertions=sum(each.added or 0 for each in changes),
        deletions=sum(each.removed or 0 for each in changes),
        done=not command.dry_run,
    )


async def create_checkpoint(
    parts: ServiceParts, session: Session, command: c.TakeCheckpoint
) -> c.CheckpointInfo:
    """Take a checkpoint that is kept for good; see `TakeCheckpoint`. The session's folder lists it."""
    checkpoints = checkpoints_of(session)
    label = " ".join(command.label.split())[:_MOST_LABEL]
    reason = Reason.MILESTONE if command.milestone else Reason.MANUAL
    taken = await checkpoints.take(session, reason, label, command.origin)
    # Somebody asked for it, so no rule of age or size removes it.
    await checkpoints.engine.pin(taken)
    from service.session_folders import refresh
    from sessions.rows.folders import load_folder

    if await load_folder(parts.manager.db, session.id) is not None:
        with suppress(FolderRefused):  # the checkpoint is taken; the next refresh writes the file
            await refresh(parts, session.id)
    return _info(taken)


async def _list(
    session: Session, checkpoints: SessionCheckpoints, command: c.ListCheckpoints
) -> c.CheckpointPage:
    limit = max(1, min(command.limit, MOST_LISTED))
    # One more than wanted tells whether there is a next page.
    found = await rows.load_checkpoints(
        checkpoints.engine.db, owner=session.id, before=command.cursor, limit=limit + 1
    )
    cursor = found[limit - 1].id if len(found) > limit else ""
    return c.CheckpointPage(tuple(_info(each) for each in found[:limit]), cursor)


async def _compare(
    session: Session, checkpoints: SessionCheckpoints, command: c.CompareCheckpoints
) -> c.Comparison:
    old = await _of_session(session, checkpoints, command.checkpoint_id)
    if command.with_id:
        new = await _of_session(session, checkpoints, command.with_id)
    else:
        # The files as they are now become a checkpoint, too: only checkpoints can be compared.
        note = Note(session.id, session.snapshot.last_turn or "", Reason.COMPARE)
        new = await checkpoints.engine.take(checkpoints.place(session), note)
    return await _comparison(checkpoints, old, new, with_diff=command.with_diff)


async def _of_turn(
    session: Session, checkpoints: SessionCheckpoints, command: c.ReadTurnChanges
) -> c.Comparison:
    database = checkpoints.engine.db
    # The id comes from a person, who may have no right to the session of that turn.
    if (await load_turn(database, TurnId(command.turn_id))).session_id != session.id:
        raise TurnNotFound(command.turn_id)
    before = await rows.load_anchored(database, session.id, command.turn_id, Reason.BEFORE_PROMPT)
    after = await rows.load_anchored(database, session.id, command.turn_id, Reason.TURN_END)
    # The turn began before checkpoints were switched on, or its own have been removed since.
    if before is None or after is None:
        raise CheckpointRefused("there are no checkpoints around this turn")
    return await _comparison(checkpoints, before, after, with_diff=command.with_diff)


async def _preview(
    session: Session, checkpoints: SessionCheckpoints, command: c.PreviewRestore
) -> c.RestorePreview:
    await _of_session(session, checkpoints, command.checkpoint_id)
    found = await preview_restore(session, command.checkpoint_id, command.scope)
    preview, plan = found.preview, found.preview.plan
    target = preview.target
    known = await rows.load_known_changes(checkpoints.engine.db, target.directory, target.id)
    # Oldest first, so the last one who changed a path remains.
    authors = {each.path: each.owner for each in known}
    steps = [
        c.RestoreStep(decoded(step.path), _kind(step), authors.get(step.path, ""))
        # A restore may touch every file of a project. The counts below are of all of them.
        for step in plan.steps[:MOST_PATHS]
    ]
    kinds = [_kind(step) for step in plan.steps]
    return c.RestorePreview(
        checkpoint=_info(target),
        scope=found.scope,
        digest=preview.digest,
        creates=kinds.count(c.StepKind.CREATE),
        changes=kinds.count(c.StepKind.CHANGE),
        deletes=kinds.count(c.StepKind.DELETE),
        kept=len(plan.left),
        steps=tuple(steps),
        left=_left(plan.left),
        **_heads(target.head, preview.safety.head),
    )


def _heads(then: str, now: str) -> dict[str, str]:
    """Return where HEAD was and is, if that is known and it moved."""
    if not then or not now or then == now:
        return {}
    return {"head_then": _head_words(then), "head_now": _head_words(now)}


def _head_words(head: str) -> str:
    commit, _, ref = head.partition(" ")
    branch = ref.removeprefix("refs/heads/")
    return f"{'no branch' if branch in ('', 'HEAD') else branch} at {commit[:7]}"


async def _comparison(
    checkpoints: SessionCheckpoints, old: Checkpoint, new: Checkpoint, *, with_diff: bool
) -> c.Comparison:
    changes = await checkpoints.engine.compare(old, new)
    diff: str | None = ""
    if with_diff:
        diff = await checkpoints.engine.diff(old, new, max_bytes=_MOST_DIFF_BYTES)
    return c.Comparison(tuple(_change(each) for each in changes[:MOST_PATHS]), len(changes), diff)


async def _of_session(session: Session, checkpoints: SessionCheckpoints, checkpoint_id: str) -> Checkpoint:
    """Return a checkpoint of this session. Those of others may hold files that its people may not see."""
    found = await checkpoints.engine.load(checkpoint_id)
    if found.owner != session.id:
        raise CheckpointNotFound
    return found


def _info(each: Checkpoint) -> c.CheckpointInfo:
    return c.CheckpointInfo(
        id=each.id,
        reason=each.reason,
        label=each.label,
        turn_id=each.anchor,
        made_ms=each.made_ms,
        files=each.files,
        uncovered=each.uncovered,
        moving=each.moving,
        is_late=each.is_late,
        is_partial=each.is_partial,
    )


def _change(each: PathChange) -> c.FileChange:
    return c.FileChange(decoded(each.path), each.kind, each.added, each.removed)


def _kind(step: Step) -> c.StepKind:
    match step:
        case Write(is_new=True):
            return c.StepKind.CREATE
        case Write() | SetMode():
            return c.StepKind.CHANGE
        case Delete():
            return c.StepKind.DELETE
        case _:
            assert_never(step)


def _left(left: Sequence[Left]) -> tuple[c.LeftFile, ...]:
    return tuple(c.LeftFile(decoded(each.path), each.why) for each in left[:MOST_PATHS])


def _result(done: Restored) -> c.RestoreResult:
    return c.RestoreResult(
        checkpoint=_info(done.target),
        safety=_info(done.safety),
        restored=len(done.paths),
        left=_left(done.left),
        differing=tuple(decoded(path) for path in done.differing[:MOST_PATHS]),
    )

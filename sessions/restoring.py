"""Puts the files of a session's work directory back to a checkpoint, if nobody is working there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sessions import events as e
from sessions import rows as session_rows
from sessions.checkpointing import SessionCheckpoints
from sessions.errors import CheckpointRefused, IllegalMove, PreviewOutdated
from sessions.parking import may_be_parked
from sessions.restore_scope import RestoreScope
from sessions.session import Session
from sessions.session_port import SessionPort
from sessions.topics import Topic
from workdirs import rows
from workdirs.checkpoint_model import CheckpointId, Preview, Restored, Scope
from workdirs.errors import PlanChanged, WorkdirError
from workdirs.restores import RestoreWish

_WHAT = "Restoring files"


@dataclass(frozen=True, slots=True)
class Previewed:
    """A preview, and the scope that it has: never `auto`."""

    preview: Preview
    scope: RestoreScope


async def preview_restore(session: Session, checkpoint_id: str, scope: RestoreScope) -> Previewed:
    """Say what the restore would do now; changes no file. Raises `CheckpointRefused`."""
    checkpoints = checkpoints_of(session)
    chosen = await _chosen(session, scope)
    wish = await _wish(session, checkpoints, checkpoint_id, chosen)
    try:
        return Previewed(await checkpoints.restores.preview(wish), chosen)
    except WorkdirError as error:
        raise CheckpointRefused(str(error)) from error


async def restore_files(
    session: Session, others: Sequence[Session], checkpoint_id: str, scope: RestoreScope, digest: str
) -> Restored:
    """Carry out the restore that was previewed as `digest`. `others` are all sessions in memory.

    Raises `IllegalMove` while Claude works, `PreviewOutdated`, `CheckpointRefused`.
    """
    checkpoints = checkpoints_of(session)
    wish = await _wish(session, checkpoints, checkpoint_id, scope)
    await _make_quiet(session, others)
    return await _carried_out(session, checkpoints, wish, digest)


async def undo_restore(session: Session, others: Sequence[Session]) -> Restored:
    """Undo the session's last restore. Raises as `restore_files` does."""
    checkpoints = checkpoints_of(session)
    last = await checkpoints.restores.last(session.id)
    if last is None:
        raise CheckpointRefused("there is no restore of this session that can be undone")
    await _make_quiet(session, others)
    plain = await _wish(session, checkpoints, last[1], RestoreScope.EVERYTHING)
    wish = await checkpoints.restores.undo_wish(plain, *last)
    try:
        preview = await checkpoints.restores.preview(wish)
    except WorkdirError as error:
        raise CheckpointRefused(str(error)) from error
    return await _carried_out(session, checkpoints, wish, preview.digest)


def checkpoints_of(session: SessionPort) -> SessionCheckpoints:
    """Return the checkpoints of all sessions. Raises `CheckpointRefused` if they are switched off."""
    found = session.around.checkpoints
    if found is None:
        raise CheckpointRefused("checkpoints are switched off: CHECKPOINTS=false")
    return found


def restored_words(restored: Restored) -> str:
    """Return the sentence that a session's people and Claude read about a restore."""
    files = "1 file was" if len(restored.paths) == 1 else f"{len(restored.paths)} files were"
    left = f" {len(restored.left)} were left as they are." if restored.left else ""
    wrong = f" {len(restored.differing)} differ from it: somebody writes there." if restored.differing else ""
    return f"{files} put back to a checkpoint.{left}{wrong}"


async def _carried_out(
    session: Session, checkpoints: SessionCheckpoints, wish: RestoreWish, digest: str
) -> Restored:
    try:
        restored = await checkpoints.restores.restore(wish, digest)
    except PlanChanged as error:
        raise PreviewOutdated from error
    except WorkdirError as error:
        raise CheckpointRefused(str(error)) from error
    async with session.change() as draft:
        draft.add(e.Noticed(Topic.RESTORED, restored_words(restored)))
    return restored


async def _make_quiet(session: Session, others: Sequence[Session]) -> None:
    """Refuse while somebody works in the directory. Park idle processes: they know the files as they were."""
    # All are looked at before the first is parked: a refusal leaves every process alone.
    for each in _at_rest_here(session, others):
        await each.park_if(may_be_parked, "its files are put back")
    # A turn may have begun while they were parked.
    _at_rest_here(session, others)


def _at_rest_here(session: Session, others: Sequence[Session]) -> list[Session]:
    """Return the sessions with a process in the directory. Raises an error if one of them works."""
    directory = Path(session.snapshot.work_directory)
    here = [
        each
        for each in others
        if each.snapshot.holds_slot and _overlap(directory, Path(each.snapshot.work_directory))
    ]
    if session.snapshot.current is not None or session.snapshot.queue:
        raise IllegalMove(_WHAT, "busy")
    for each in here:
        if each.id != session.id and not may_be_parked(each.snapshot):
            title = each.snapshot.title or "without a name"
            raise CheckpointRefused(f"another session works in this directory: “{title}”")
    return here


def _overlap(one: Path, other: Path) -> bool:
    """Whether the directories have files in common: a project may lie in another one."""
    return one.is_relative_to(other) or other.is_relative_to(one)


async def _chosen(session: Session, scope: RestoreScope) -> RestoreScope:
    if scope is not RestoreScope.AUTO:
        return scope
    snapshot = session.snapshot
    others = await session_rows.count_in_directory(session.around.db, snapshot.work_directory, but=session.id)
    return RestoreScope.SESSION if others else RestoreScope.EVERYTHING


async def _wish(
    session: Session, checkpoints: SessionCheckpoints, checkpoint_id: str, scope: RestoreScope
) -> RestoreWish:
    place = checkpoints.place(session)
    paths: Scope = None
    if scope is RestoreScope.SESSION:
        # A turn that just ended may be on its way into the rows.
        async with checkpoints.engine.locked(place.directory):
            paths = await rows.load_touched(session.around.db, str(place.directory), session.id)
    anchor = session.snapshot.last_turn or ""
    return RestoreWish(place, CheckpointId(checkpoint_id), paths, session.id, anchor)

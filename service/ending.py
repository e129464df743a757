"""The end of a session with all that belongs to it: draft, proposal, and the end itself.

The end is a row first. Each of its steps can be done again, so a cut end is finished at the next start.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import assert_never

import msgspec

import api as c
from api.access import Actor
from faults import crash_point
from service.backing_up import make_session_backup
from service.backup_rows import load_backups
from service.end_files import artifact_files, manifests
from service.folder_facts import FolderFacts, folder_on_disk, load_facts
from service.parts import ServiceParts
from service.session_folders import ensure_folder, refresh, refresh_tracking, shown
from service.summary_draft import ask_claude, made_of_rows
from sessions.errors import (
    BackupRefused,
    CheckpointRefused,
    ClaudeUnavailable,
    EndedAlready,
    FolderRefused,
    IllegalMove,
)
from sessions.events import Noticed
from sessions.model import Lifecycle
from sessions.rows import folders as rows
from sessions.session import Session
from sessions.stored_folders import EndStatus, FolderPlace, StoredEnd
from sessions.topics import Topic
from storage import run_to_end
from workdirs.checkpoint_model import Reason
from workdirs.errors import WorkdirError

log = logging.getLogger(__name__)

CAUSE = "ended"
PROPOSAL_LASTS_MS = 86_400_000


async def end(
    parts: ServiceParts, session: Session, actor: Actor, command: c.DraftEnd | c.ProposeEnd | c.EndSession
) -> c.FolderInfo:
    """Carry out `command`; see `api/folders.py`."""
    match command:
        case c.DraftEnd():
            return await _draft(parts, session)
        case c.ProposeEnd():
            return await _propose(parts, session, command)
        case c.EndSession():
            return await end_session(parts, session, actor, command)
        case _:
            assert_never(command)


async def end_session(
    parts: ServiceParts, session: Session, actor: Actor, command: c.EndSession
) -> c.FolderInfo:
    """End the session; see `EndSession`."""
    score = _checked_score(command.score, parts.folder_rules.axes)
    _refuse_a_second_end(session)
    db, now_ms = parts.manager.db, parts.manager.now_ms()
    if command.proposed_ms is not None and now_ms - command.proposed_ms > PROPOSAL_LASTS_MS:
        raise FolderRefused("this proposal is older than a day, so nothing was ended; /session end does it now")
    await ensure_folder(parts, session)
    known = await rows.load_end(db, session.id)
    summary = command.summary.strip()[: c.MAX_SUMMARY] or (known.draft if known is not None else "")
    await db.write([rows.begin_end(session.id, summary, score, actor.user_id, now_ms)])
    crash_point("end.begun")
    return await shown(parts, await _carry_out(parts, session))


async def just_end(parts: ServiceParts, session: Session, actor: Actor) -> None:
    """End the session without summary, score and bundle. Its folder, if it has one, goes to the archive."""
    if await rows.load_folder(parts.manager.db, session.id) is None:
        await parts.manager.clear_session(session.id)
        return
    now_ms = parts.manager.now_ms()
    await parts.manager.db.write([rows.begin_end(session.id, "", {}, actor.user_id, now_ms, with_bundle=False)])
    await _carry_out(parts, session)


async def archive_ended(parts: ServiceParts, session_id: str) -> None:
    """Archive the folder of a session that ended without `EndSession`; nothing while one is under way."""
    known = await rows.load_end(parts.manager.db, session_id)
    if known is not None and known.status in (EndStatus.ENDING, EndStatus.ENDED):
        return
    session = await parts.manager.get_session(session_id)
    now_ms = parts.manager.now_ms()
    begun = rows.begin_end(session.id, "", {}, "", now_ms, with_bundle=False)
    await parts.manager.db.write([begun])
    await _carry_out(parts, session)


async def finish_cut_ends(parts: ServiceParts) -> None:
    """Finish the ends that the end of the last process cut; for the start. Trouble of one is logged."""
    for cut in await rows.load_cut_ends(parts.manager.db):
        try:
            await _carry_out(parts, await parts.manager.get_session(cut.session_id))
        except Exception:  # the bridge starts, and the other ends are finished
            log.exception("end not finished", extra={"session": cut.session_id})


async def _carry_out(parts: ServiceParts, session: Session) -> FolderFacts:
    """Do all steps of an end whose row is stored. Each may have been done before."""
    # A lock of its own: `refresh` and `_to_archive` take that of the folder inside.
    async with parts.folder_locks.of(f"end {session.id}"):
        # A step that the disk refuses becomes a sentence in the row. It keeps no session from ending.
        trouble: list[str] = []
        await _last_checkpoint(session, trouble)
        crash_point("end.checkpoint")
        if session.snapshot.lifecycle is not Lifecycle.ENDED:
            await session.end(CAUSE)
        crash_point("end.session_ended")
        facts = await _try_refresh(parts, session, trouble)
        crash_point("end.written")
        await _write_end_files(parts, session, facts, trouble)
        # Before the move: `facts` name the folder's active place.
        await _bundle(parts, session, facts, trouble)
        crash_point("end.bundled")
        await _to_archive(parts, session, trouble)
        crash_point("end.moved")
        figures: Mapping[str, float] = msgspec.to_builtins(facts.metrics)
        await parts.manager.db.write(
            [rows.end_done(session.id, figures, " ".join(trouble), parts.manager.now_ms())]
        )
    with suppress(FolderRefused):  # the end is stored; the next change of the project writes its list
        await refresh_tracking(parts, facts.folder)
    return await _facts(parts, session)


async def _last_checkpoint(session: Session, trouble: list[str]) -> None:
    """Keep the files as they are at the end. Without checkpoints there is nothing to do."""
    checkpoints = session.around.checkpoints
    if checkpoints is None or session.snapshot.lifecycle is Lifecycle.ENDED:
        return
    try:
        taken = await checkpoints.take(session, Reason.SESSION_END)
    except CheckpointRefused as error:
        trouble.append(str(error))
        return
    # Rules on age must not remove the files as they were at the end.
    await checkpoints.engine.pin(taken)


async def _try_refresh(parts: ServiceParts, session: Session, trouble: list[str]) -> FolderFacts:
    try:
        return await refresh(parts, session.id)
    except FolderRefused as error:
        trouble.append(str(error))
        return await _facts(parts, session)


async def _write_end_files(
    parts: ServiceParts, session: Session, facts: FolderFacts, trouble: list[str]
) -> None:
    """Write artifacts and manifests of checkpoints into the folder."""
    checkpoints = session.around.checkpoints
    if checkpoints is None or not facts.checkpoints:
        return
    try:
        store = await checkpoints.engine.store_of(facts.checkpoints[-1])
        place = folder_on_disk(parts, facts.folder)
        await asyncio.to_thread(
            lambda: place.write({**artifact_files(store, facts), **manifests(store, facts)})
        )
    except WorkdirError as error:
        trouble.append(f"The folder has no artifacts: {error}.")
    except OSError as error:
        trouble.append(f"The folder has no artifacts: {error.strerror or type(error).__name__}.")


async def _bundle(parts: ServiceParts, session: Session, facts: FolderFacts, trouble: list[str]) -> None:
    """Write the bundle, unless this end has one already."""
    end_ = facts.end
    if end_ is None or not end_.with_bundle:
        return
    made = await load_backups(parts.manager.db, session_id=session.id)
    if any(each.info.made_ms >= end_.began_ms for each in made):
        return
    try:
        await make_session_backup(parts, session, facts)
    except BackupRefused as error:
        trouble.append(str(error))


async def _to_archive(parts: ServiceParts, session: Session, trouble: list[str]) -> None:
    folder = await ensure_folder(parts, session)
    async with parts.folder_locks.of(session.id):
        # The move first: it can be repeated, and a row that is ahead would name a place without files.
        try:
            await run_to_end(lambda: folder_on_disk(parts, folder).moved(is_archived=True))
        except OSError as error:
            trouble.append(f"The folder stays where it is: {error.strerror or type(error).__name__}.")
            return
        await parts.manager.db.write([rows.set_place(session.id, FolderPlace.ARCHIVE)])


async def _facts(parts: ServiceParts, session: Session) -> FolderFacts:
    folder = await ensure_folder(parts, session)
    return await load_facts(parts.manager.db, folder, parts.manager.now_ms())


def _refuse_a_second_end(session: Session) -> None:
    try:
        session.refuse_if_ended("Ending it")
    except IllegalMove as error:
        raise EndedAlready from error


# --- draft and proposal -----------------------------------------------------------------------------------


async def _draft(parts: ServiceParts, session: Session) -> c.FolderInfo:
    _refuse_a_second_end(session)
    await ensure_folder(parts, session)
    text, by = "", "claude"
    with suppress(ClaudeUnavailable):
        text = await ask_claude(session)
    if not text:
        text, by = await made_of_rows(parts, session), "bridge"
    now_ms = parts.manager.now_ms()
    await parts.manager.db.write([rows.store_draft(session.id, EndStatus.DRAFTED, text, by, now_ms)])
    with suppress(FolderRefused):  # the draft is stored; the next refresh writes it
        await refresh(parts, session.id)
    return await shown(parts, await _facts(parts, session))


async def _propose(parts: ServiceParts, session: Session, command: c.ProposeEnd) -> c.FolderInfo:
    _refuse_a_second_end(session)
    await ensure_folder(parts, session)
    now_ms, text = parts.manager.now_ms(), command.summary.strip()[: c.MAX_SUMMARY]
    text = text or await made_of_rows(parts, session)
    stored = rows.store_draft(session.id, EndStatus.PROPOSED, text, "claude", now_ms)
    # The proposal and its notice in one transaction: without a notice nobody would answer it.
    async with session.change() as draft:
        draft.extra.append(stored)
        draft.add(Noticed(Topic.END_PROPOSED, _first_words(text), about=str(now_ms)))
    return await shown(parts, await _facts(parts, session))


def _checked_score(score: Mapping[str, int], axes: tuple[str, ...]) -> dict[str, int]:
    for axis, value in score.items():
        if axis not in axes:
            raise FolderRefused(f"a score has these axes: {', '.join(axes)}")
        if not 0 <= value <= c.MAX_SCORE:
            raise FolderRefused(f"{axis} has 0 to {c.MAX_SCORE} points")
    return {axis: score[axis] for axis in axes if axis in score}


def _first_words(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"{words[:299].rstrip()}…"


def is_open(end_: StoredEnd | None, now_ms: int) -> bool:
    """Whether a proposal still waits for its answer."""
    is_proposed = end_ is not None and end_.status is EndStatus.PROPOSED
    return is_proposed and now_ms - end_.drafted_ms <= PROPOSAL_LASTS_MS if end_ is not None else False

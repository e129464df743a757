"""Find the row of Claude's transcript where a branch begins, and create the session that continues there.

Claude's own fork finds only rows on the path that it would resume. Turns that Regenerate dropped and turns
before a compaction are still in the file: their branch gets a cut of the file as its conversation.
"""

import asyncio
import logging
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from sessions import events as e
from sessions import rows
from sessions.conversations import RowPath
from sessions.dependencies import Dependencies
from sessions.draft import Draft
from sessions.errors import ConversationGone, IllegalMove
from sessions.model import TurnId, TurnStatus
from sessions.own_copies import OwnCopy
from sessions.rule_keeping import take_rules_along
from sessions.session import Session
from sessions.snapshot import Snapshot
from sessions.stored import StoredTurn
from sessions.topics import Topic
from sessions.uploads import copy_uploads, uploads_of

log = logging.getLogger(__name__)

_ANSWERS = 50


@dataclass(frozen=True, slots=True)
class BranchBegin:
    """The beginning of a branch of `parent` at `turn_id`: after row `uuid` of `conversation_id`."""

    parent: Session
    turn_id: TurnId
    conversation_id: str
    uuid: str
    path: RowPath


async def find_branch_begin(around: Dependencies, parent: Session, turn: StoredTurn) -> BranchBegin:
    """Return the last row that Claude has of `turn`, or of an earlier turn if this one left no row.

    Raises `ConversationGone` if neither the transcript nor our copy has a row of any of them.
    """
    work_directory = Path(parent.snapshot.work_directory)
    for each in await rows.load_branch_path(around.db, parent.id, turn.number):
        # Another answer to the same prompt comes before this one by its number, but is no beginning for it.
        is_other_answer = each.id != turn.id and _question(each) == _question(turn)
        if is_other_answer:
            continue
        blocks = await rows.load_block_places(around.db, parent.id, each.id)
        # From the end of the turn backwards: a CLI that was killed may not have written its last rows.
        wanted = [each.last_uuid, *(uuid for uuid, *_ in reversed(blocks)), each.prompt_uuid]
        found = await asyncio.to_thread(
            around.conversations.branch_point, each.conversation_id, work_directory, [w for w in wanted if w]
        )
        if found is not None:
            return BranchBegin(parent, turn.id, each.conversation_id, found.uuid, found.path)
    raise ConversationGone


def _question(turn: StoredTurn) -> TurnId:
    """Return an id that all answers to one prompt share."""
    return turn.alternative_of or turn.id


async def begin_branch(
    session: Session, created: e.SessionCreated, begin: BranchBegin, copy: OwnCopy | None = None
) -> None:
    """Store the new, empty `session` as a branch: its first prompt continues after `begin`.

    `copy` is its own copy of the files; without one it works in its parent's directory.
    """
    conversations = session.around.conversations
    cut = str(uuid.uuid4()) if begin.path is RowPath.DROPPED else ""
    parent_id, work_directory = begin.conversation_id, Path(begin.parent.snapshot.work_directory)
    try:
        if cut:
            await asyncio.to_thread(conversations.cut_copy, parent_id, work_directory, begin.uuid, cut)
        await _take_uploads_along(begin.parent, session)
        async with session.change(new_session=True) as draft:
            draft.add(created)
            draft.add(e.Branched(begin.parent.id, begin.turn_id, begin.conversation_id, begin.uuid))
            if cut:
                draft.add(e.ConversationChanged(cut, "branch"))
            if copy is not None:
                copy.put_on(draft)
            else:
                _share_directory(begin.parent.snapshot, draft)
            await take_rules_along(begin.parent, draft)
    finally:
        # Number 1 is still free, so the session was not stored and nothing refers to the copy.
        if cut and session.snapshot.next_event == 1:
            conversations.remove_copy(cut)


async def _take_uploads_along(parent: Session, branch: Session) -> None:
    # Before the branch is stored: a directory without a session is swept, a branch without its files stays so.
    run = parent.around.run_directory
    try:
        await asyncio.to_thread(copy_uploads, uploads_of(run, parent.id), uploads_of(run, branch.id))
    except (OSError, shutil.Error):
        log.exception("uploads not taken along", extra={"session": branch.id})


def _share_directory(parent: Snapshot, draft: Draft) -> None:
    if parent.keeps_out_of:
        draft.add(e.OwnCopyMade(parent.work_directory, "", parent.keeps_out_of))
    words = "This branch works in the same directory as the session it came from."
    draft.add(e.Noticed(Topic.SHARED_DIRECTORY, words))


async def go_on_from(session: Session, turn_id: TurnId) -> None:
    """Let the next prompt follow `turn_id`, one of several answers to the last prompt.

    Claude's own rewind can only drop answers. So the session is parked, and wakes in a copy that ends there.
    Raises `IllegalMove`, `TurnNotFound`, `ConversationGone`.
    """
    what, around = "Going on from this answer", session.around
    session.refuse_if_ended(what)
    turn = await rows.find_branch_turn(around.db, session.id, turn_id)
    newest = (await rows.load_turns(around.db, session.id, limit=_ANSWERS)) or [turn]
    begun = next(each for each in newest if each.status is not TurnStatus.WITHDRAWN)
    if _question(turn) != _question(begun):
        raise IllegalMove(what, "past it")
    _refuse_if_busy(what, session.snapshot)
    # Before the park, so that a turn without a record costs the session nothing.
    begin = await find_branch_begin(around, session, turn)
    # Before the cut: Claude writes its last rows as it ends.
    await session.park_at_rest(what, "the next prompt follows another answer")
    cut, work_directory = str(uuid.uuid4()), Path(session.snapshot.work_directory)
    await asyncio.to_thread(
        around.conversations.cut_copy, begin.conversation_id, work_directory, begin.uuid, cut
    )
    is_done = False
    try:
        async with session.change() as draft:
            # A prompt may have come while the transcript was cut.
            _refuse_if_busy(what, draft.snapshot)
            draft.add(e.WentOnFrom(turn.id, cut, turn.prompt_uuid, begin.uuid))
        is_done = True
    finally:
        if not is_done:
            around.conversations.remove_copy(cut)


def _refuse_if_busy(what: str, snapshot: Snapshot) -> None:
    if snapshot.current is not None or snapshot.queue:
        raise IllegalMove(what, "busy")

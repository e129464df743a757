"""Carries out the commands of `api/branching.py`."""

from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

import api as c
from api.access import Action, Actor, may
from api.words.branches import resolving_prompt, set_up_prompt
from service.branch_report import DIGEST_QUESTION, MOST_TURNS, draft_report
from service.parts import ServiceParts
from service.prompting import talk
from service.session_info import session_facts
from sessions import merging, own_copies, rows
from sessions.errors import BranchRefused, CheckpointRefused, ClaudeUnavailable, SessionError
from sessions.manager import SessionManager
from sessions.model import Lifecycle
from sessions.session import Session
from sessions.side_requests import ask_aside, note_conflict
from sessions.stored import Purpose
from workdirs.changes import PathChange
from workdirs.checkpoint_model import Reason
from workdirs.errors import WorkdirError
from workdirs.merge_choices import Strategy
from workdirs.quoting import quoted

_MOST_FILES = 200
_MOST_OF_A_MESSAGE = 10_000
MOST_PATCH_BYTES = 4_000_000
_REMOVED = "its branch was removed"


async def branch(parts: ServiceParts, session: Session, actor: Actor, command: c.BranchingCommand) -> object:
    """Carry out `command` and return its reply. Raises the errors that the command's docstring names."""
    match command:
        case c.ListBranches():
            return c.Branches(await _listed(parts.manager, session, actor, with_changes=command.with_changes))
        case c.CompareBranch():
            changes = await _changes(session)
            return c.BranchChanges(_files(changes), max(0, len(changes) - _MOST_FILES))
        case c.PreviewMerge():
            seen = await merging.preview(session, command.strategy)
            # Asking Claude costs money, so the right to look is not enough for it.
            asks = command.asks_claude and may(actor, Action.PROMPT, await session_facts(session))
            written = await _message_by_claude(session, seen) if asks else ""
            last = await rows.load_last_merge(parts.manager.db, session.id)
            return _preview(seen, written, can_undo=last is not None)
        case c.MergeBranch():
            merged = await merging.merge(
                session,
                command.strategy,
                command.digest,
                by=actor.user_id,
                message=command.message[:_MOST_OF_A_MESSAGE],
            )
            return _result(merged)
        case c.ResolveMerge():
            return await _resolve(parts, session, actor, command)
        case c.CommitBranch():
            return c.WorkPlace(*await merging.commit(session, command.message))
        case c.UndoMerge():
            return _result(await merging.undo(session))
        case c.DraftReport():
            asks = command.asks_claude and may(actor, Action.PROMPT, await session_facts(session))
            return await _report(parts.manager, session, asks_claude=asks)
        case c.ReadSetUp():
            from sessions.setting_up import read_set_up

            plan, is_agreed = await read_set_up(session)
            return c.SetUp(plan.commands, plan.files, plan.digest, is_agreed)
        case c.SetUpBranch():
            from sessions.setting_up import agree_to_set_up

            prompt = set_up_prompt(await agree_to_set_up(session, command.digest, actor.user_id))
            wish = c.SendMessage(session_id=session.id, content=prompt, origin=command.origin)
            return await talk(parts, session, actor, wish)
        case c.RemoveBranch():
            # Raises for a session that is no branch, before anything of it ends.
            await own_copies.branch_of(session)
            if not command.even_unmerged:
                await merging.refuse_if_unmerged(session)
            # The end first: no process may write into a directory that is being removed.
            if session.snapshot.lifecycle is not Lifecycle.ENDED:
                await session.end(_REMOVED)
            await own_copies.remove_own_copy(session)
            return c.Nothing()
        case _:
            assert_never(command)


async def _listed(
    manager: SessionManager, parent: Session, actor: Actor, *, with_changes: bool
) -> tuple[c.BranchInfo, ...]:
    found = []
    for each in await rows.load_branches(manager.db, parent.id):
        try:
            session = await manager.get_session(each.session_id)
        except SessionError:
            continue  # deleted by retention, or damaged
        if not may(actor, Action.VIEW, await session_facts(session)):
            continue
        snapshot = session.snapshot
        changes: Sequence[PathChange] | None = None
        if with_changes:
            try:
                # Takes a checkpoint of each branch, so only on request.
                changes = await _changes(session)
            except (BranchRefused, CheckpointRefused):
                changes = None
        found.append(
            c.BranchInfo(
                session_id=session.id,
                channel_id=snapshot.channel_id,
                title=snapshot.title,
                name=each.name,
                git_branch=each.git_branch.removeprefix("refs/heads/"),
                target=each.target.removeprefix("refs/heads/"),
                cost_usd=snapshot.cost_usd,
                list_price_usd=snapshot.list_price_usd,
                turns=snapshot.next_turn - 1,
                has_ended=snapshot.lifecycle is Lifecycle.ENDED,
                changed=None if changes is None else len(changes),
                added=sum(change.added or 0 for change in changes or ()),
                removed=sum(change.removed or 0 for change in changes or ()),
            )
        )
    return tuple(found)


async def _changes(session: Session) -> list[PathChange]:
    """Return the changes of the branch since its beginning. Raises `BranchRefused`, `CheckpointRefused`."""
    row, checkpoints = await own_copies.branch_of(session), own_copies.checkpoints_of(session)
    # Against the files as they are now, committed or not.
    now = await checkpoints.take(session, Reason.COMPARE)
    try:
        return await checkpoints.engine.compare(await checkpoints.engine.load(row.checkpoint), now)
    except WorkdirError as error:
        raise CheckpointRefused(str(error)) from error


async def branch_patch(session: Session) -> bytes | None:
    """Return the changes of the branch since its beginning as a patch for `git apply`; None if too long.

    Raises `BranchRefused`, `CheckpointRefused`.
    """
    row, checkpoints = await own_copies.branch_of(session), own_copies.checkpoints_of(session)
    now = await checkpoints.take(session, Reason.COMPARE)
    try:
        begin = await checkpoints.engine.load(row.checkpoint)
        return await checkpoints.engine.patch(begin, now, max_bytes=MOST_PATCH_BYTES)
    except WorkdirError as error:
        raise CheckpointRefused(str(error)) from error


async def _report(manager: SessionManager, session: Session, *, asks_claude: bool) -> c.BranchReport:
    row, changes = await own_copies.branch_of(session), await _changes(session)
    transcript = await rows.load_transcript(manager.db, session.id, before=None, limit=MOST_TURNS)
    listed = c.BranchChanges(_files(changes), max(0, len(changes) - _MOST_FILES))
    merge = await rows.load_last_merge(manager.db, session.id)
    written = ""
    if asks_claude and session.snapshot.lifecycle is not Lifecycle.ENDED:
        with suppress(ClaudeUnavailable):  # the draft is made of rows then
            written = await ask_aside(session, Purpose.DIGEST, DIGEST_QUESTION, wakes=True)
    text = draft_report(session.snapshot, row, transcript.turns, listed, merge, written=written)
    return c.BranchReport(row.parent_id, text, by_claude=bool(written))


async def _message_by_claude(session: Session, seen: merging.MergeSeen) -> str:
    """Return Claude's draft for the message of a squash that could land; empty if it cannot be asked."""
    from sessions.merge_message import MESSAGE_QUESTION, message_of_answer

    # Only for a merge that can land: nobody reads the message of another one, and asking costs.
    can_land = seen.files and not (seen.conflicts or seen.conflicted or seen.blocked)
    if seen.strategy is not Strategy.SQUASH or not can_land or session.snapshot.lifecycle is Lifecycle.ENDED:
        return ""
    with suppress(ClaudeUnavailable):  # the draft by rule stands then
        return message_of_answer(await ask_aside(session, Purpose.COMMIT_MESSAGE, MESSAGE_QUESTION, wakes=True))
    return ""


async def _resolve(parts: ServiceParts, session: Session, actor: Actor, command: c.ResolveMerge) -> c.Accepted:
    preview = _preview(await merging.preview(session, command.strategy))
    # The branch or its target moved since the person saw conflicts: the prompt would send Claude after nothing.
    if not preview.conflicts:
        raise BranchRefused("there are no conflicts any more; look at the preview")
    prompt = resolving_prompt(preview)
    accepted = await talk(
        parts, session, actor, c.SendMessage(session_id=session.id, content=prompt, origin=command.origin)
    )
    assert isinstance(accepted, c.Accepted)
    await note_conflict(session, prompt, accepted.turn_id)
    return accepted


def _preview(seen: merging.MergeSeen, written: str = "", *, can_undo: bool = False) -> c.MergePreview:
    named = [
        c.MergeConflict(quoted(each.paths[0]), each.kind, each.words) for each in seen.conflicts if each.paths
    ]
    return c.MergePreview(
        branch=seen.branch,
        target=seen.target,
        strategy=seen.strategy,
        files=_files(seen.files),
        conflicts=tuple(named),
        blocked=tuple(c.BlockedFile(quoted(each.path), each.why) for each in seen.blocked),
        subjects=seen.subjects,
        has_uncommitted=seen.has_uncommitted,
        digest=seen.digest,
        more=max(0, len(seen.files) - _MOST_FILES),
        message=written or seen.message,
        by_claude=bool(written),
        can_undo=can_undo,
    )


def _files(changes: Sequence[PathChange]) -> tuple[c.FileChange, ...]:
    return tuple(
        c.FileChange(quoted(each.path), each.kind, each.added, each.removed) for each in changes[:_MOST_FILES]
    )


def _result(merged: merging.Merged) -> c.MergeResult:
    left = tuple(quoted(path) for path in merged.left)
    return c.MergeResult(merged.target.removeprefix("refs/heads/"), merged.files, left)

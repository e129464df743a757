"""Checkpoints in Discord: what the buttons of their cards do. `/checkpoint` uses the same functions."""

from api import (
    CheckpointInfo,
    CompareCheckpoints,
    ListCheckpoints,
    PreviewRestore,
    ReadTurn,
    ReadTurnChanges,
    ReadTurns,
    RestoreFiles,
    UndoRestore,
)
from bot.bodies import Body, Card, Control
from bot.checkpoint_cards import (
    BRANCH,
    CHOOSE,
    COMPARE,
    OLDER,
    PAGE_SIZE,
    PREVIEW,
    RESTORE,
    SHOW,
    UNDO,
    changes_card,
    checkpoint_card,
    list_card,
    preview_card,
    result_card,
)
from bot.entry import Reply
from bot.errors import ControlGone, Refused
from bot.face import Face
from bot.panel_controls import stored
from bot.turn_controls import TurnControls
from sessions.restore_scope import RestoreScope
from workdirs.checkpoint_model import Reason

_NO_TURN = "Claude had said nothing before this checkpoint. Restore the files and start a new session."
_RECENT = 20


class CheckpointControls:
    """Carries out clicks on the cards of checkpoints; see `controls.Controls`."""

    def __init__(self, face: Face, turns: TurnControls) -> None:
        self._face = face
        self._turns = turns

    async def handle(self, reply: Reply, control: Control, values: tuple[str, ...]) -> None:
        """Carry out one click: the control's subject is a checkpoint, its detail the act."""
        session_id, checkpoint_id = control.session_id, control.subject
        match control.detail.split():
            case [act] if act == CHOOSE and values:
                await reply.say(await checkpoint_body(self._face, reply, session_id, values[0]))
            case [act] if act == OLDER:
                await reply.will_update()
                await reply.update(await list_body(self._face, reply, session_id, checkpoint_id))
            case [act] if act == SHOW:
                await reply.think()
                await reply.say(await shown_body(self._face, reply, session_id, checkpoint_id))
            case [act] if act == COMPARE:
                await reply.think()
                await reply.say(await compared_body(self._face, reply, session_id, checkpoint_id))
            case [act, scope] if act == PREVIEW:
                await reply.think()
                body = await preview_body(self._face, reply, session_id, checkpoint_id, RestoreScope(scope))
                await reply.say(body)
            case [act, scope, digest, *branch] if act == RESTORE:
                wish = RestoreFiles(
                    session_id=session_id,
                    checkpoint_id=checkpoint_id,
                    scope=RestoreScope(scope),
                    digest=digest,
                )
                await self._restore(reply, wish, branches=branch == [BRANCH])
            case [act] if act == BRANCH:
                turn_id = await self._turn_at(reply, session_id, checkpoint_id)
                await self._turns.branch(reply, session_id, turn_id, own_copy=False)
            case [act] if act == UNDO:
                await reply.will_update()
                await reply.update(await undone_body(self._face, reply, session_id))
            case _:
                raise ControlGone

    async def _restore(self, reply: Reply, wish: RestoreFiles, *, branches: bool) -> None:
        """Restore the files; with `branches` the conversation goes on from there in a thread of its own."""
        session_id = wish.session_id
        await reply.will_update()
        # Before the first file changes: without a turn to go on from, nothing is restored.
        turn_id = await self._turn_at(reply, session_id, wish.checkpoint_id) if branches else ""
        done = await self._face.core.perform(reply.actor, wish)
        await reply.update(await stored(self._face, result_card(session_id, done, is_undo=False)))
        if branches:
            # No copy: the files of this directory are what was restored.
            await self._turns.branch(reply, session_id, turn_id, own_copy=False)

    async def _turn_at(self, reply: Reply, session_id: str, checkpoint_id: str) -> str:
        """Return the last turn that Claude had ended at a checkpoint. Raises `Refused` before the first one."""
        checkpoint = await _find(self._face, reply, session_id, checkpoint_id)
        if not checkpoint.turn_id:
            raise Refused(_NO_TURN)
        # A checkpoint before a prompt names the turn that follows; Claude's last words are of the one before.
        if checkpoint.reason is not Reason.BEFORE_PROMPT:
            return checkpoint.turn_id
        perform = self._face.core.perform
        view = await perform(reply.actor, ReadTurn(session_id=session_id, turn_id=checkpoint.turn_id))
        before = ReadTurns(session_id=session_id, before=view.turn.number, limit=_RECENT)
        for each in (await perform(reply.actor, before)).turns:
            # Without it Claude said nothing, and the CLI cannot resume there.
            if each.turn.last_uuid:
                return each.turn.id
        raise Refused(_NO_TURN)


async def list_body(face: Face, reply: Reply, session_id: str, cursor: str = "") -> Body:
    """Return a page of the session's checkpoints."""
    wish = ListCheckpoints(session_id=session_id, cursor=cursor, limit=PAGE_SIZE)
    return await stored(face, list_card(session_id, await face.core.perform(reply.actor, wish)))


async def checkpoint_body(face: Face, reply: Reply, session_id: str, checkpoint_id: str) -> Body:
    """Return the card of one checkpoint."""
    checkpoint = await _find(face, reply, session_id, checkpoint_id)
    return await stored(face, checkpoint_card(session_id, checkpoint))


async def shown_body(face: Face, reply: Reply, session_id: str, checkpoint_id: str) -> Card:
    """Return what changed up to a checkpoint: in its turn, or since the checkpoint before it."""
    checkpoint = await _find(face, reply, session_id, checkpoint_id)
    if checkpoint.reason is Reason.TURN_END:
        wish = ReadTurnChanges(session_id=session_id, turn_id=checkpoint.turn_id, with_diff=True)
        return changes_card("Changed in this turn", await face.core.perform(reply.actor, wish))
    before = ListCheckpoints(session_id=session_id, cursor=checkpoint.id, limit=1)
    page = await face.core.perform(reply.actor, before)
    if not page.checkpoints:
        raise Refused("This is the session's first checkpoint, so there is nothing to compare it with.")
    compare = CompareCheckpoints(
        session_id=session_id, checkpoint_id=page.checkpoints[0].id, with_id=checkpoint.id, with_diff=True
    )
    return changes_card("Changed since the checkpoint before", await face.core.perform(reply.actor, compare))


async def compared_body(face: Face, reply: Reply, session_id: str, checkpoint_id: str) -> Card:
    """Return what changed from a checkpoint until now."""
    wish = CompareCheckpoints(session_id=session_id, checkpoint_id=checkpoint_id, with_diff=True)
    return changes_card("Changed since this checkpoint", await face.core.perform(reply.actor, wish))


async def preview_body(
    face: Face, reply: Reply, session_id: str, checkpoint_id: str, scope: RestoreScope
) -> Body:
    """Return the preview of a restore."""
    wish = PreviewRestore(session_id=session_id, checkpoint_id=checkpoint_id, scope=scope)
    return await stored(face, preview_card(session_id, await face.core.perform(reply.actor, wish)))


async def undone_body(face: Face, reply: Reply, session_id: str) -> Body:
    """Undo the session's last restore, and return what that did."""
    done = await face.core.perform(reply.actor, UndoRestore(session_id=session_id))
    return result_card(session_id, done, is_undo=True)


async def newest_or(face: Face, reply: Reply, session_id: str, checkpoint_id: str | None) -> str:
    """Return the checkpoint that a command means: the named one, or that before the last prompt."""
    if checkpoint_id:
        return checkpoint_id
    page = await face.core.perform(reply.actor, ListCheckpoints(session_id=session_id, limit=50))
    for each in page.checkpoints:
        if each.reason is Reason.BEFORE_PROMPT:
            return each.id
    raise Refused("This session has no checkpoint before a prompt yet. /checkpoint list shows what there is.")


async def _find(face: Face, reply: Reply, session_id: str, checkpoint_id: str) -> CheckpointInfo:
    # One page that begins just after it: ids sort by time.
    wish = ListCheckpoints(session_id=session_id, cursor=_after(checkpoint_id), limit=1)
    page = await face.core.perform(reply.actor, wish)
    if not page.checkpoints or page.checkpoints[0].id != checkpoint_id:
        raise Refused("This checkpoint is no longer kept. /checkpoint list shows what there is.")
    return page.checkpoints[0]


def _after(checkpoint_id: str) -> str:
    """Return the smallest text that is greater than the id."""
    return f"{checkpoint_id} "

"""*Look closer*: a read-only turn in which Claude surveys the project. Its answer is kept as the first context.

The turn runs in plan mode, in which Claude changes nothing. The mode is set right before the prompt leaves, and
the session has its own back before the next prompt does, also after a restart: both are part of its state.
"""

from sessions import events as e
from sessions.control_requests import ControlRequests
from sessions.errors import ClaudeUnavailable, IllegalMove
from sessions.model import PermissionMode, Text, TurnKind, TurnStatus
from sessions.prompt_queue import Placed, Prompt, Sender
from sessions.rows.contexts import insert_survey
from sessions.rows.reading import find_turn_by_origin, load_blocks, load_turn
from sessions.session import Session
from sessions.session_port import SessionPort
from sessions.snapshot import Look

_MOST_KEPT = 2_400
_WHAT = "Looking closer"
_PROMPT = (
    "Look closer at this project before we begin. Only read: change nothing, and write no plan. Answer in at"
    " most 500 words, in this order: what the project is; how its code is divided, with the paths that matter;"
    " how it is set up, tested and run; its conventions and the guidance that it gives; what is unusual or easy"
    " to get wrong."
)


async def look_closer(session: Session, sender: Sender) -> Placed:
    """Queue the turn that surveys the project. Raises `IllegalMove` while Claude works or prompts wait."""
    session.refuse_if_ended(_WHAT)
    # A repeat gets the answer of the first time, even while its turn runs.
    is_new = await find_turn_by_origin(session.around.db, sender.origin) is None
    if is_new and (session.snapshot.current is not None or session.snapshot.queue):
        raise IllegalMove(_WHAT, "busy")
    return await session.prompts.add(Prompt(TurnKind.PROMPT, _PROMPT, looks=True), sender)


async def begin_look(session: SessionPort, control: ControlRequests) -> bool:
    """Set plan mode for the turn. If Claude refuses, the turn fails; return whether it may be sent."""
    try:
        # Before the row: killed in between, the step is due again, and the prompt is not sent in the old mode.
        await control.set_permission_mode(PermissionMode.PLAN)
    except ClaudeUnavailable as error:
        async with session.change() as draft:
            # The prompt may have been withdrawn meanwhile.
            if draft.snapshot.look_is_next:
                failed = draft.snapshot.queue[0].turn_id
                draft.add(e.TurnEnded(failed, TurnStatus.FAILED, reason=str(error)))
        return False
    async with session.change() as draft:
        draft.add(e.ModeChanged(PermissionMode.PLAN))
    return True


async def end_look(session: SessionPort, control: ControlRequests) -> None:
    """Keep the answer of the turn, and give the session its mode back, unless a person chose one meanwhile.

    A process that was begun in plan mode cannot stop asking altogether; then the session asks from here on.
    """
    look = session.snapshot.look
    assert look is not None
    mode = session.snapshot.mode
    if mode is PermissionMode.PLAN:
        mode = await _set_back(control, look)
    turn = await load_turn(session.around.db, look.turn_id)
    texts = [each.text for each in await load_blocks(session.around.db, turn.id) if isinstance(each, Text)]
    async with session.change() as draft:
        if draft.snapshot.look != look:
            return
        if draft.snapshot.mode is not mode:
            draft.add(e.ModeChanged(mode))
        draft.add(e.LookEnded())
        if texts and turn.status is TurnStatus.DONE:
            draft.extra.append(insert_survey(session.id, turn.id, texts[-1].strip()[:_MOST_KEPT], draft.at_ms))


async def _set_back(control: ControlRequests, look: Look) -> PermissionMode:
    # The CLI refuses the mode that asks nothing unless it was launched with it (measured).
    for mode in (look.mode, PermissionMode.DEFAULT):
        try:
            await control.set_permission_mode(mode)
        except ClaudeUnavailable:
            continue
        return mode
    return look.mode

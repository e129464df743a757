"""Ask Claude something beside the conversation: a draft of a report, of a summary. Each request is a row.

A request that changes files is a prompt instead, and its row names the turn: `note_conflict`.

The row comes before the request, and its answer after it. A request that the end of the process cut is noted as
failed at the next start: nobody waits for it any more.
"""

from sessions.errors import ClaudeUnavailable
from sessions.rows import ai_requests as rows
from sessions.session import Session
from sessions.stored import Purpose
from storage import UuidMaker

_ANSWER_S = 60.0
_ids = UuidMaker()


async def ask_aside(session: Session, purpose: Purpose, question: str, *, wakes: bool = False) -> str:
    """Ask Claude; return its answer, which may be empty. The conversation and the files stay as they are.

    A question is asked once after each turn: a repeat returns the stored answer and costs nothing. Returns an
    empty answer without asking if Claude works, has had no turn, or has no process; with `wakes` it gets one.
    Raises `ClaudeUnavailable`.
    """
    snapshot = session.snapshot
    if snapshot.last_turn is None or snapshot.current is not None or snapshot.queue:
        return ""
    asked = rows.AskedAside(purpose, question, snapshot.model, snapshot.last_turn)
    if kept := await rows.load_answer(session.around.db, session.id, asked):
        return kept
    if session.run is None and not wakes:
        return ""
    run = await session.wake()
    # While this waited for the process, a prompt may have come.
    if not session.snapshot.is_idle:
        return ""
    request_id, clock, database = _ids.make(), session.around.clock, session.around.db
    # Before the request, which costs money: a start tells of one that was cut.
    await database.write([rows.request_asked(request_id, session.id, asked, clock.now_ms())])
    try:
        answer = (await run.control.ask_beside(question, timeout_s=_ANSWER_S)).strip()
    except ClaudeUnavailable as error:
        await database.write([rows.request_failed(request_id, str(error), clock.now_ms())])
        raise
    await database.write([rows.request_answered(request_id, answer, clock.now_ms())])
    return answer


async def note_conflict(session: Session, question: str, turn_id: str) -> None:
    """Store that the turn `turn_id` was asked to resolve conflicts. A repeat of the request changes nothing."""
    now_ms, model = session.around.clock.now_ms(), session.snapshot.model
    asked = rows.AskedAside(Purpose.CONFLICT, question, model, turn_id)
    # The turn's id also names the row: its answer is the turn, which has a row of its own since it was queued.
    await session.around.db.write([rows.request_became_turn(turn_id, session.id, asked, now_ms)])

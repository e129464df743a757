"""Apply the events of turns to a session's state: the queue, the sent and the running turn, its end. Pure."""

from typing import assert_never

from msgspec.structs import replace

from sessions import events as e
from sessions.model import Activity, Progress, TurnId, TurnKind, TurnStatus
from sessions.progress import followed_by
from sessions.snapshot import QueuedTurn, RunningTurn, Snapshot
from sessions.troubles import FailureKind
from sessions.turn_events import TurnEvent


def turn_changed(snapshot: Snapshot, event: TurnEvent, at_ms: int) -> Snapshot:
    """Return the state after an event of a turn."""
    match event:
        case e.TurnQueued():
            return _queued(snapshot, event)
        case e.TurnElsewhere():
            return replace(
                snapshot,
                last_turn=event.turn_id,
                goes_on_from=None,
                next_turn=event.number + 1,
                message_count=snapshot.message_count + (event.kind is not TurnKind.BACKGROUND),
                last_prompt_uuid=event.prompt_uuid or snapshot.last_prompt_uuid,
                last_uuid=event.last_uuid or snapshot.last_uuid,
            )
        case e.TurnRequeued():
            again = QueuedTurn(
                event.turn_id, event.prompt_uuid, event.kind, event.author_id, None, event.next_ordinal
            )
            return replace(snapshot, queue=(again, *snapshot.queue))
        case e.TurnHeldBack():
            return _held_back(snapshot, event)
        case e.TurnEdited() | e.TurnFilesCounted():
            return snapshot
        case e.TurnMovedToFront():
            chosen = next((turn for turn in snapshot.queue if turn.turn_id == event.turn_id), None)
            if chosen is None:
                return snapshot
            return replace(snapshot, queue=_at_front(chosen, _without(snapshot.queue, event.turn_id)))
        case e.TurnWithdrawn():
            return replace(snapshot, queue=_without(snapshot.queue, event.turn_id))
        case e.TurnSent():
            return replace(_sent(snapshot, event, at_ms), last_turn=event.turn_id, goes_on_from=None)
        case e.TurnStarted() | e.TurnContinued():
            return _started(snapshot, event, at_ms)
        case e.BackgroundTurnStarted():
            running = RunningTurn(event.turn_id, "", TurnKind.BACKGROUND, started_ms=at_ms)
            # Claude spoke last in this turn: the next prompt follows it, not an answer that was chosen before.
            begun = replace(snapshot, last_turn=event.turn_id, goes_on_from=None)
            return replace(begun, running=running, next_turn=event.number + 1)
        case e.BlockAdded():
            return _block_added(snapshot, event, at_ms)
        case e.RequestFailed():
            return _request_failed(snapshot, event)
        case e.TurnEnded():
            return _turn_ended(snapshot, event)
        case _:
            assert_never(event)


def _queued(snapshot: Snapshot, event: e.TurnQueued) -> Snapshot:
    turn = QueuedTurn(event.turn_id, event.prompt_uuid, event.kind, event.author_id, event.rewind_to)
    queue = _at_front(turn, snapshot.queue) if event.front else (*snapshot.queue, turn)
    return replace(snapshot, queue=queue, next_turn=event.number + 1, message_count=snapshot.message_count + 1)


def _at_front(turn: QueuedTurn, queue: tuple[QueuedTurn, ...]) -> tuple[QueuedTurn, ...]:
    """Return the queue with `turn` as the next, but behind a first one that asks for another answer.

    That one rewinds the conversation to before the last prompt. Sent later, it would drop the answers between.
    """
    first, rest = queue[:1], queue[1:]
    return (*first, turn, *rest) if first and first[0].rewind_to is not None else (turn, *queue)


def _held_back(snapshot: Snapshot, event: e.TurnHeldBack) -> Snapshot:
    turn = snapshot.current
    if turn is None or turn.turn_id != event.turn_id:
        return snapshot
    again = QueuedTurn(turn.turn_id, event.prompt_uuid, turn.kind, turn.author_id)
    waits = replace(snapshot, queue=(again, *snapshot.queue), unanswered=turn.prompt_uuid)
    # Claude did not begin on it: if it is withdrawn now, the answer before it is the last one.
    return replace(waits, running=None, sent=None, last_turn=turn.follows)


def _without(queue: tuple[QueuedTurn, ...], turn_id: TurnId) -> tuple[QueuedTurn, ...]:
    return tuple(turn for turn in queue if turn.turn_id != turn_id)


def _sent(snapshot: Snapshot, event: e.TurnSent, at_ms: int) -> Snapshot:
    """Move a turn out of the queue, or, after a cut, note that a new host gets it once more."""
    # A turn that was cut keeps its place here, not in the queue: the next process gets it before all others.
    for again in (snapshot.running, snapshot.sent):
        if again is not None and again.turn_id == event.turn_id:
            return replace(snapshot, sent=replace(again, host=event.host, taken_up=True), running=None)
    turn = next(turn for turn in snapshot.queue if turn.turn_id == event.turn_id)
    sent = RunningTurn(turn.turn_id, turn.prompt_uuid, turn.kind, turn.next_ordinal, at_ms, host=event.host)
    return replace(
        snapshot,
        queue=_without(snapshot.queue, event.turn_id),
        sent=replace(sent, author_id=turn.author_id, follows=snapshot.last_turn),
        unanswered="",
        activity=Activity.WORKING,
        blocker=None,
        limit=None,
    )


def _started(snapshot: Snapshot, event: e.TurnStarted | e.TurnContinued, at_ms: int) -> Snapshot:
    turn = snapshot.sent or snapshot.running
    if turn is None or turn.turn_id != event.turn_id:
        return snapshot
    return replace(
        snapshot,
        sent=None,
        running=replace(turn, started_ms=turn.started_ms or at_ms),
        conversation_begun=True,
        handed_over=False,
        last_prompt_uuid=turn.prompt_uuid or snapshot.last_prompt_uuid,
        # A list that is done belongs to the turns before.
        progress=snapshot.progress if snapshot.progress.done < snapshot.progress.total else Progress(),
    )


def _block_added(snapshot: Snapshot, event: e.BlockAdded, at_ms: int) -> Snapshot:
    running = snapshot.running
    if running is None or running.turn_id != event.turn_id:
        return snapshot
    first = running.first_text_ms
    if first is None and running.started_ms:
        first = max(0, at_ms - running.started_ms)
    moved = replace(
        running,
        next_ordinal=event.ordinal + 1,
        first_text_ms=first,
        # A block that was read back stands earlier in the turn, so its row is not the last one.
        last_uuid=(event.uuid if event.before is None else "") or running.last_uuid,
    )
    return replace(snapshot, running=moved, progress=followed_by(snapshot.progress, event.block, at_ms))


def _request_failed(snapshot: Snapshot, event: e.RequestFailed) -> Snapshot:
    running = snapshot.running
    if running is None or running.turn_id != event.turn_id:
        return snapshot
    return replace(snapshot, running=replace(running, failure=event.failure))


def _turn_ended(snapshot: Snapshot, event: e.TurnEnded) -> Snapshot:
    ended = _outcome_noted(snapshot, event)
    ended = replace(
        ended,
        process_cost_usd=event.process_cost_usd or snapshot.process_cost_usd,
        cost_usd=snapshot.cost_usd + event.cost_usd,
        list_price_usd=snapshot.list_price_usd + event.list_price_usd,
        last_uuid=event.last_uuid or snapshot.last_uuid,
        context_window=event.context_window or snapshot.context_window,
        # A turn can end while it waits: a command that nobody offers, a rewind that was refused.
        queue=_without(snapshot.queue, event.turn_id),
    )
    if snapshot.running is not None and snapshot.running.turn_id == event.turn_id:
        return replace(ended, running=None)
    if snapshot.sent is not None and snapshot.sent.turn_id == event.turn_id:
        return replace(ended, sent=None)
    return ended


def _outcome_noted(snapshot: Snapshot, event: e.TurnEnded) -> Snapshot:
    """Note the last good turn, and the number of refused turns since then."""
    current = snapshot.current
    if current is None or current.turn_id != event.turn_id:
        return snapshot
    # A cut prompt is sent again, and then needs the note of the move once more.
    if current.kind is TurnKind.PROMPT and event.status is not TurnStatus.CUT:
        snapshot = replace(snapshot, moved_from=())  # the prompt told Claude of it
    if event.status is TurnStatus.DONE and current.kind is not TurnKind.COMMAND:
        return replace(snapshot, refused_turns=0, last_good_turn=event.turn_id)
    if event.failure is not None and event.failure.kind in (FailureKind.REFUSED, FailureKind.STUCK):
        return replace(snapshot, refused_turns=snapshot.refused_turns + 1)
    return snapshot

"""Apply events to a session's state. Pure, and the same for live running and replay."""

from pathlib import PurePath
from typing import assert_never

from msgspec.structs import replace

from sessions import events as e
from sessions.errors import IllegalMove
from sessions.model import (
    Activity,
    FormBody,
    Lifecycle,
    LinkBody,
    Progress,
    TitleSource,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.process_events import ProcessEvent
from sessions.progress import progress_of
from sessions.snapshot import HOLDS_SLOT, OpenAsk, QueuedTurn, RunningTurn, Snapshot
from sessions.topics import Topic
from sessions.troubles import FailureKind
from sessions.turn_events import TurnEvent

__all__ = ["LEGAL_MOVES", "OpenAsk", "QueuedTurn", "RunningTurn", "Snapshot", "apply"]

_L = Lifecycle
LEGAL_MOVES: dict[Lifecycle, frozenset[Lifecycle]] = {
    _L.QUEUED: frozenset({_L.STARTING, _L.PARKED, _L.ENDED, _L.FAILED}),
    _L.STARTING: frozenset({_L.LIVE, _L.STOPPING, _L.PARKED, _L.ENDED, _L.FAILED}),
    _L.LIVE: frozenset({_L.STOPPING, _L.PARKED, _L.ENDED, _L.FAILED}),
    # A session that is being parked may be ended meanwhile: that is stored as a separate move.
    _L.STOPPING: frozenset({_L.STOPPING, _L.PARKED, _L.ENDED, _L.FAILED}),
    # A parked session that is handed over to a terminal stays parked, for another reason.
    _L.PARKED: frozenset({_L.PARKED, _L.QUEUED, _L.STARTING, _L.ENDED, _L.FAILED}),
    _L.FAILED: frozenset({_L.QUEUED, _L.STARTING, _L.PARKED, _L.ENDED}),
    _L.ENDED: frozenset(),
}


def apply(snapshot: Snapshot, event: e.Event, at_ms: int) -> Snapshot:
    """Return the snapshot after `event`. Raises `IllegalMove` for a lifecycle move that the table forbids."""
    # Our own checks after a turn are not activity: they must not change which session is idle longest.
    is_ours = isinstance(event, e.ContextMeasured | e.LeftRunningChanged)
    last_activity_ms = snapshot.last_activity_ms if is_ours else at_ms
    numbered = replace(snapshot, next_event=snapshot.next_event + 1, last_activity_ms=last_activity_ms)
    if isinstance(event, ProcessEvent):
        return _process_changed(numbered, event)
    if isinstance(event, TurnEvent):
        return _turn_changed(numbered, event, at_ms)
    match event:
        case e.SessionCreated():
            return _created(numbered, event, at_ms)
        case e.LifecycleChanged():
            return _moved(numbered, event)
        case e.SessionRestored():
            return _restored(numbered, event)
        case e.ActivityChanged():
            told = event.limit or numbered.told_limit
            moved = replace(numbered, activity=event.new, blocker=event.blocker)
            return replace(moved, limit=event.limit, told_limit=told)
        case e.Branched():
            return replace(numbered, fork_conversation=event.conversation_id, fork_uuid=event.last_uuid)
        case e.ConversationChanged():
            return _conversation_changed(numbered, event)
        case e.WentOnFrom():
            return replace(
                numbered,
                conversation_id=event.conversation_id,
                conversation_begun=True,
                last_prompt_uuid=event.prompt_uuid,
                last_uuid=event.last_uuid,
                goes_on_from=event.turn_id,
            )
        case e.Moved():
            return replace(
                numbered,
                project=event.project,
                work_directory=event.work_directory,
                moved_from=(*snapshot.moved_from, event.moved_from),
                keeps_out_of=tuple(
                    each for each in snapshot.keeps_out_of if not _lies_in(event.work_directory, each)
                ),
                project_is_gone=False,
            )
        case e.OwnCopyMade():
            return replace(
                numbered,
                work_directory=event.work_directory,
                moved_from=(event.parent_directory,) if event.parent_directory else (),
                keeps_out_of=event.keeps_out_of,
            )
        case e.Imported():
            return replace(
                numbered,
                next_turn=event.next_turn,
                message_count=snapshot.message_count + event.message_count,
                cost_usd=snapshot.cost_usd + event.cost_usd,
                list_price_usd=snapshot.list_price_usd + event.list_price_usd,
                last_prompt_uuid=event.last_prompt_uuid,
            )
        case e.SharesChanged():
            return numbered
        case e.PayerChanged():
            return replace(numbered, payer=event.payer)
        case e.CostCarriedOver():
            return replace(numbered, process_cost_usd=event.total_usd)
        case e.AskOpened():
            opened, of_server = event.ask, isinstance(event.ask.body, FormBody | LinkBody)
            ask = OpenAsk(opened.id, opened.request_id, opened.host, opened.opened_ms, of_server)
            return replace(numbered, asks=(*snapshot.asks, ask))
        case e.AskDecided() | e.AskWithdrawn():
            return replace(numbered, asks=tuple(ask for ask in snapshot.asks if ask.id != event.ask_id))
        case e.Noticed():
            return _noticed(numbered, event)
        case _:
            return _chosen(numbered, event)


def _chosen(
    snapshot: Snapshot,
    event: e.TrustChanged
    | e.ModelChanged
    | e.ModeChanged
    | e.TitleChanged
    | e.PinChanged
    | e.ChangesSwitched
    | e.CommandsListed
    | e.ContextMeasured,
) -> Snapshot:
    """Store a choice of a person or a report of the CLI: one or two fields each."""
    match event:
        case e.TrustChanged():
            return replace(snapshot, trust=event.trust, trust_wanted=event.wanted)
        case e.ModelChanged():
            return replace(snapshot, model=event.model)
        case e.ModeChanged():
            return replace(snapshot, mode=event.mode)
        case e.TitleChanged():
            return replace(snapshot, title=event.title, titled_by=event.source)
        case e.PinChanged():
            return replace(snapshot, pinned=event.pinned)
        case e.ChangesSwitched():
            return replace(snapshot, tells_changes=event.on)
        case e.CommandsListed():
            return replace(snapshot, commands=event.commands)
        case e.ContextMeasured():
            return replace(snapshot, context_used=event.used_tokens, context_window=event.window_tokens)
        case _:
            assert_never(event)


def _created(snapshot: Snapshot, event: e.SessionCreated, at_ms: int) -> Snapshot:
    return replace(
        snapshot,
        user_id=event.user_id,
        channel_id=event.channel_id,
        key=event.key,
        title=event.title,
        titled_by=TitleSource.PERSON if event.title else None,
        project=event.project,
        work_directory=event.work_directory,
        model=event.model,
        mode=event.mode,
        created_ms=at_ms,
    )


def _lies_in(path: str, directory: str) -> bool:
    return PurePath(path).is_relative_to(directory)


def _moved(snapshot: Snapshot, event: e.LifecycleChanged) -> Snapshot:
    if event.old is not snapshot.lifecycle or event.new not in LEGAL_MOVES[snapshot.lifecycle]:
        raise IllegalMove(f"Going from {event.old} to {event.new}", snapshot.lifecycle)
    moved = replace(
        snapshot,
        lifecycle=event.new,
        reason=event.cause,
        leads_to=event.leads_to,
        keeps_turn=event.keeps_turn,
        handed_over=event.handed_over or snapshot.handed_over,
    )
    if event.new in HOLDS_SLOT:
        return moved
    return replace(moved, activity=Activity.IDLE, blocker=None, limit=None)


def _restored(snapshot: Snapshot, event: e.SessionRestored) -> Snapshot:
    if snapshot.lifecycle is not Lifecycle.ENDED:
        raise IllegalMove("Bringing the session back", snapshot.lifecycle)
    return replace(
        snapshot,
        lifecycle=Lifecycle.PARKED,
        reason="brought back",
        channel_id=event.channel_id,
        key=event.key,
    )


def _process_changed(snapshot: Snapshot, event: ProcessEvent) -> Snapshot:
    match event:
        case e.HostStarted():
            fresh = replace(
                snapshot, host=event.number, process_cost_usd=0.0, background_tasks=(), left_running=()
            )
            fresh = replace(fresh, told_limit=None, limit_until_ms=0)
            return replace(fresh, activity=Activity.IDLE, blocker=None, limit=None)
        case e.HostEnded():
            at_rest = replace(snapshot, activity=Activity.IDLE, blocker=None, limit=None)
            kept = tuple(each for each in snapshot.schedules if each.durable)
            return replace(at_rest, background_tasks=(), left_running=(), schedules=kept)
        case e.BackgroundTasksChanged():
            return replace(snapshot, background_tasks=event.task_ids)
        case e.SchedulesChanged():
            return replace(snapshot, schedules=event.schedules)
        case e.LeftRunningChanged():
            return replace(snapshot, left_running=event.processes)
        case e.ServersListed():
            return replace(snapshot, mcp_servers=event.servers)
        case e.LimitSharesTold():
            return replace(snapshot, limit_shares=event.shares)
        case _:
            assert_never(event)


def _conversation_changed(snapshot: Snapshot, event: e.ConversationChanged) -> Snapshot:
    return replace(
        snapshot,
        conversation_id=event.conversation_id,
        conversation_begun=event.cause != "new",
        refused_turns=0,
        unanswered="",
        last_prompt_uuid="" if event.cause == "new" else snapshot.last_prompt_uuid,
    )


def _turn_changed(snapshot: Snapshot, event: TurnEvent, at_ms: int) -> Snapshot:
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
        case e.TurnEdited():
            return snapshot
        case e.TurnMovedToFront():
            chosen = [turn for turn in snapshot.queue if turn.turn_id == event.turn_id]
            others = [turn for turn in snapshot.queue if turn.turn_id != event.turn_id]
            return replace(snapshot, queue=(*chosen, *others))
        case e.TurnWithdrawn():
            return replace(snapshot, queue=_without(snapshot.queue, event.turn_id))
        case e.TurnSent():
            return replace(_sent(snapshot, event, at_ms), last_turn=event.turn_id, goes_on_from=None)
        case e.TurnStarted() | e.TurnContinued():
            return _started(snapshot, event, at_ms)
        case e.BackgroundTurnStarted():
            running = RunningTurn(event.turn_id, "", TurnKind.BACKGROUND, started_ms=at_ms)
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
    queue = (turn, *snapshot.queue) if event.front else (*snapshot.queue, turn)
    return replace(snapshot, queue=queue, next_turn=event.number + 1, message_count=snapshot.message_count + 1)


def _held_back(snapshot: Snapshot, event: e.TurnHeldBack) -> Snapshot:
    turn = snapshot.current
    if turn is None or turn.turn_id != event.turn_id:
        return snapshot
    again = QueuedTurn(turn.turn_id, event.prompt_uuid, turn.kind, turn.author_id)
    waits = replace(snapshot, queue=(again, *snapshot.queue), unanswered=turn.prompt_uuid)
    return replace(waits, running=None, sent=None)


def _without(queue: tuple[QueuedTurn, ...], turn_id: TurnId) -> tuple[QueuedTurn, ...]:
    return tuple(turn for turn in queue if turn.turn_id != turn_id)


def _sent(snapshot: Snapshot, event: e.TurnSent, at_ms: int) -> Snapshot:
    """Move a turn out of the queue, or, after a cut, note that a new host gets it once more."""
    for again in (snapshot.running, snapshot.sent):
        if again is not None and again.turn_id == event.turn_id:
            return replace(snapshot, sent=replace(again, host=event.host, taken_up=True), running=None)
    turn = next(turn for turn in snapshot.queue if turn.turn_id == event.turn_id)
    sent = RunningTurn(turn.turn_id, turn.prompt_uuid, turn.kind, turn.next_ordinal, at_ms, host=event.host)
    return replace(
        snapshot,
        queue=_without(snapshot.queue, event.turn_id),
        sent=replace(sent, author_id=turn.author_id),
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
        last_uuid=(event.uuid if event.before is None else "") or running.last_uuid,
    )
    return replace(snapshot, running=moved, progress=progress_of(event.block) or snapshot.progress)


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
        queue=_without(snapshot.queue, event.turn_id),
    )
    if snapshot.running is not None and snapshot.running.turn_id == event.turn_id:
        return replace(ended, running=None)
    if snapshot.sent is not None and snapshot.sent.turn_id == event.turn_id:
        return replace(ended, sent=None)
    return ended


def _noticed(snapshot: Snapshot, event: e.Noticed) -> Snapshot:
    match event.topic:
        case Topic.USAGE_LIMIT:
            return replace(snapshot, limit_until_ms=event.until_ms or snapshot.limit_until_ms)
        case Topic.PROJECT_GONE:
            return replace(snapshot, project_is_gone=True)
        case Topic.EXTRA_USAGE:
            return replace(snapshot, extra_usage_until_ms=event.until_ms)
        case _:
            return snapshot


def _outcome_noted(snapshot: Snapshot, event: e.TurnEnded) -> Snapshot:
    """Note the last good turn, and the number of refused turns since then."""
    current = snapshot.current
    if current is None or current.turn_id != event.turn_id:
        return snapshot
    if current.kind is TurnKind.PROMPT and event.status is not TurnStatus.CUT:
        snapshot = replace(snapshot, moved_from=())  # the prompt told Claude of it
    if event.status is TurnStatus.DONE and current.kind is not TurnKind.COMMAND:
        return replace(snapshot, refused_turns=0, last_good_turn=event.turn_id)
    if event.failure is not None and event.failure.kind in (FailureKind.REFUSED, FailureKind.STUCK):
        return replace(snapshot, refused_turns=snapshot.refused_turns + 1)
    return snapshot

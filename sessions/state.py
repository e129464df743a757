"""Apply events to a session's state. Pure, and the same for live running and replay."""

from pathlib import PurePath
from typing import assert_never

from msgspec.structs import asdict, replace

from sessions import events as e
from sessions.errors import IllegalMove
from sessions.model import (
    Activity,
    Lifecycle,
    ServerBody,
    TitleSource,
)
from sessions.process_events import ProcessEvent
from sessions.snapshot import HOLDS_SLOT, Look, OpenAsk, QueuedTurn, RunningTurn, Snapshot
from sessions.topics import Topic
from sessions.turn_events import TurnEvent
from sessions.turn_state import turn_changed

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


_OURS = e.ContextMeasured | e.LeftRunningChanged | e.TurnFilesCounted | e.RunChanged


def apply(snapshot: Snapshot, event: e.Event, at_ms: int) -> Snapshot:
    """Return the snapshot after `event`. Raises `IllegalMove` for a lifecycle move that the table forbids."""
    # Our own checks after a turn are not activity: they must not change which session is idle longest.
    is_ours = isinstance(event, _OURS)
    last_activity_ms = snapshot.last_activity_ms if is_ours else at_ms
    numbered = replace(snapshot, next_event=snapshot.next_event + 1, last_activity_ms=last_activity_ms)
    # Closed groups of events first: each has a function in which the type checker finds a missing case.
    if isinstance(event, ProcessEvent):
        return _process_changed(numbered, event)
    if isinstance(event, TurnEvent):
        return turn_changed(numbered, event, at_ms)
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
            return _went_on(numbered, event)
        case e.Moved() | e.OwnCopyMade():
            return _directory_changed(numbered, event)
        case e.Imported():
            return replace(
                numbered,
                next_turn=event.next_turn,
                message_count=snapshot.message_count + event.message_count,
                cost_usd=snapshot.cost_usd + event.cost_usd,
                list_price_usd=snapshot.list_price_usd + event.list_price_usd,
                last_prompt_uuid=event.last_prompt_uuid,
            )
        case e.SharesChanged() | e.ReviewChanged():
            return numbered
        case e.SetsFields():
            return replace(numbered, **asdict(event))
        case e.CostCarriedOver():
            return replace(numbered, process_cost_usd=event.total_usd)
        case e.AskOpened():
            opened, of_server = event.ask, isinstance(event.ask.body, ServerBody)
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
    | e.TitleChanged
    | e.ChangesSwitched
    | e.LookBegan
    | e.LookEnded
    | e.ContextMeasured
    | e.RunChanged,
) -> Snapshot:
    """Store a choice of a person or a report of the CLI under another name."""
    match event:
        case e.TrustChanged():
            return replace(snapshot, trust=event.trust, trust_wanted=event.wanted)
        case e.TitleChanged():
            return replace(snapshot, title=event.title, titled_by=event.source)
        case e.ChangesSwitched():
            return replace(snapshot, tells_changes=event.on)
        case e.LookBegan():
            return replace(snapshot, look=Look(event.turn_id, event.mode))
        case e.LookEnded():
            return replace(snapshot, look=None)
        case e.ContextMeasured():
            return replace(snapshot, context_used=event.used_tokens, context_window=event.window_tokens)
        case e.RunChanged():
            return replace(snapshot, work_flow=event.run)
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
        # It stays set until a turn of ours begins (`turn_state`): until then a terminal may add turns.
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
                snapshot,
                host=event.number,
                process_cost_usd=0.0,
                background_tasks=(),
                left_running=(),
                project_is_gone=False,
            )
            # The CLI tells a limit once for each process.
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


def _went_on(snapshot: Snapshot, event: e.WentOnFrom) -> Snapshot:
    return replace(
        snapshot,
        conversation_id=event.conversation_id,
        conversation_begun=True,
        last_prompt_uuid=event.prompt_uuid,
        last_uuid=event.last_uuid,
        goes_on_from=event.turn_id,
    )


def _directory_changed(snapshot: Snapshot, event: e.Moved | e.OwnCopyMade) -> Snapshot:
    if isinstance(event, e.OwnCopyMade):
        return replace(
            snapshot,
            work_directory=event.work_directory,
            moved_from=(event.parent_directory,) if event.parent_directory else (),
            keeps_out_of=event.keeps_out_of,
        )
    # A session that moves into such a directory works there from now on.
    kept = tuple(each for each in snapshot.keeps_out_of if not _lies_in(event.work_directory, each))
    return replace(
        snapshot,
        project=event.project,
        work_directory=event.work_directory,
        moved_from=(*snapshot.moved_from, event.moved_from),
        keeps_out_of=kept,
        project_is_gone=False,
    )


def _conversation_changed(snapshot: Snapshot, event: e.ConversationChanged) -> Snapshot:
    return replace(
        snapshot,
        conversation_id=event.conversation_id,
        conversation_begun=event.cause != "new",
        refused_turns=0,
        # The refused prompt is not in the new conversation: there is nothing to rewind.
        unanswered="",
        last_prompt_uuid="" if event.cause == "new" else snapshot.last_prompt_uuid,
    )


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

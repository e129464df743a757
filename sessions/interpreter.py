"""Translate a line of the CLI into the session's events. Pure: a snapshot and a line in, events out.

The same line in the same state gives the same events, ids included. So a crash between reading and storing
changes nothing.
"""

import uuid
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from sessions import events as e
from sessions.claude import lines as c
from sessions.claude.api_message import cleaned
from sessions.claude.scheduling import after_calls, after_firing, after_results
from sessions.cli_notices import said_by_cli
from sessions.content import ask_body, block_of, tool_output
from sessions.failures import (
    failure_of_error,
    failure_of_hook,
    failure_of_result,
    failure_of_retry,
    failure_of_status,
)
from sessions.limit_events import limit_reached, rate_limit_events
from sessions.model import (
    Activity,
    Ask,
    AskId,
    Block,
    Blocker,
    McpServer,
    Note,
    Payer,
    PermissionMode,
    Schedule,
    Text,
    TitleSource,
    TokenUsage,
    TurnId,
    TurnKind,
    TurnStatus,
)
from sessions.state import RunningTurn, Snapshot
from sessions.title import title_from
from sessions.topics import Topic
from sessions.troubles import Failure, FailureKind
from sessions.usage_limits import limit_met

GO_ON = "Continue."
"""The prompt that lets Claude go on."""


class Moment(msgspec.Struct, frozen=True):
    """The place and time of a line: host number, offset after the line, time of reading."""

    host: int
    offset: int
    at_ms: int


def interpret(snapshot: Snapshot, line: c.CliLine, moment: Moment) -> Iterator[e.Event]:
    """Yield the events of `line` for a session in state `snapshot`.

    Lines without effect on the state (stream deltas, replies to our requests) yield nothing.
    """
    match line:
        case c.Initialized():
            yield from _initialized(snapshot, line)
        case c.StateChanged():
            yield from _state_changed(snapshot, line)
        case c.PromptLifecycle() | c.PromptEchoed():
            yield from _prompt_moved(snapshot, line)
        case c.MessageStarted():
            if line.parent is None:
                yield from _turn_in_hand(snapshot, moment, line.prompt_uuid)
            if snapshot.blocker in (Blocker.RETRYING, Blocker.AUTH, Blocker.NO_PROGRESS):
                yield e.ActivityChanged(snapshot.activity, Activity.WORKING, "Claude answers again")
        case c.AssistantBlocks():
            yield from _assistant_blocks(snapshot, line, moment)
        case c.ScheduleFired():
            yield from _scheduled(snapshot, after_firing(snapshot.schedules, line, moment.at_ms))
        case c.ToolResults():
            outputs = [_Added(tool_output(each), _main(each.uuid, each.parent)) for each in line.results]
            yield from _add_blocks(snapshot, outputs, moment)
            yield from _scheduled(snapshot, after_results(snapshot.schedules, line.results, moment.at_ms))
        case c.TurnResult():
            yield from _turn_result(snapshot, line, moment)
        case c.ApiRetry():
            failure = failure_of_retry(snapshot, line)
            blocker = Blocker.AUTH if failure.kind is FailureKind.LOGIN else Blocker.RETRYING
            cause = "a request failed"
            yield e.ActivityChanged(snapshot.activity, Activity.BLOCKED, cause, blocker, failure)
            yield e.Noticed(Topic(failure.kind), failure=failure)
        case c.RateLimit():
            yield from rate_limit_events(snapshot, line)
        case c.PersonAsked():
            yield from open_ask(snapshot, line, moment)
        case c.AskCancelled() | c.AnswerEchoed():
            yield from _ask_closed(snapshot, line)
        case _:
            yield from _conversation_facts(snapshot, line, moment)


def _conversation_facts(snapshot: Snapshot, line: c.CliLine, moment: Moment) -> Iterator[e.Event]:
    """Yield the events of lines that change facts about the conversation, not Claude's activity."""
    match line:
        case c.StatusChanged():
            yield from _status_changed(snapshot, line)
        case c.ConversationReset():
            yield e.Noticed(Topic.CLEARED, "The conversation was cleared; a new one begins.")
            # The CLI counts a new conversation's costs from zero (measured).
            yield e.CostCarriedOver(0.0)
        case c.TitleChanged():
            if snapshot.titled_by is TitleSource.PROMPT and (title := title_from(line.title)):
                yield e.TitleChanged(title, by_person=False, by_claude=True)
        case c.BackgroundTasks():
            if set(line.task_ids) != set(snapshot.background_tasks):
                yield e.BackgroundTasksChanged(line.task_ids)
        case c.ModelFellBack():
            yield e.ModelChanged(line.fallback_model)
            sentence = f"{line.original_model} is overloaded; {line.fallback_model} answers instead."
            yield e.Noticed(Topic.MODEL_FALLBACK, sentence)
        case c.Compacted():
            words = f"Compacted from {line.tokens_before:,} to {line.tokens_after:,} tokens."
            yield from _add_blocks(snapshot, [_Added(Note("compacted", words))], moment)
            yield e.ContextMeasured(line.tokens_after, snapshot.context_window)
        case c.SystemNotice(is_shown=True, stops=False, text=text) if text and snapshot.running is not None:
            yield from _add_blocks(snapshot, [_Added(Note("hook", cleaned(text)))], moment)
        case c.SystemNotice():
            yield from said_by_cli(snapshot, line)
        case _:
            return


def _initialized(snapshot: Snapshot, line: c.Initialized) -> Iterator[e.Event]:
    # This line comes with every turn, so only differences are events.
    if line.conversation_id and line.conversation_id != snapshot.conversation_id:
        yield e.ConversationChanged(line.conversation_id, "cli")
    if line.model and line.model != snapshot.model:
        yield e.ModelChanged(line.model)
    yield from _mode_changed(snapshot, line.permission_mode)
    # `none` also stands for the tokens of gateways and clouds, which have prices of their own.
    payer = Payer.LOGIN if line.api_key_source == "none" else Payer.KEY
    if line.api_key_source and payer is not snapshot.payer:
        yield e.PayerChanged(payer)
    if line.slash_commands and line.slash_commands != snapshot.commands:
        yield e.CommandsListed(line.slash_commands)
    yield from _servers_listed(snapshot, line)


def _servers_listed(snapshot: Snapshot, line: c.Initialized) -> Iterator[e.Event]:
    causes = {(each.name, each.state): each.cause for each in snapshot.mcp_servers}
    servers = tuple(McpServer(name, state, causes.get((name, state), "")) for name, state in line.servers)
    if servers != snapshot.mcp_servers:
        yield e.ServersListed(servers)


def _status_changed(snapshot: Snapshot, line: c.StatusChanged) -> Iterator[e.Event]:
    if line.permission_mode is not None:
        yield from _mode_changed(snapshot, line.permission_mode)
    failure = failure_of_status(snapshot, line)
    if failure is not None and snapshot.running is not None:
        yield e.RequestFailed(snapshot.running.turn_id, failure)


def _mode_changed(snapshot: Snapshot, mode: str) -> Iterator[e.Event]:
    # The CLI spells its default mode in two ways.
    known = {"manual": PermissionMode.DEFAULT, **{each.value: each for each in PermissionMode}}
    if mode in known and known[mode] is not snapshot.mode:
        yield e.ModeChanged(known[mode])


def _state_changed(snapshot: Snapshot, line: c.StateChanged) -> Iterator[e.Event]:
    new = {
        c.CliState.RUNNING: Activity.WORKING,
        c.CliState.REQUIRES_ACTION: Activity.ASKING,
        c.CliState.IDLE: Activity.IDLE,
    }[line.state]
    if new is Activity.IDLE and snapshot.sent is not None:
        return  # the CLI reported idle before it read the prompt, which is on its way
    if new is Activity.IDLE and snapshot.running is not None:
        # Idle without a result: the CLI knows the prompt from before a crash and does not run it again.
        yield e.TurnEnded(snapshot.running.turn_id, TurnStatus.DONE, last_uuid=snapshot.running.last_uuid)
    # `running` comes while a request is still being repeated. Only an answer ends the obstacle.
    keeps_reason = snapshot.activity is Activity.BLOCKED and new is Activity.WORKING
    keeps_reason = keeps_reason or snapshot.blocker is Blocker.USAGE_LIMIT
    if new is not snapshot.activity and not keeps_reason:
        yield e.ActivityChanged(snapshot.activity, new, "Claude says so")


def _prompt_moved(snapshot: Snapshot, line: c.PromptLifecycle | c.PromptEchoed) -> Iterator[e.Event]:
    sent = snapshot.sent
    if sent is None or sent.prompt_uuid != line.prompt_uuid:
        return
    if isinstance(line, c.PromptLifecycle) and line.state == "cancelled":
        yield e.TurnEnded(sent.turn_id, TurnStatus.WITHDRAWN)
        return
    # Queued is not begun: background work may come first.
    if isinstance(line, c.PromptLifecycle) and line.state == "queued":
        return
    if snapshot.running is not None:
        yield e.TurnEnded(snapshot.running.turn_id, TurnStatus.DONE)
    yield e.TurnStarted(sent.turn_id)


def _turn_in_hand(snapshot: Snapshot, moment: Moment, prompt_uuid: str | None = None) -> Iterator[e.Event]:
    """If Claude speaks while no turn runs, start the sent turn or a background turn.

    It is the sent turn if that was cut and goes on, or if the line names its prompt.
    """
    if snapshot.running is not None:
        return
    sent = snapshot.sent
    # The line that acknowledges a prompt may be lost. The answer still names its prompt.
    if sent is not None and (sent.taken_up or (prompt_uuid and sent.prompt_uuid == prompt_uuid)):
        yield e.TurnStarted(sent.turn_id)
    else:
        yield e.BackgroundTurnStarted(_background_turn_id(snapshot, moment), snapshot.next_turn)


def _background_turn_id(snapshot: Snapshot, moment: Moment) -> TurnId:
    return TurnId(_uuid_at(snapshot, "turn", moment))


def _uuid_at(snapshot: Snapshot, what: str, moment: Moment) -> str:
    # Derived from the place in the log, so that the line gives the same id when it is read again after a crash.
    return str(uuid.uuid5(uuid.UUID(snapshot.id), f"{what} {moment.host} {moment.offset}"))


class _Added(msgspec.Struct, frozen=True):
    """A block to add, with its uuid in the transcript's main thread."""

    block: Block
    uuid: str = ""


def _main(uuid: str, parent: str | None) -> str:
    """Return the uuid of a row of the main thread, else an empty text: only there a conversation can be cut."""
    return uuid if parent is None else ""


def _add_blocks(
    snapshot: Snapshot, blocks: list[_Added], moment: Moment, prompt_uuid: str | None = None
) -> Iterator[e.Event]:
    running = snapshot.running
    if running is None:
        begun = list(_turn_in_hand(snapshot, moment, prompt_uuid))
        yield from begun
        sent = snapshot.sent if isinstance(begun[0], e.TurnStarted) else None
        running = sent or RunningTurn(_background_turn_id(snapshot, moment), "", kind=TurnKind.BACKGROUND)
    for ordinal, added in enumerate(blocks, start=running.next_ordinal):
        yield e.BlockAdded(running.turn_id, ordinal, added.block, added.uuid)


def _assistant_blocks(snapshot: Snapshot, line: c.AssistantBlocks, moment: Moment) -> Iterator[e.Event]:
    if line.error is not None:
        failure = failure_of_error(snapshot, line)
        if snapshot.running is not None and line.parent is None:
            yield e.RequestFailed(snapshot.running.turn_id, failure)
        if failure.kind is FailureKind.LOGIN and snapshot.blocker is not Blocker.AUTH:
            cause = "Claude is not logged in"
            yield e.ActivityChanged(snapshot.activity, Activity.BLOCKED, cause, Blocker.AUTH, failure)
        return
    uuid = _main(line.uuid, line.parent)
    blocks = [_Added(block_of(block, line.parent), uuid) for block in line.blocks]
    yield from _add_blocks(snapshot, blocks, moment, line.prompt_uuid)
    calls = (block for block in line.blocks if isinstance(block, c.ToolUseBlock))
    yield from _scheduled(snapshot, after_calls(snapshot.schedules, calls))


def _scheduled(snapshot: Snapshot, schedules: tuple[Schedule, ...]) -> Iterator[e.Event]:
    if schedules != snapshot.schedules:
        yield e.SchedulesChanged(schedules)


def _turn_result(snapshot: Snapshot, line: c.TurnResult, moment: Moment) -> Iterator[e.Event]:
    turn = turn_of_result(snapshot, line)
    if turn is None:
        return
    if turn is snapshot.running:
        yield from _add_blocks(snapshot, _local_text(snapshot, turn, line), moment)
    status, failure = _outcome(snapshot, turn, line)
    is_limit = failure is not None and failure.kind is FailureKind.USAGE_LIMIT and bool(turn.prompt_uuid)
    limit = limit_met(snapshot, moment.at_ms) if is_limit else None
    waits = limit is not None
    if waits and snapshot.limit is None:
        yield from limit_reached(snapshot, limit)
    # Claude had said nothing, so the prompt waits again. A turn that has begun would run its tools twice.
    if waits and turn.next_ordinal == 0:
        yield e.TurnHeldBack(turn.turn_id, _uuid_at(snapshot, "prompt", moment))
        return
    if failure is not None:
        failure = replace(failure, goes_on=waits)
        yield e.Noticed(Topic(failure.kind), failure=failure)
    # A CLI older than 2.1.277 counts from zero even if the transcript holds a saved total.
    grew = line.cost_usd - snapshot.process_cost_usd
    cost = grew if grew >= 0 else line.cost_usd
    yield e.TurnEnded(
        turn.turn_id,
        status,
        failure=failure,
        cost_usd=round(cost, 10),
        process_cost_usd=line.cost_usd,
        usage=TokenUsage(
            line.usage.input_tokens,
            line.usage.output_tokens,
            line.usage.cache_read_tokens,
            line.usage.cache_write_tokens,
        ),
        duration_ms=line.duration_ms,
        first_text_ms=line.first_token_ms if line.first_token_ms is not None else turn.first_text_ms,
        last_uuid=turn.last_uuid,
        context_window=line.context_window,
        payer=snapshot.payer,
        model=snapshot.model,
    )
    if waits:
        yield _going_on(snapshot, turn, moment)


def _going_on(snapshot: Snapshot, turn: RunningTurn, moment: Moment) -> e.TurnQueued:
    """Queue the prompt that lets Claude go on, because a usage limit cut its work."""
    return e.TurnQueued(
        turn_id=TurnId(_uuid_at(snapshot, "going on", moment)),
        number=snapshot.next_turn,
        kind=TurnKind.PROMPT,
        author_id=turn.author_id,
        prompt=GO_ON,
        prompt_uuid=_uuid_at(snapshot, "prompt", moment),
        origin=f"limit:{turn.turn_id}",
        front=True,
    )


def turn_of_result(snapshot: Snapshot, line: c.TurnResult) -> RunningTurn | None:
    """Return the turn that this result ends: the running one, the one just sent, or None if it is unknown."""
    for turn in (snapshot.running, snapshot.sent):
        if turn is not None and turn.prompt_uuid and turn.prompt_uuid in line.prompt_uuids:
            return turn
    running = snapshot.running
    if line.origin and running is not None and running.prompt_uuid:
        return None  # the result of a background turn that the prompt's turn has replaced
    return running


def _local_text(snapshot: Snapshot, turn: RunningTurn, line: c.TurnResult) -> list[_Added]:
    """Return the result's text as a block if the turn has no block: Claude's own commands answer only there."""
    silent = turn.next_ordinal == 0 and line.text and not line.is_error and failure_of_hook(turn, line) is None
    return [_Added(Text(line.text))] if silent and snapshot.running is turn else []


def _outcome(snapshot: Snapshot, turn: RunningTurn, line: c.TurnResult) -> tuple[TurnStatus, Failure | None]:
    if line.terminal_reason.startswith("aborted"):
        return TurnStatus.INTERRUPTED, None
    # Not by `subtype`: the CLI calls a failure of the API a success with `is_error` (measured).
    if line.is_error:
        return TurnStatus.FAILED, failure_of_result(snapshot, turn, line)
    if turn.failure is not None and turn.failure.kind is FailureKind.NOT_COMPACTED:
        return TurnStatus.FAILED, turn.failure  # the CLI reports success even if the compaction failed
    if (stopped := failure_of_hook(turn, line)) is not None:
        return TurnStatus.FAILED, stopped
    return TurnStatus.DONE, None


def open_ask(snapshot: Snapshot, line: c.AskLine, moment: Moment) -> Iterator[e.Event]:
    """Yield the opening of an ask. Nothing if it is open already: the CLI repeats them when we re-attach."""
    # Made from the CLI's name for it: read again after a crash, it is the same ask.
    ask_id = AskId(str(uuid.uuid5(uuid.UUID(snapshot.id), f"ask {moment.host} {line.request_id}")))
    if any(ask.id == ask_id for ask in snapshot.asks):
        return
    current = snapshot.current
    yield e.AskOpened(
        Ask(
            id=ask_id,
            turn_id=current.turn_id if current else None,
            host=moment.host,
            request_id=line.request_id,
            opened_ms=moment.at_ms,
            body=ask_body(line, snapshot.work_directory),
        )
    )
    if snapshot.activity is not Activity.ASKING:
        yield e.ActivityChanged(snapshot.activity, Activity.ASKING, "Claude asks")


def _ask_closed(snapshot: Snapshot, line: c.AskCancelled | c.AnswerEchoed) -> Iterator[e.Event]:
    for ask in snapshot.asks:
        if ask.request_id == line.request_id:
            withdrawn = isinstance(line, c.AskCancelled)
            cause = "Claude no longer waits for it." if withdrawn else "It was answered elsewhere."
            yield e.AskWithdrawn(ask.id, cause)

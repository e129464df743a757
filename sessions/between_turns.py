"""The steps between two turns of a live CLI, by name and in order; the last one sends the next prompt.

Each step returns whether the next one may follow. If not, the steps start over at the session's next change.
The state may change while a step waits: each step reads it again afterwards, under the lock where it matters.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from faults import crash_point
from sessions import events as e
from sessions.account_limits import limit_events
from sessions.claude.control import NotRewound, RewindRefusal
from sessions.context import keep_context, make_context
from sessions.control_requests import ControlRequests
from sessions.errors import ClaudeUnavailable
from sessions.leaving import Departure, Leaving
from sessions.model import Lifecycle, TitleSource, TurnId, TurnStatus
from sessions.offered_commands import a_command_waits, refuse_unoffered
from sessions.parking import is_done_with_turns, loses_nothing
from sessions.prompt_lines import prompt_line
from sessions.rows import load_turn
from sessions.session_port import SessionPort
from sessions.snapshot import QueuedTurn
from sessions.state import Snapshot
from sessions.title import title_from
from sessions.topics import Topic
from storage import StorageError

log = logging.getLogger(__name__)

_TITLE_CHARS = 2_000
MAX_LOG_BYTES = 256 * 2**20
"""If a host's output log is larger, its session is parked at its next idle: the log goes with the host."""


class FedHost(Protocol):
    """The parts of a host that the steps use."""

    @property
    def session(self) -> SessionPort: ...

    @property
    def number(self) -> int: ...

    @property
    def log_bytes(self) -> int: ...

    @property
    def control(self) -> ControlRequests: ...

    @property
    def leaving(self) -> Leaving: ...

    async def note_left_running(self) -> None:
        """Look for processes that Claude's tools left running, and record them if they are new."""
        ...


@dataclass(slots=True)
class Feeding:
    """One host and the facts that the steps remember about it from turn to turn.

    `tries_anyway`: a person wants the next prompt sent in spite of known usage limits. `kept_before` is the
    turn whose prompt had its checkpoint last.
    """

    host: FedHost
    transcript_is_stale: bool = False
    tools_ran: bool = False
    context_is_stale: bool = False
    files_are_stale: bool = False
    said_shortage: bool = False
    asked_for_title: bool = False
    kept_before: TurnId | None = None
    tries_anyway: bool = False

    @property
    def session(self) -> SessionPort:
        """The session of the host."""
        return self.host.session

    def turn_ended(self) -> None:
        """Note the end of a turn: transcript copy, measured context and checkpoint are out of date."""
        self.transcript_is_stale = self.context_is_stale = self.files_are_stale = True


class Step(msgspec.Struct, frozen=True):
    """One step. `is_due` is called right before `take`; `take` returns whether the next step may follow."""

    name: str
    is_due: Callable[[Snapshot], bool]
    take: Callable[[Feeding], Awaitable[bool]]


async def take_steps(feeding: Feeding) -> None:
    """Take the due steps in order, up to the first one that holds the others back."""
    try:
        for step in STEPS:
            if step.is_due(feeding.session.snapshot) and not await step.take(feeding):
                return
    finally:
        feeding.session.rewinds_for = None


def held_until_ms(snapshot: Snapshot) -> int:
    """Return the time when the limit that blocks the session opens again; 0 if unknown."""
    limit = snapshot.limit
    return (limit.until_ms if limit is not None else None) or snapshot.limit_until_ms


async def keep_to_limits(feeding: Feeding) -> bool:
    """Block the session while a usage limit of the account is reached, and unblock it afterwards."""
    session = feeding.session
    # Asked again under the lock: work that began meanwhile must not be made idle by the end of a limit.
    if _due_to_limits(feeding, session.snapshot, session.around.clock.now_ms()):
        async with session.change() as draft:
            draft.add_all(_due_to_limits(feeding, draft.snapshot, draft.at_ms))
    return True


def _due_to_limits(feeding: Feeding, snapshot: Snapshot, now_ms: int) -> list[e.Event]:
    limits = feeding.session.around.limits
    limit = None if feeding.tries_anyway else limits.blocking(snapshot, now_ms)
    return limit_events(snapshot, limit, now_ms)


async def keep_transcript(session: SessionPort) -> None:
    """Bring our copy of the session's transcript up to date. A disk that fails is logged, not raised."""
    snapshot = session.snapshot
    keep, work_directory = session.around.conversations.keep, Path(snapshot.work_directory)
    try:
        await asyncio.to_thread(keep, snapshot.conversation_id, work_directory)
    except OSError as error:
        log.warning("transcript not copied", extra={"session": session.id, "error": error.errno})


async def _is_at_rest(feeding: Feeding) -> bool:
    return feeding.host.leaving.departure is None and feeding.session.snapshot.is_idle


async def _park_if_log_is_full(feeding: Feeding) -> bool:
    if feeding.host.log_bytes <= MAX_LOG_BYTES:
        return True
    # `loses_nothing`, not `may_be_parked`: prompts may wait, since the next process gets them. In either case
    # the steps end here: the process is gone, or the state has changed.
    departure = Departure(Lifecycle.PARKED, "its log was full; the next prompt begins a fresh one")
    await feeding.host.leaving.leave(departure, if_still=loses_nothing)
    return False


async def _copy_transcript(feeding: Feeding) -> bool:
    if feeding.transcript_is_stale:
        # Cleared before the work, here and in the steps below: a turn that ends meanwhile makes it due again.
        feeding.transcript_is_stale = False
        await keep_transcript(feeding.session)
    return True


async def _keep_files(feeding: Feeding) -> bool:
    """Take the checkpoint of a turn's end."""
    checkpoints, snapshot = feeding.session.around.checkpoints, feeding.session.snapshot
    if feeding.files_are_stale and checkpoints is not None and snapshot.last_turn is not None:
        feeding.files_are_stale = False
        await checkpoints.after_turn(feeding.session, snapshot.last_turn)
    return True


async def _keep_files_before(feeding: Feeding) -> bool:
    """Take the checkpoint of a prompt that is about to leave."""
    checkpoints, queue = feeding.session.around.checkpoints, feeding.session.snapshot.queue
    if checkpoints is not None and queue:
        feeding.kept_before = queue[0].turn_id
        await checkpoints.before_prompt(feeding.session, queue[0].turn_id)
    return True


async def _measure_context(feeding: Feeding) -> bool:
    if not feeding.context_is_stale:
        return True
    feeding.context_is_stale = False
    with suppress(ClaudeUnavailable):
        # Only a figure for people. If the CLI gives none, the end of the next turn asks again.
        usage = await feeding.host.control.measure_context()
        async with feeding.session.change() as draft:
            known = (draft.snapshot.context_used, draft.snapshot.context_window)
            if known != (usage.used_tokens, usage.max_tokens):
                draft.add(e.ContextMeasured(usage.used_tokens, usage.max_tokens))
    return True


async def _ask_for_title(feeding: Feeding) -> bool:
    """Replace a title that was made of the first prompt by Claude's, once. A person's title stays."""
    session, snapshot = feeding.session, feeding.session.snapshot
    is_wanted = session.around.asks_for_titles and snapshot.titled_by is TitleSource.PROMPT
    if not is_wanted or feeding.asked_for_title or snapshot.last_turn is None:
        return True
    # Once for each process, whatever comes of it: each request is a paid call of a model.
    feeding.asked_for_title = True
    with suppress(ClaudeUnavailable):
        turn = await load_turn(session.around.db, snapshot.last_turn)
        title = title_from(await feeding.host.control.generate_title(turn.prompt[:_TITLE_CHARS]))
        async with session.change() as draft:
            # A person may have named the session meanwhile.
            if title and draft.snapshot.titled_by is TitleSource.PROMPT:
                draft.add(e.TitleChanged(title, by_person=False, by_claude=True))
    return True


async def _explain_failed_servers(feeding: Feeding) -> bool:
    """Ask the CLI why MCP servers failed, and tell it once."""
    causes: dict[str, str] = {}
    with suppress(ClaudeUnavailable):
        causes = await feeding.host.control.server_troubles()
    async with feeding.session.change() as draft:
        # From the present list, which may have changed while the CLI answered. A failed server gets a cause in
        # any case, or this step would be due at every change.
        new = [each.name for each in draft.snapshot.mcp_servers if each.is_unexplained]
        servers = [
            replace(each, cause=causes.get(each.name) or "it did not say why") if each.name in new else each
            for each in draft.snapshot.mcp_servers
        ]
        if new:
            draft.add(e.ServersListed(tuple(servers)))
        for each in servers:
            if each.name in new:
                sentence = f"The MCP server {each.name} failed, so Claude works without it: {each.cause}."
                draft.add(e.Noticed(Topic.SERVER_FAILED, sentence))
    return True


async def _look_for_left_running(feeding: Feeding) -> bool:
    if feeding.tools_ran:
        feeding.tools_ran = False
        await feeding.host.note_left_running()
    return True


async def _refuse_unoffered(feeding: Feeding) -> bool:
    # After a refusal another prompt is the next one, and it needs these steps from the first one on.
    return not await refuse_unoffered(feeding.session)


async def _has_room(feeding: Feeding) -> bool:
    """Whether the disk has room for another turn: a CLI on a full disk drops lines silently."""
    session = feeding.session
    shortage = await asyncio.to_thread(session.around.resources.disk_shortage)
    if shortage and not feeding.said_shortage:
        # First: faces read the session again when they hear of the notice.
        feeding.said_shortage = True
        try:
            async with session.change() as draft:
                draft.add(e.Noticed(Topic.DISK, shortage))
        except StorageError:
            feeding.said_shortage = False  # nobody was told: such a disk takes no notice, either
            raise
    # It also makes the sender look again by time: no event tells that there is room.
    feeding.said_shortage = bool(shortage)
    return not shortage


async def _rewind(feeding: Feeding) -> bool:
    """Rewind the CLI to before the prompt that the next one replaces. Unknown to the CLI: nothing to do.

    Also to before a prompt that a usage limit refused, else Claude would read it twice.
    """
    session = feeding.session
    turn = session.snapshot.queue[0]
    target = turn.rewind_to or session.snapshot.unanswered
    if not target:
        return True
    if turn.rewind_to is not None and not await _hold(session, turn):
        return False
    try:
        outcome = await feeding.host.control.rewind_conversation(target, session.snapshot.last_prompt_uuid)
    except ClaudeUnavailable as error:
        refused = str(error)
    else:
        # Not found: an earlier try has rewound the CLI, and the bridge was killed before it sent the prompt.
        if not isinstance(outcome, NotRewound) or outcome.reason is RewindRefusal.TARGET_NOT_FOUND:
            return True
        log.warning("rewind refused", extra={"session": session.id, "reason": outcome.reason})
        refused = "Claude could not take the last answer back."
    # A prompt that a limit refused: it costs less if Claude reads it twice than if this prompt is not sent.
    if turn.rewind_to is None:
        return True
    async with session.change() as draft:
        # The session may have ended while the CLI answered.
        if any(each.turn_id == turn.turn_id for each in draft.snapshot.queue):
            draft.add(e.TurnEnded(turn.turn_id, TurnStatus.FAILED, reason=refused))
    return False


async def _hold(session: SessionPort, turn: QueuedTurn) -> bool:
    """Let nobody withdraw `turn` until these steps end. Return False if it is not the next prompt any more."""
    async with session.change() as draft:
        if turn not in draft.snapshot.queue[:1]:
            return False
        session.rewinds_for = turn.turn_id
    return True


async def _send(feeding: Feeding) -> bool:
    session = feeding.session
    if not session.snapshot.queue:  # the prompt was withdrawn while its checkpoint was taken
        return True
    turn = session.snapshot.queue[0]
    if session.around.checkpoints is not None and feeding.kept_before != turn.turn_id:
        # Moved to the front meanwhile: it needs its own checkpoint first. Its move makes the steps start over.
        return False
    # Outside of the change: it may read many files, and the session stays usable meanwhile.
    made = await make_context(session, turn)
    context = made.context
    async with session.change() as draft:
        first = draft.snapshot.queue[0] if draft.snapshot.queue else None
        # Check the limits again: the prompt may have arrived after the first step found an empty queue.
        draft.add_all(_due_to_limits(feeding, draft.snapshot, draft.at_ms))
        # While the context was made, the prompt may have been withdrawn, or background work may have begun.
        if first == turn and draft.snapshot.is_idle:
            draft.add(e.TurnSent(turn.turn_id, feeding.host.number, context.shown if context else ""))
            # In one transaction with the prompt: a later process that gets the prompt gets the same context.
            draft.extra += keep_context(context)
            if made.wants_guide is not None and made.wants_guide is not draft.snapshot.wants_guide:
                draft.add(e.ProjectSurveyed(made.wants_guide))
            # Reads the text under the lock: an edit comes before it, or is refused because the prompt is sent.
            draft.send(turn.prompt_uuid, await prompt_line(session, turn.turn_id, context))
            feeding.tries_anyway = False
    crash_point("prompt-sent")
    return True


async def _end_look(feeding: Feeding) -> bool:
    from sessions.looking_closer import end_look

    await end_look(feeding.session, feeding.host.control)
    return True


async def _begin_look(feeding: Feeding) -> bool:
    from sessions.looking_closer import begin_look

    return await begin_look(feeding.session, feeding.host.control)


def _always(_: Snapshot) -> bool:
    return True


def _a_server_failed(snapshot: Snapshot) -> bool:
    return any(each.is_unexplained for each in snapshot.mcp_servers)


def _nothing_waits(snapshot: Snapshot) -> bool:
    return not snapshot.queue


def _a_prompt_waits(snapshot: Snapshot) -> bool:
    return bool(snapshot.queue)


STEPS: tuple[Step, ...] = (
    # First, and always: a session that a limit blocks is not at rest, and no other step unblocks it.
    Step("limit", _always, keep_to_limits),
    # All others need an idle CLI, which nobody is about to end.
    Step("rest", _always, _is_at_rest),
    Step("servers", _a_server_failed, _explain_failed_servers),
    Step("full log", loses_nothing, _park_if_log_is_full),
    # Copies and figures come only while nothing waits: a prompt must not wait for them.
    Step("transcript", _nothing_waits, _copy_transcript),
    # Also before a waiting prompt: its turn would change the files that belong to the end of this one.
    Step("checkpoint of a turn", _always, _keep_files),
    # Before the next prompt leaves, which would run in plan mode otherwise.
    Step("end of a survey", lambda snapshot: snapshot.look_is_over, _end_look),
    Step("context", _nothing_waits, _measure_context),
    Step("title", _nothing_waits, _ask_for_title),
    Step("left running", is_done_with_turns, _look_for_left_running),
    Step("unknown command", a_command_waits, _refuse_unoffered),
    Step("disk", _a_prompt_waits, _has_room),
    # Before `send`, whose context compares this checkpoint with the one of the last turn's end.
    Step("checkpoint of a prompt", _a_prompt_waits, _keep_files_before),
    Step("rewind", _a_prompt_waits, _rewind),
    # Plan mode comes last, so that no other step holds the prompt back after it.
    Step("survey", lambda snapshot: snapshot.look_is_next, _begin_look),
    Step("send", _a_prompt_waits, _send),
)

"""One host of a session, from its launch or its rediscovery until its recorded end.

`HostRun` moves bytes: it sends the lines that the session commits and reads the CLI's output. `interpreter.py`
decides what a line means, the session decides what follows, and the manager decides when a host may start.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from backends.base import Host, HostExit, InputNotWritten, LaunchFailed, LogCut, OutputLine
from backends.sandbox.model import Mechanism
from faults import crash_point
from sessions import events as e
from sessions import rows
from sessions.asks import PermissionBody
from sessions.claude import lines as c
from sessions.claude.control import initialize_reply
from sessions.claude.control_lines import ToolCallCancelled, ToolCalled, ToolServerAsked
from sessions.content import declined_words
from sessions.control_requests import ControlRequests
from sessions.draft import Draft, InputLedger
from sessions.gaps import Watched, close_gaps
from sessions.hidden_paths import given_path, hidden_path, hidden_words
from sessions.interpreter import Moment, interpret, open_ask
from sessions.leaving import Leaving
from sessions.left_processes import left_process
from sessions.live_text import LiveText
from sessions.model import Activity, Blocker, Lifecycle, ToolCall, ToolOutput, TurnId
from sessions.output_lines import ReadLine, read_batch
from sessions.prompt_lines import prompt_line
from sessions.prompt_sender import PromptSender
from sessions.retry_until_stored import until_stored
from sessions.rows import StoredHost, StoredInput
from sessions.session_port import SessionPort
from sessions.tools import toolbox_in
from sessions.topics import Topic
from storage import Statement
from workdirs.checkpoint_model import Reason

log = logging.getLogger(__name__)

_OUTPUT_LOG = Path("output.ndjson")
_UNSTORED_BYTES = 1 << 20  # of growing text: at most about so much is read again after a restart
_FIRST_MENDING_PAUSE_S = 0.2
_LONGEST_MENDING_PAUSE_S = 10.0


class HostRun:
    """The session's side of one host. `read` runs until the host has ended; call the rest meanwhile."""

    def __init__(
        self, session: SessionPort, host: Host, stored: StoredHost, inputs: Sequence[StoredInput]
    ) -> None:
        self.session = session
        self.host = host
        self.number = stored.number
        self.enclosure = host.launched().enclosure
        self.inputs = InputLedger(inputs, host.input_size())
        self.live_text = LiveText()
        self.last_output = session.around.clock.monotonic()
        self._applied = stored.applied
        self._replay_from = stored.replay_from
        self._read_to = stored.replay_from
        self._stored_to = stored.replay_from
        self.control = ControlRequests(session)
        self.sender = PromptSender(self)
        from sessions.tool_calls import ToolCalls  # not at a start of the bridge: its hosts come later

        self.tool_calls = ToolCalls(session, stored.number)
        self.leaving = Leaving(session, host, stays=self.sender.wake)
        self._flushing = asyncio.Lock()
        self._unwritten = asyncio.Event()
        self._greeting_id = ""
        self._greets_in_silence = False
        self._silent_turn: TurnId | None = None
        # If a turn runs already, this start of the bridge has not seen its beginning.
        self.watched = Watched(is_whole=session.snapshot.current is None)
        self.trouble = ""
        self._told_hidden = False
        self._given: dict[str, str] = {}  # the paths that file tools were called with, until their results come
        self._start_hooks: set[str] = set()

    @property
    def runs_start_hook(self) -> bool:
        """Whether the CLI reported the start of a SessionStart hook and not yet its end."""
        return bool(self._start_hooks)

    @property
    def log_bytes(self) -> int:
        """The number of bytes of the output log that are read."""
        return self._read_to

    # --- lines to the CLI -------------------------------------------------------------------------------

    def input_row(self, reserved: StoredInput) -> Statement:
        """Return the statement that makes a line durable before it is sent."""
        return rows.insert_input(self.session.id, self.number, reserved.number, reserved.line, reserved.token)

    async def flush(self) -> None:
        """Append every stored line that is not in the input log yet. After a failure, `write_later` retries."""
        async with self._flushing:
            while (waiting := self.inputs.unsent()) is not None:
                try:
                    await self.host.send(waiting.line)
                except InputNotWritten:
                    log.warning("input log not writable", extra={"session": self.session.id})
                    self._unwritten.set()
                    return
                self.inputs.sent()

    async def write_later(self) -> None:
        """Append lines that the disk refused, as soon as it accepts them. Never returns by itself."""
        while True:
            await self._unwritten.wait()
            self._unwritten.clear()  # before `flush`, which sets it again if it fails
            await asyncio.sleep(self.session.around.resources.look_again_s)
            await self.flush()

    # --- beginning --------------------------------------------------------------------------------------

    async def greet(self, *, in_silence_s: float | None = None) -> None:
        """Ask the CLI for its state; `_greeted` applies the answer. Raises `ClaudeUnavailable`.

        Serves a new host, one found again after a restart, and one that has been silent for long. The last
        case waits `in_silence_s` for the answer.
        """
        driver = self.session.around.driver

        def build(request_id: str) -> bytes:
            current = self.session.snapshot.current
            self._greeting_id = request_id
            self._greets_in_silence = in_silence_s is not None
            self._silent_turn = current.turn_id if current is not None else None
            return driver.initialize(request_id, toolbox_in(self.session.around.tools, self.session.snapshot))

        await self.control.request(build, timeout_s=in_silence_s or self.session.around.patience.start_s)

    async def _greeted(self, draft: Draft, line: c.ControlSucceeded, moment: Moment) -> None:
        """Apply the CLI's list of pending asks, at its place in the log: withdraw and open asks to match it."""
        reply = initialize_reply(line)
        pending = {ask.request_id for ask in reply.pending_asks}
        for ask in draft.snapshot.asks:
            is_unlisted = ask.of_server and not reply.lists_forms
            may_wait = is_unlisted and reply.state is not c.CliState.IDLE
            if ask.host != self.number or (ask.request_id not in pending and not may_wait):
                draft.add(e.AskWithdrawn(ask.id, "Claude no longer waits for it."))
        for asked in reply.pending_asks:
            # The CLI may have made its list before it read an answer that is on its way.
            if not self.inputs.is_on_its_way(asked.request_id):
                draft.add_all(list(open_ask(draft.snapshot, asked, moment)))
        if reply.commands and not draft.snapshot.commands:
            draft.add(e.CommandsListed(tuple(each.name for each in reply.commands)))
        if reply.models:
            self.session.around.models.listed = tuple(each.value for each in reply.models)
        if draft.snapshot.lifecycle is Lifecycle.STARTING:
            draft.add(e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.LIVE, "Claude is ready"))
        if reply.state is c.CliState.IDLE:
            await self._found_idle(draft, moment)

    async def _found_idle(self, draft: Draft, moment: Moment) -> None:
        """End a turn whose last lines were lost. The CLI answers in order and is idle, so the turn is over."""
        running, current = draft.snapshot.running, draft.snapshot.current
        if self._greets_in_silence:
            # After a standstill of the bridge, unread lines may have ended that turn, and the next one runs.
            if current is None or current.turn_id != self._silent_turn:
                return
            # The CLI reads lines in order, and the greeting came after the prompt: it has read the prompt.
            if running is None:
                draft.add(e.TurnStarted(current.turn_id))
        elif running is None or running.host != self.number:
            return
        idle = c.StateChanged(c.CliState.IDLE)
        self.watched = await close_gaps(self.session, draft, self.watched, idle)
        draft.add_all(list(interpret(draft.snapshot, idle, moment)))

    async def take_up_cut_turn(self) -> None:
        """Send the turn that an earlier host left unfinished to this host, under its old uuid."""
        async with self.session.change() as draft:
            current = draft.snapshot.current
            if current is not None and current.prompt_uuid and current.host != self.number:
                draft.add(e.TurnSent(current.turn_id, self.number))
                draft.send(current.prompt_uuid, await prompt_line(self.session, current.turn_id))

    # --- lines from the CLI -----------------------------------------------------------------------------

    async def read(self) -> HostExit:
        """Apply every line of the output log until the host has ended, and return its exit.

        Starts where the last owner stopped. Raises `LogCut` if the log does not fit the applied offset.
        """
        async for batch in self.host.lines(self._replay_from):
            self._refuse_if_cut(batch)
            lines = read_batch(self.session.around.driver.parse, batch, self._read_to)
            if self._changes_nothing(lines):
                self._take_text(lines)
            else:
                await until_stored(partial(self._apply, lines))
        if self._read_to < self._applied:
            raise LogCut(_OUTPUT_LOG, expected=self._applied, actual=self._read_to)
        return await self.host.wait()

    def _refuse_if_cut(self, batch: Sequence[OutputLine]) -> None:
        """Raise `LogCut` if a line spans the offset up to which the log was applied: it is another log then."""
        begins_at = self._read_to
        if begins_at >= self._applied:
            return
        for line in batch:
            if begins_at < self._applied < line.end:
                raise LogCut(_OUTPUT_LOG, expected=self._applied, actual=begins_at)
            begins_at = line.end

    def _changes_nothing(self, lines: Sequence[ReadLine]) -> bool:
        """Whether `lines` have nothing to store: growing text alone, as most lines are."""
        return (
            all(isinstance(line, c.BlockDelta) for line, _, _ in lines)
            and not self.session.busy  # else wait for the lock: this text comes after the events before it
            and self.session.snapshot.blocker is not Blocker.NO_PROGRESS
            and self.live_text.replay_from(lines[-1].end) - self._stored_to <= _UNSTORED_BYTES
        )

    def _take_text(self, lines: Sequence[ReadLine]) -> None:
        for line, begins_at, _ in lines:
            self.live_text.read(line, begins_at)
        self._has_read(lines[-1].end)

    async def _apply(self, lines: Sequence[ReadLine]) -> None:
        arrived: list[StoredInput] = []
        live_text_was, watched_was = self.live_text.copy(), self.watched
        told_was = self._told_hidden
        try:
            async with self.session.change() as draft:
                if draft.snapshot.blocker is Blocker.NO_PROGRESS:
                    cause = "there is a sign of life again"
                    draft.add(e.ActivityChanged(Activity.BLOCKED, Activity.WORKING, cause))
                for line, begins_at, end in lines:
                    self.live_text.read(line, begins_at)
                    # Growing text does not change the state.
                    if end > self._applied and not isinstance(line, c.BlockDelta):
                        await self._apply_line(draft, line, end, arrived)
                self._note_progress(draft, arrived, lines[-1].end)
        except BaseException:
            # `until_stored` applies the same lines again, and they must not count twice.
            self.live_text, self.watched = live_text_was, watched_was
            self._told_hidden = told_was
            raise
        self.tool_calls.committed()
        self.inputs.acknowledge(arrived)
        self._has_read(lines[-1].end)
        self.sender.wake()  # again after the change's own wake: the silence begins only with `_has_read`
        self._log_strange([each.line for each in lines])
        # Only after the commit: a caller that has its answer finds the state that goes with it.
        for line, _, _ in lines:
            if isinstance(line, c.ControlSucceeded | c.ControlFailed):
                self.control.resolve(line)

    def _has_read(self, end: int) -> None:
        """Note that everything before `end` is applied, and publish the text that it adds."""
        self._read_to = end
        self._applied = max(self._applied, end)
        self.last_output = self.session.around.clock.monotonic()
        crash_point("lines-applied")
        self._publish_partials()

    def _log_strange(self, lines: Sequence[c.CliLine]) -> None:
        """Log unknown lines, all in one record: a faulty program prints thousands."""
        reasons = [line.reason for line in lines if isinstance(line, c.Unrecognized)]
        if reasons:
            facts = {"session": self.session.id, "lines": len(reasons), "reason": reasons[0]}
            log.info("lines not recognized", extra=facts)

    async def _apply_line(self, draft: Draft, line: c.CliLine, end: int, arrived: list[StoredInput]) -> None:
        match line:
            case c.PromptEchoed(prompt_uuid=token) | c.PromptLifecycle(prompt_uuid=token):
                arrived.extend(self._arrived(token))
            case (
                c.ControlSucceeded(request_id=token)
                | c.ControlFailed(request_id=token)
                | c.AnswerEchoed(request_id=token)
            ):
                arrived.extend(self._arrived(token))
            case c.HookMoved(event="SessionStart"):
                change = self._start_hooks.discard if line.is_over else self._start_hooks.add
                change(line.hook_id)
            case c.ToolResults(results=results) if any(each.images for each in results):
                await self._keep_pictures(results)
            case ToolCalled() | ToolCallCancelled() | ToolServerAsked():
                self.tool_calls.take(draft, line, end)
            case c.ControlRequested(subtype=c.ELICITATION) if line.request_id:
                draft.send(line.request_id, self.session.around.driver.decline_elicitation(line.request_id))
                draft.add(e.Noticed(Topic.SERVER_ASKS, declined_words(line)))
            case c.ControlRequested() if line.request_id:
                refusal = self.session.around.driver.refuse_request(line.request_id, "not served here")
                draft.send(line.request_id, refusal)
            case _:
                pass
        moment = Moment(self.number, end, draft.at_ms)
        self.watched = await close_gaps(self.session, draft, self.watched, line)
        if isinstance(line, c.ControlSucceeded) and line.request_id == self._greeting_id:
            await self._greeted(draft, line, moment)
        happened = list(interpret(draft.snapshot, line, moment))
        draft.add_all(happened)
        self._tell_hidden(draft, happened)
        if any(isinstance(event, e.TurnEnded) for event in happened):
            self.sender.turn_ended()
        checkpoints = self.session.around.checkpoints
        if checkpoints is not None and any(_asks_for_tool(event) for event in happened):
            checkpoints.soon(self.session, Reason.ASK)
        if any(isinstance(event, e.BlockAdded) and isinstance(event.block, ToolCall) for event in happened):
            self.sender.tool_ran()

    async def _keep_pictures(self, results: Sequence[c.ToolResult]) -> None:
        from sessions.returned_pictures import keep_pictures, returned_of  # few tools return pictures

        directory = returned_of(self.session.around.run_directory, self.session.id)
        await asyncio.to_thread(keep_pictures, directory, results)

    def _tell_hidden(self, draft: Draft, happened: Sequence[e.Event]) -> None:
        """Say once for each process that a tool failed on a path which its sandbox hides."""
        if self._told_hidden or self.enclosure.mechanism is Mechanism.NONE:
            return
        places = self.session.around.private_places
        for event in happened:
            if isinstance(event, e.BlockAdded) and isinstance(event.block, ToolCall):
                self._given[event.block.tool_use_id] = given_path(event.block)
            if isinstance(event, e.BlockAdded) and isinstance(event.block, ToolOutput):
                given = self._given.pop(event.block.tool_use_id, "")
                found = hidden_path(event.block, self.session.snapshot.work_directory, places, given)
                if found is not None:
                    self._told_hidden = True  # once: a hostile program must not search the disk by notices
                    draft.add(e.Noticed(Topic.SANDBOX_HIDES, hidden_words(found)))
                    return

    def _arrived(self, token: str) -> list[StoredInput]:
        """Return the lines that `token` acknowledges and that are whole in the input log.

        A process that continues a cut turn names its prompt by itself, perhaps before our line is whole.
        """
        found = self.inputs.matching(token)
        size = self.host.input_size() if found else 0
        return [each for each in found if each.line.end <= size]

    def _note_progress(self, draft: Draft, arrived: Sequence[StoredInput], end: int) -> None:
        """Store the applied offset with the changes. Without changes, store it once much has been read."""
        for each in arrived:
            draft.extra.append(rows.acknowledge_input(self.session.id, self.number, each.number))
        replay_from = self.live_text.replay_from(end)
        if not draft.is_empty or replay_from - self._stored_to > _UNSTORED_BYTES:
            applied = max(self._applied, end)
            draft.extra.append(rows.host_applied(self.session.id, self.number, applied, replay_from))
            self._stored_to = replay_from

    def _publish_partials(self) -> None:
        snapshot = self.session.snapshot
        turn_id = snapshot.running.turn_id if snapshot.running is not None else None
        pieces = self.live_text.publish(self.session.id, turn_id, snapshot.next_event - 1)
        self.session.around.bus.publish(self.session.id, pieces)

    async def mend_follower(self) -> None:
        """Replace the process that feeds the input log whenever it dies. Never returns by itself."""
        pause_s = _FIRST_MENDING_PAUSE_S
        while True:
            await self.host.follower_died()
            facts = {"session": self.session.id, "host": self.number}
            try:
                await self.host.feed_from(self.inputs.replay_offset())
            except LaunchFailed as error:
                # For example, the machine is out of processes. The CLI waits, and the log keeps the lines sent.
                log.warning("follower not replaced; trying again", extra={**facts, "why": error.reason})
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_MENDING_PAUSE_S)
            else:
                log.warning("follower replaced", extra=facts)
                pause_s = _FIRST_MENDING_PAUSE_S

    async def note_left_running(self) -> None:
        """Look for processes that Claude's tools left running, and record them if they changed."""
        found = await asyncio.to_thread(self.host.left_running)
        left = tuple(left_process(each) for each in found)
        if left != self.session.snapshot.left_running:
            async with self.session.change() as draft:
                if draft.snapshot.lifecycle is Lifecycle.LIVE and left != draft.snapshot.left_running:
                    draft.add(e.LeftRunningChanged(left))

    # --- ending -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Withdraw partial text and release all waiting callers. Call it once the host's end is recorded."""
        self.live_text.end()
        self._publish_partials()
        self.control.abandon()
        self.leaving.is_over()


def _asks_for_tool(event: e.Event) -> bool:
    """Whether Claude asks for a tool: it may change files once it is allowed."""
    return isinstance(event, e.AskOpened) and isinstance(event.ask.body, PermissionBody)

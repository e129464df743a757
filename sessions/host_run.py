"""One host's life for a session: launched or found again, read until it has ended, all of it recorded.

`HostRun` moves bytes: it sends what the session commits, reads what the CLI prints, and lets `interpreter.py`
say what that means. The session decides; the manager says when a host may be started.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.base import Host, HostExit, OutputLine
from faults import crash_point
from sessions import events as e
from sessions import rows
from sessions.claude import lines as c
from sessions.claude.control import (
    FilesKept,
    FilesRewound,
    NotRewound,
    RewindRefusal,
    context_usage,
    files_outcome,
    initialize_reply,
    rewind_outcome,
)
from sessions.draft import Draft, InputLedger
from sessions.driver import ImageFile
from sessions.errors import ClaudeUnavailable
from sessions.interpreter import Moment, interpret, open_ask
from sessions.live_text import LiveText
from sessions.model import Activity, Attachment, Blocker, Lifecycle, PermissionMode, TurnId, TurnStatus
from sessions.rows import StoredHost, StoredInput
from sessions.state import Snapshot
from storage import Statement, StorageError

if TYPE_CHECKING:
    from sessions.session import Session

log = logging.getLogger(__name__)

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

SHORTAGE_RETRY_S = 5.0
"""How often a session that waits for free disk or memory looks again."""

_APPLY_RETRY_S = 1.0
_UNSTORED_BYTES = 1 << 20


class HostRun:
    """The session's side of one host. `read` runs until the host has ended; call the rest meanwhile."""

    def __init__(
        self, session: "Session", host: Host, stored: StoredHost, inputs: Sequence[StoredInput]
    ) -> None:
        self.session = session
        self.host = host
        self.number = stored.number
        self.inputs = InputLedger(inputs, host.input_size())
        self.live_text = LiveText()
        self.leaving: Lifecycle | None = None
        self.last_output = session.around.clock.monotonic()
        self._applied = stored.applied
        self._replay_from = stored.replay_from
        self._read_to = stored.replay_from
        self._stored_to = stored.replay_from
        self._replies: dict[str, asyncio.Future[c.ControlSucceeded | c.ControlFailed]] = {}
        self._flushing = asyncio.Lock()
        self._awake = asyncio.Event()
        self._greeting_id = ""
        self._context_is_stale = False
        self._keep_turn = False
        self._said_shortage = False
        self.over = asyncio.Event()
        self.trouble = ""

    # --- lines to the CLI -------------------------------------------------------------------------------

    def input_row(self, reserved: StoredInput) -> Statement:
        """The row that makes a line durable before it is sent."""
        return rows.insert_input(self.session.id, self.number, reserved.number, reserved.line, reserved.token)

    async def flush(self) -> None:
        """Append every stored line that is not in the input log yet; the next call tries again what fails."""
        async with self._flushing:
            while (waiting := self.inputs.unsent()) is not None:
                try:
                    await self.host.send(waiting.line)
                except OSError as error:
                    log.warning(
                        "input log not writable", extra={"session": self.session.id, "error": error.errno}
                    )
                    return
                self.inputs.sent()

    async def request(
        self, build: Callable[[str], bytes], *, timeout_s: float | None = None
    ) -> c.ControlSucceeded:
        """Send a control request and return its answer.

        Raises `ClaudeUnavailable` if the CLI says no, does not answer in time, or ends.
        """
        request_id = str(uuid.uuid4())
        reply: asyncio.Future[c.ControlSucceeded | c.ControlFailed] = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        try:
            async with self.session.change() as draft:
                draft.send(request_id, build(request_id))
            async with asyncio.timeout(timeout_s or self.session.around.patience.request_s):
                answer = await reply
        except TimeoutError:
            raise ClaudeUnavailable("Claude did not answer in time; try again, or stop the session.") from None
        finally:
            self._replies.pop(request_id, None)
        if isinstance(answer, c.ControlFailed):
            raise ClaudeUnavailable("Claude refused this; it may not be possible in this state.")
        return answer

    async def interrupt(self) -> None:
        """Cut the running turn; the CLI keeps what it has said and stays."""
        await self.request(self.session.around.driver.interrupt)

    async def set_model(self, model: str) -> str:
        """Switch the model; returns its full name."""
        driver = self.session.around.driver
        answer = await self.request(lambda request_id: driver.set_model(request_id, model))
        return str(answer.response.get("model") or model)

    async def set_permission_mode(self, mode: PermissionMode) -> None:
        driver = self.session.around.driver
        await self.request(lambda request_id: driver.set_permission_mode(request_id, mode))

    async def rewind_files(self, prompt_uuid: str, *, dry_run: bool) -> FilesRewound | FilesKept:
        """Put files back to before the prompt, or only say which."""
        driver = self.session.around.driver
        answer = await self.request(
            lambda request_id: driver.rewind_files(request_id, prompt_uuid, dry_run=dry_run)
        )
        return files_outcome(answer)

    async def measure_context(self) -> None:
        """Ask how full the context is and record it."""
        usage = context_usage(await self.request(self.session.around.driver.measure_context))
        async with self.session.change() as draft:
            known = (draft.snapshot.context_used, draft.snapshot.context_window)
            if known != (usage.used_tokens, usage.max_tokens):
                draft.add(e.ContextMeasured(usage.used_tokens, usage.max_tokens))

    # --- beginning --------------------------------------------------------------------------------------

    async def greet(self) -> None:
        """Learn where the CLI stands; `_greeted` settles it. Raises `ClaudeUnavailable`.

        The same for a new host and for one that was found again after a restart.
        """
        driver = self.session.around.driver

        def build(request_id: str) -> bytes:
            self._greeting_id = request_id
            return driver.initialize(request_id)

        await self.request(build, timeout_s=self.session.around.patience.start_s)

    def _greeted(self, draft: Draft, line: c.ControlSucceeded, moment: Moment) -> None:
        """Settle asks with the CLI's own list, at the place in the log where it gave it."""
        reply = initialize_reply(line)
        pending = {ask.request_id for ask in reply.pending_asks}
        for ask in draft.snapshot.asks:
            if ask.host != self.number or ask.request_id not in pending:
                draft.add(e.AskWithdrawn(ask.id, "Claude no longer waits for it."))
        for asked in reply.pending_asks:
            draft.add_all(list(open_ask(draft.snapshot, asked, moment)))
        if draft.snapshot.lifecycle is Lifecycle.STARTING:
            draft.add(e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.LIVE, "Claude is ready"))

    async def take_up_cut_turn(self) -> None:
        """Send the turn that an earlier host left unfinished once more, under its old uuid, to this one."""
        async with self.session.change() as draft:
            current = draft.snapshot.current
            if current is not None and current.prompt_uuid:
                draft.add(e.TurnSent(current.turn_id, self.number))
                draft.send(current.prompt_uuid, await self._prompt_line(current.turn_id))

    # --- lines from the CLI -----------------------------------------------------------------------------

    async def read(self) -> HostExit:
        """Apply every line of the output log, from where the last owner stopped, until the host has ended."""
        async for batch in self.host.lines(self._replay_from):
            await self._apply_stubbornly(batch)
        return await self.host.wait()

    async def _apply_stubbornly(self, batch: Sequence[OutputLine]) -> None:
        """Apply `batch`, however long the database takes to accept it: the log keeps what is not applied."""
        while True:
            try:
                return await self._apply(batch)
            except StorageError:
                log.exception("cannot store what Claude said", extra={"session": self.session.id})
                await asyncio.sleep(_APPLY_RETRY_S)

    async def _apply(self, batch: Sequence[OutputLine]) -> None:
        session, driver = self.session, self.session.around.driver
        parsed = [(driver.parse(line.data), line.end) for line in batch]
        arrived: list[StoredInput] = []
        live_text_was = self.live_text.copy()
        try:
            async with session.change() as draft:
                begins_at = self._read_to
                if draft.snapshot.blocker is Blocker.NO_PROGRESS:
                    cause = "there is a sign of life again"
                    draft.add(e.ActivityChanged(Activity.BLOCKED, Activity.WORKING, cause))
                for line, end in parsed:
                    self.live_text.read(line, begins_at)
                    begins_at = end
                    if end > self._applied:
                        await self._apply_line(draft, line, end, arrived)
                self._note_progress(draft, arrived, batch[-1].end)
        except BaseException:
            self.live_text = live_text_was
            raise
        self._read_to = batch[-1].end
        self._applied = max(self._applied, batch[-1].end)
        self.last_output = session.around.clock.monotonic()
        self.inputs.acknowledge(arrived)
        crash_point("lines-applied")
        self._publish_partials()
        for line, _ in parsed:
            self._resolve(line)

    async def _apply_line(self, draft: Draft, line: c.CliLine, end: int, arrived: list[StoredInput]) -> None:
        match line:
            case c.PromptEchoed(prompt_uuid=token) | c.PromptLifecycle(prompt_uuid=token):
                arrived.extend(self.inputs.matching(token))
            case (
                c.ControlSucceeded(request_id=token)
                | c.ControlFailed(request_id=token)
                | c.AnswerEchoed(request_id=token)
            ):
                arrived.extend(self.inputs.matching(token))
            case c.ControlRequested():
                refusal = self.session.around.driver.refuse_request(line.request_id, "not served here")
                draft.send(line.request_id, refusal)
            case c.Unrecognized():
                log.info("line not recognized", extra={"session": self.session.id, "reason": line.reason})
            case _:
                pass
        moment = Moment(self.number, end, draft.at_ms)
        if isinstance(line, c.StateChanged) and line.state is c.CliState.IDLE:
            await self._read_back(draft)
        if isinstance(line, c.ControlSucceeded) and line.request_id == self._greeting_id:
            self._greeted(draft, line, moment)
        happened = list(interpret(draft.snapshot, line, moment))
        draft.add_all(happened)
        if any(isinstance(event, e.TurnEnded) for event in happened):
            self._context_is_stale = True

    async def _read_back(self, draft: Draft) -> None:
        """Fill in a turn that Claude had done before a crash: it takes the prompt and says nothing again."""
        running = draft.snapshot.running
        if running is None or not running.prompt_uuid or draft.snapshot.sent is not None:
            return
        session = self.session
        found = await asyncio.to_thread(
            session.around.conversations.read_back,
            draft.snapshot.conversation_id,
            Path(draft.snapshot.work_directory),
            running.prompt_uuid,
        )
        for ordinal, each in enumerate(found[running.next_ordinal :], start=running.next_ordinal):
            draft.add(e.BlockAdded(running.turn_id, ordinal, each.block, each.uuid))

    def _note_progress(self, draft: Draft, arrived: Sequence[StoredInput], end: int) -> None:
        """Store how far the log is applied with the changes, or alone once much has been read without any."""
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

    def _resolve(self, line: c.CliLine) -> None:
        if isinstance(line, c.ControlSucceeded | c.ControlFailed):
            reply = self._replies.get(line.request_id)
            if reply is not None and not reply.done():
                reply.set_result(line)

    # --- going on ---------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look again whether something is to be sent."""
        self._awake.set()

    async def advance(self) -> None:
        """Send the next prompt whenever Claude is idle; park after a long silence. Never returns by itself."""
        while True:
            await self._send_next()
            try:
                async with asyncio.timeout(self._pause()):
                    await self._awake.wait()
            except TimeoutError:
                if self._is_forgotten():
                    await self.leave(Lifecycle.PARKED, "nothing happened for a while")
            self._awake.clear()

    def _pause(self) -> float | None:
        """Seconds until something is due without an event: the end of a usage limit, or parking."""
        snapshot, around = self.session.snapshot, self.session.around
        if self._said_shortage:
            return SHORTAGE_RETRY_S
        if snapshot.blocker is Blocker.USAGE_LIMIT and snapshot.limit_until_ms:
            return max(0.05, (snapshot.limit_until_ms - around.clock.now_ms()) / 1000)
        if not self._may_park(snapshot):
            return None
        silent_s = around.clock.monotonic() - self.last_output
        return max(0.05, around.patience.idle_s - silent_s)

    def _may_park(self, snapshot: Snapshot) -> bool:
        return snapshot.is_idle and not snapshot.queue and not snapshot.background_tasks

    def _is_forgotten(self) -> bool:
        around = self.session.around
        silent_s = around.clock.monotonic() - self.last_output
        return self._may_park(self.session.snapshot) and silent_s >= around.patience.idle_s

    async def _send_next(self) -> None:
        """Hand the first queued prompt to the CLI if it is idle."""
        await self._reopen_limit_if_due()
        snapshot = self.session.snapshot
        if self.leaving is not None or not snapshot.is_idle:
            return
        if snapshot.queue and not await self._has_room():
            return
        if not snapshot.queue:
            await self._measure_if_stale()
            return
        turn = snapshot.queue[0]
        if turn.rewind_to is not None:
            await self._rewind(turn.rewind_to)
        async with self.session.change() as draft:
            first = draft.snapshot.queue[0] if draft.snapshot.queue else None
            if first == turn and draft.snapshot.is_idle:
                draft.add(e.TurnSent(turn.turn_id, self.number))
                draft.send(turn.prompt_uuid, await self._prompt_line(turn.turn_id))
        crash_point("prompt-sent")

    async def _has_room(self) -> bool:
        """Whether the disk has room for another turn: a CLI on a full disk drops lines silently."""
        shortage = await asyncio.to_thread(self.session.around.resources.disk_shortage)
        if shortage and not self._said_shortage:
            async with self.session.change() as draft:
                draft.add(e.Noticed("disk", shortage))
        self._said_shortage = bool(shortage)
        return not shortage

    async def _reopen_limit_if_due(self) -> None:
        snapshot, now_ms = self.session.snapshot, self.session.around.clock.now_ms()
        if snapshot.blocker is Blocker.USAGE_LIMIT and now_ms >= snapshot.limit_until_ms:
            async with self.session.change() as draft:
                cause = "the usage limit opened again"
                draft.add(e.ActivityChanged(Activity.BLOCKED, Activity.IDLE, cause))

    async def _measure_if_stale(self) -> None:
        if self._context_is_stale:
            self._context_is_stale = False
            await self._keep_transcript()
            with suppress(ClaudeUnavailable):
                await self.measure_context()

    async def _keep_transcript(self) -> None:
        """Copy what Claude's transcript has grown by; Claude deletes its own after a while."""
        snapshot = self.session.snapshot
        keep, work_directory = self.session.around.conversations.keep, Path(snapshot.work_directory)
        try:
            await asyncio.to_thread(keep, snapshot.conversation_id, work_directory)
        except OSError as error:
            log.warning("transcript not copied", extra={"session": self.session.id, "error": error.errno})

    async def _rewind(self, prompt_uuid: str) -> None:
        """Let the CLI forget the prompt and all after it; one that it does not know is forgotten already."""
        driver, newest = self.session.around.driver, self.session.snapshot.last_prompt_uuid
        answer = await self.request(
            lambda request_id: driver.rewind_conversation(request_id, prompt_uuid, newest)
        )
        outcome = rewind_outcome(answer)
        if isinstance(outcome, NotRewound) and outcome.reason is not RewindRefusal.TARGET_NOT_FOUND:
            log.warning("rewind refused", extra={"session": self.session.id, "reason": outcome.reason})

    async def _prompt_line(self, turn_id: TurnId) -> bytes:
        turn = await rows.load_turn(self.session.around.db, turn_id)
        images = await asyncio.to_thread(_read_images, self.session, turn.attachments)
        return self.session.around.driver.prompt(turn.prompt_uuid, turn.prompt, turn.kind, images)

    async def mend_follower(self) -> None:
        """Replace the process that feeds the input log whenever it dies. Never returns by itself."""
        while True:
            await self.host.follower_died()
            log.warning("follower replaced", extra={"session": self.session.id, "host": self.number})
            await self.host.feed_from(self.inputs.replay_offset())

    # --- ending -----------------------------------------------------------------------------------------

    async def leave(self, target: Lifecycle, cause: str, *, keep_turn: bool = False) -> None:
        """End the host and wait until that is recorded: a polite request first, then signals, each bounded.

        With `keep_turn` the running turn is cut, not ended: the next host takes it up. Raises `Unkillable`
        if something outlives even SIGKILL; the session is then failed.
        """
        if self.leaving is not Lifecycle.ENDED:
            self.leaving = target
        self._keep_turn = keep_turn
        stop_s = self.session.around.patience.stop_s
        with suppress(TimeoutError):
            async with asyncio.timeout(stop_s):
                await self._ask_to_leave(cause, politely=not keep_turn)
                if not keep_turn:
                    await self.host.wait()
        await self.host.kill(stop_s)
        await self.over.wait()

    async def _ask_to_leave(self, cause: str, *, politely: bool) -> None:
        driver = self.session.around.driver
        async with self.session.change() as draft:
            lifecycle = draft.snapshot.lifecycle
            if lifecycle in (Lifecycle.STARTING, Lifecycle.LIVE):
                draft.add(e.LifecycleChanged(lifecycle, Lifecycle.STOPPING, cause))
            if not politely:
                return
            if draft.snapshot.current is not None:
                token = str(uuid.uuid4())
                draft.send(token, driver.interrupt(token))
            token = str(uuid.uuid4())
            draft.send(token, driver.end_session(token))

    async def record_end(self, ended: HostExit, trouble: str) -> None:
        """Record that the host is over. `trouble` is a sentence if it ended otherwise than asked."""
        async with self.session.change() as draft:
            for ask in draft.snapshot.asks:
                draft.add(e.AskWithdrawn(ask.id, "Claude's process ended before it was answered."))
            draft.add(e.HostEnded(self.number, ended.code, trouble))
            target = self._lifecycle_after(draft.snapshot, trouble)
            draft.add_all(self._turns_after(draft.snapshot, target, trouble))
            if trouble:
                draft.add(e.Noticed("process_ended", trouble))
            draft.add(e.LifecycleChanged(draft.snapshot.lifecycle, target, trouble or draft.snapshot.reason))
            self.session.run = None
        self.over.set()

    def _lifecycle_after(self, snapshot: Snapshot, trouble: str) -> Lifecycle:
        if self.leaving is not None:
            return self.leaving
        failed_to_start = trouble and snapshot.lifecycle is Lifecycle.STARTING
        return Lifecycle.FAILED if failed_to_start else Lifecycle.PARKED

    def _turns_after(self, snapshot: Snapshot, target: Lifecycle, trouble: str) -> list[e.Event]:
        """What becomes of the turns that the host leaves: ended, or kept to be taken up by the next host."""
        cut_by_accident = self.leaving is None and self.session.around.continue_cut_turns
        keeps = target is Lifecycle.PARKED and (cut_by_accident or self._keep_turn)
        ended: list[e.Event] = []
        for turn in (snapshot.running, snapshot.sent):
            if turn is not None and not (keeps and turn.prompt_uuid):
                status = TurnStatus.INTERRUPTED if self.leaving is not None else TurnStatus.CUT
                ended.append(e.TurnEnded(turn.turn_id, status, reason=trouble or snapshot.reason))
        return ended


def _read_images(session: "Session", attachments: Sequence[Attachment]) -> list[ImageFile]:
    """The pictures among the attachments; one that is gone is left out (its name is in the prompt)."""
    root = Path(session.snapshot.work_directory)
    images: list[ImageFile] = []
    for each in attachments:
        if each.media_type in IMAGE_TYPES:
            with suppress(OSError):
                images.append(ImageFile(each.media_type, (root / each.path).read_bytes()))
    return images

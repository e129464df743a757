"""One session: its state, and every command to it.

Every change goes through `change`: events are put on a draft, committed in one transaction, then published.
`prompt_queue.py` has the waiting prompts and `host_run.py` the process. `service/` checks who may do what, and
the manager decides whether there is room for a process.
"""

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from faults import crash_point
from machine.awake_timeout import awake_timeout
from sessions import events as e
from sessions.choosing import choose_mode, choose_model
from sessions.claude.control import FilesKept, FilesRewound
from sessions.claude.errors import BadLaunch
from sessions.dependencies import Dependencies
from sessions.draft import Draft
from sessions.errors import (
    AlreadyDecided,
    AskNotFound,
    ClaudeUnavailable,
    IllegalMove,
    PromptRefused,
    TurnNotFound,
)
from sessions.events import PartialText
from sessions.host_run import HostRun
from sessions.interpreter import GO_ON
from sessions.leaving import Departure
from sessions.model import (
    Ask,
    AskId,
    Attachment,
    Decision,
    Lifecycle,
    PermissionMode,
    SessionId,
    TurnId,
    TurnKind,
)
from sessions.offered_commands import is_offered, no_such_command
from sessions.permission_rules import rules_given
from sessions.process_link import ProcessLink
from sessions.prompt_queue import OWN_WAY, Placed, Prompt, PromptQueue, Sender, check_prompt
from sessions.retry_until_stored import to_the_end
from sessions.rows import load_ask, load_turn
from sessions.rule_keeping import give_rules
from sessions.state import Snapshot
from sessions.title import title_from
from workdirs.checkpoint_model import Reason


class SessionOwner(Protocol):
    """The owner of all sessions, which decides which of them have a process."""

    def wants_process(self, session: "Session") -> None:
        """Let the session wait for a process; it gets one at once if there is room."""
        ...

    def changed(self, session: "Session") -> None:
        """Note that a change of the session is stored."""
        ...


class Session:
    """One session. Any task of the loop may call its methods; each is carried out whole or not at all."""

    def __init__(self, snapshot: Snapshot, around: Dependencies, owner: SessionOwner) -> None:
        self.snapshot = snapshot
        self.around = around
        self._owner = owner
        self.process = ProcessLink(self)
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()  # of the next change; each change has one of its own
        self.rewinds_for: TurnId | None = None
        self.prompts = PromptQueue(self)

    @property
    def id(self) -> SessionId:
        return self.snapshot.id

    @property
    def run(self) -> HostRun | None:
        """The current process, if any."""
        return self.process.run

    @property
    def last_activity(self) -> int:
        """The time of the last activity, in milliseconds since the epoch."""
        return self.snapshot.last_activity_ms

    @property
    def message_count(self) -> int:
        """The number of prompts that the session was given."""
        return self.snapshot.message_count

    @property
    def busy(self) -> bool:
        """Whether a change is under way."""
        return self._lock.locked()

    def partials(self) -> Sequence[PartialText]:
        """Return the text that Claude is writing now, from its beginning."""
        current = self.snapshot.running
        if self.run is None or current is None:
            return ()
        return self.run.live_text.whole(self.id, current.turn_id, self.snapshot.next_event - 1)

    # --- changing ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def change(self, *, new_session: bool = False) -> AsyncIterator[Draft]:
        """Put events on a draft; leaving the block commits it. An exception inside drops it.

        Once the commit has begun it is carried out even if the caller is cancelled.
        """
        async with self._lock:  # held until all is published, so that events come in the order of their numbers
            draft = Draft(self.snapshot, self.around.clock.now_ms())
            yield draft
            if not draft.is_empty:
                await to_the_end(self._commit(draft, new_session=new_session))

    async def _commit(self, draft: Draft, *, new_session: bool) -> None:
        run = self.run
        reserved = run.inputs.reserve(draft.lines) if run is not None and draft.lines else []
        statements = draft.statements(new_session=new_session)
        # One transaction for the change and its lines: after a crash, the next bridge appends missing lines.
        if run is not None:
            statements += [run.input_row(each) for each in reserved]
        crash_point("session-before-commit")
        await self.around.db.write(statements)
        crash_point("session-after-commit")
        self.snapshot = draft.snapshot  # not before: a commit that fails leaves the state as it is stored
        try:
            if run is not None:
                run.inputs.commit(reserved)
                await run.flush()
        finally:
            # The change is stored even if a line could not be written: its followers must hear of it.
            self._publish(draft, run)

    def _publish(self, draft: Draft, run: HostRun | None) -> None:
        self.around.bus.publish(self.id, draft.numbered)
        self.around.limits.heed(draft.numbered)
        self._news.set()
        self._news = asyncio.Event()
        if run is not None:
            run.sender.wake()
        self._owner.changed(self)

    async def until(self, is_so: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until `is_so` holds for the state, and return the state. Returns at once if it holds already."""
        while not is_so(self.snapshot):
            await self._news.wait()
        return self.snapshot

    # --- prompts ----------------------------------------------------------------------------------------

    async def send_message(
        self,
        content: str,
        attachments: Sequence[Attachment] = (),
        *,
        sender: Sender,
        front: bool = False,
        title: str = "",
    ) -> Placed:
        """Queue a prompt; return its turn and place. A repeated `sender.origin` makes no second turn.

        A session without a title gets one from `title`, else from `content`.

        Raises `PromptRefused` for an empty or oversized prompt, `IllegalMove` if the session has ended.
        """
        check_prompt(content, attachments)
        prompt = Prompt(TurnKind.PROMPT, content, tuple(attachments), front=front, title=title)
        return await self.prompts.add(prompt, sender)

    async def command(self, name: str, arguments: str = "", *, sender: Sender) -> Placed:
        """Queue one of Claude's own slash commands, such as `compact`.

        Raises `PromptRefused` if the conversation does not offer the command, if the bridge has its own way for
        it, or if the arguments cannot be sent.
        """
        if name.split() != [name] or name in OWN_WAY:
            raise PromptRefused(f"Claude's command /{name} cannot be used here. /help lists the commands.")
        if not is_offered(self.snapshot, name):
            raise PromptRefused(no_such_command(self.snapshot, name))
        text = f"/{name} {' '.join(arguments.split())}".rstrip()
        try:
            # Check before queueing: an unsendable prompt would be tried at every start, and end each process.
            self.around.driver.prompt("", text, TurnKind.COMMAND, ())
        except BadLaunch as error:
            raise PromptRefused(f"{error}.") from error
        return await self.prompts.add(Prompt(TurnKind.COMMAND, text), sender)

    async def continue_(self, *, sender: Sender) -> Placed:
        """Let a cut turn go on, or ask Claude to go on. A repeated origin has no further effect.

        Raises `IllegalMove` if the session has ended.
        """
        placed = await self.prompts.take_up_cut(sender)
        return placed or await self.send_message(GO_ON, sender=sender)

    async def regenerate(self, *, sender: Sender) -> Placed:
        """Drop the last answer and ask again; the dropped answer stays readable as an alternative.

        Raises `IllegalMove` while a turn runs or waits, `TurnNotFound` if there is no answer yet.
        """
        return await self.prompts.add_again(sender)

    async def send_now(self, turn_id: TurnId) -> None:
        """Interrupt the running turn and send a waiting prompt next. Raises `IllegalMove` once it is sent."""
        await self.prompts.move_to_front(turn_id)
        await self.stop()

    # --- the process ------------------------------------------------------------------------------------

    def want_process(self) -> None:
        """Ask the manager for a process if prompts wait and the session has no process."""
        if self.snapshot.queue and not self.snapshot.holds_slot:
            self._owner.wants_process(self)

    async def wake(self) -> HostRun:
        """Give the session a process if it has none, and wait until Claude is ready.

        Raises `ClaudeUnavailable` if Claude cannot be started, or if no place is free in time.
        """
        self.refuse_if_ended("Waking")
        if not self.snapshot.holds_slot:
            self._owner.wants_process(self)
        before = self.snapshot.next_event  # a failure from before this call does not count

        def settled(snapshot: Snapshot) -> bool:
            failed_now = snapshot.lifecycle is Lifecycle.FAILED and snapshot.next_event > before
            return failed_now or snapshot.lifecycle in (Lifecycle.LIVE, Lifecycle.ENDED)

        try:
            async with awake_timeout(self.around.patience.start_s):
                await self.until(settled)
        except TimeoutError:
            raise ClaudeUnavailable("There is no place for Claude's process right now; try later.") from None
        if self.run is None:
            raise ClaudeUnavailable(self.snapshot.reason or "Claude could not be started.")
        return self.run

    async def rewind_files(self, turn_id: TurnId, *, dry_run: bool) -> FilesRewound | FilesKept:
        """Undo the file changes of a turn and all later ones; `dry_run` only lists them. Wakes the session.

        Raises `IllegalMove` while a turn runs, `ClaudeUnavailable` if Claude cannot do it.
        """
        turn = await load_turn(self.around.db, turn_id)
        if turn.session_id != self.id:
            raise TurnNotFound(turn_id)
        if self.snapshot.current is not None:  # a refusal must not wake the session; it is asked again below
            raise IllegalMove("Putting files back", "busy")
        run = await self.wake()
        return await run.control.rewind_files(turn.prompt_uuid, dry_run=dry_run)

    def try_now(self) -> bool:
        """Send the next prompt even if a usage limit is known to be reached. False without a process."""
        if self.run is None:
            return False
        self.run.sender.try_now()
        return True

    async def stop(self) -> bool:
        """Interrupt the running turn; process and partial text stay. False if no turn ran.

        A prompt that the CLI has but has not begun (background work came first) is taken back as well.
        """
        run = self.run  # the process may be over before the second request
        turn = self.snapshot.current
        if run is None or turn is None:
            return False
        if self.around.checkpoints is not None:
            await self.around.checkpoints.before_interrupt(self)
            if self.snapshot.current is None or self.snapshot.current.turn_id != turn.turn_id:
                return False  # it ended meanwhile, and the next one is not to be stopped
        waiting = self.snapshot.sent
        if waiting is not None:
            await run.control.cancel_prompt(waiting.prompt_uuid)
        await run.control.interrupt()
        return True

    async def park(self, cause: str, *, keep_turn: bool = False) -> None:
        """End the process and keep the conversation; the next prompt wakes it. No-op without a process.

        With `keep_turn` a running turn goes on when the session gets a process again.
        """
        if self.run is not None and not keep_turn:
            await self.process.keep_files(Reason.PARKING)
        await self.process.leave(Departure(Lifecycle.PARKED, cause, keeps_turn=keep_turn))

    async def park_at_rest(self, what: str, cause: str) -> None:
        """Park the session for the act `what`. Raises `IllegalMove` if a turn runs or begins meanwhile."""
        await self.process.leave_at_rest(what, Departure(Lifecycle.PARKED, cause), Reason.PARKING)

    async def park_if(self, may: Callable[[Snapshot], bool], cause: str) -> None:
        """Park the session if `may` allows it, now and again just before the change."""
        if self.run is not None and may(self.snapshot):
            run = self.run
            await run.note_left_running()  # `may` looks at them as well
            await self.process.keep_files(Reason.PARKING)
            await run.leaving.leave(Departure(Lifecycle.PARKED, cause), if_still=may)

    async def hand_over(self) -> str:
        """Park the session and return the command that continues the conversation in a terminal.

        Raises `IllegalMove` while a turn runs, or before the conversation has begun.
        """
        snapshot = self.snapshot
        if snapshot.current is not None or snapshot.queue:
            raise IllegalMove("Handing over", "busy")
        if not snapshot.conversation_begun:
            raise IllegalMove("Handing over", "without a conversation")
        departure = Departure(Lifecycle.PARKED, "handed over to a terminal", hands_over=True)
        await self.process.leave_at_rest("Handing over", departure, Reason.HAND_OVER)
        await asyncio.to_thread(
            self.around.conversations.put_back, snapshot.conversation_id, Path(snapshot.work_directory)
        )
        return f"cd {shlex.quote(snapshot.work_directory)} && claude --resume {snapshot.conversation_id}"

    async def end(self, cause: str) -> None:
        """End the process and the session; the same change withdraws the waiting prompts."""
        await self.process.leave(Departure(Lifecycle.ENDED, cause))
        if self.around.commands is not None:
            await self.around.commands.stop_all(self.id)

    async def end_at_once(self, cause: str, grace_s: float) -> None:
        """End the session, and its process by signals, without asking it first. Raises as `Leaving.leave`."""
        await self.process.end_at_once(Departure(Lifecycle.ENDED, cause), grace_s)

    async def set_model(self, model: str) -> None:
        """Use `model` from the next turn on. Raises `ModelRefused`; `ClaudeUnavailable` if the CLI refuses."""
        self.refuse_if_ended("Choosing a model")
        await choose_model(self, model)

    async def set_permission_mode(self, mode: PermissionMode) -> None:
        """Change what Claude may do without asking. Raises as `choose_mode` does."""
        self.refuse_if_ended("Choosing a mode")
        await choose_mode(self, mode)
        self.want_process()

    async def move(self, project: str, work_directory: str) -> None:
        """Work in another directory from the next process on; conversation and waiting prompts are kept.

        Raises `IllegalMove` while a turn runs, or if the session has ended.
        """
        self.refuse_if_ended("Moving")
        if self.snapshot.running is not None:
            raise IllegalMove("Moving", "busy")
        await self.park_at_rest("Moving", "it moves to another project")
        async with self.change() as draft:
            if draft.snapshot.holds_slot:  # somebody woke it after the park
                raise IllegalMove("Moving", "busy")
            if draft.snapshot.work_directory != work_directory:
                draft.add(e.Moved(project, work_directory, draft.snapshot.work_directory))
        self.want_process()

    async def rename(self, title: str) -> None:
        """Name the session. A later automatic title does not replace the name of a person."""
        async with self.change() as draft:
            draft.add(e.TitleChanged(title_from(title), by_person=True))

    # --- asks -------------------------------------------------------------------------------------------

    async def answer(
        self, ask_id: AskId, decision: Decision, *, by: str, through: str = "", face: str = ""
    ) -> Ask:
        """Answer an ask; the first answer wins. `through`, `face`: see `AskDecided`.

        Raises `AskNotFound`, `AlreadyDecided` if it is no longer open, `WrongAnswer` if the decision does not
        fit its kind, `FormRefused` if a form is not filled in as the server wants it.
        """
        async with self.change() as draft:
            stored = await load_ask(self.around.db, ask_id)
            if stored is None or stored.session_id != self.id:
                raise AskNotFound(ask_id)
            is_open = any(ask.id == ask_id for ask in draft.snapshot.asks)
            # After an interrupt, or while the process ends, the answer would be stored without any effect.
            stops = draft.snapshot.lifecycle is Lifecycle.STOPPING
            is_heard = self.run is not None and not stops and not self.run.control.interrupting
            if not is_open or not is_heard:
                raise AlreadyDecided(ask_id, stored.decided_by)
            line = self.around.driver.answer(stored.ask, decision)  # a wrong answer raises: nothing is stored
            draft.add(e.AskDecided(ask_id, decision, by, through, face))
            draft.send(stored.ask.request_id, line)  # one transaction: no decision is stored without its line
            await give_rules(self, draft, rules_given(stored.ask.body, decision), by)
        return stored.ask

    def refuse_if_ended(self, what: str) -> None:
        """Raise `IllegalMove` if the session has ended or is about to. `what` names the refused action."""
        if Lifecycle.ENDED in (self.snapshot.lifecycle, self.snapshot.leads_to):
            raise IllegalMove(what, "ended")

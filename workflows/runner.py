"""Takes the steps of one run, one after the other, until it rests. Each may be repeated after a crash.

A step is stored before its prompt is sent; the prompt's origin makes it one turn, however often it is sent.
The turn's answer, its cost and the next state are stored in one row.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, TypeVar, assert_never

import api as c
from api.access import Actor
from api.run_model import (
    Bound,
    Check,
    GitContext,
    IllegalRunMove,
    PauseReason,
    TaskStatus,
)
from faults import crash_point
from sessions.errors import (
    AlreadyDecided,
    BranchRefused,
    CheckpointRefused,
    IllegalMove,
    SessionError,
)
from sessions.events import OwnCopyMade, SessionCreated
from sessions.model import Lifecycle, PermissionMode, RevisePlan, Text, TurnStatus
from workflows import model as m
from workflows import prompts, steps
from workflows.answers import AnswerWrong, read_plan, read_tasks
from workflows.checking import run_checks
from workflows.finishing import finish
from workflows.model import Run, RunEvent, Step, StepKind
from workflows.parallel import work_at_once
from workflows.ports import Ports
from workflows.troubles import ENDED, pause_for
from workflows.turn_watch import Deadline, Progress, WatchedTurn

if TYPE_CHECKING:
    from workflows.runs import Runs

log = logging.getLogger(__name__)

R = TypeVar("R")
FACE = "workflow"
_MOST_TRIES = 3
"""An answer that does not fit is asked for again twice; then a person gets it."""
_MOST_SAID = 1_200
_CHECK_S = 1_800.0
_PAGE = 200


class Runner:
    """The steps of one run. `Runs` makes one whenever the run may go on."""

    def __init__(self, runs: "Runs", ports: Ports, run_id: str) -> None:
        self.runs = runs
        self.ports = ports
        self.run_id = run_id

    async def go_on(self) -> None:
        """Take steps until a person has to act, or the run has ended."""
        while True:
            run = await self.runs.get_session(self.run_id)
            try:
                if await self._take(run, steps.next_act(run)):
                    return
            except IllegalRunMove as error:
                # Nobody changed the run, so the same act would be illegal again, for ever.
                if (await self.runs.get_session(self.run_id)).version == run.version:
                    await pause_for(self, error)
                    return
                # Somebody changed the run meanwhile: look again.
            except SessionError as error:
                await pause_for(self, error)
                return

    async def _take(self, run: Run, act: steps.Act) -> bool:
        """Carry out one act; return whether the run rests now."""
        match act:
            case steps.Rest():
                return True
            case steps.MakeSession():
                await self.make_session(run)
            case steps.Go():
                taken = await self._checkpoint(run, f"before {act.to.replace('_', ' ')}")
                crash_point("run.before_move")
                await self.runs.change(run.id, *taken, m.Moved(act.to))
            case steps.Ask():
                await self._begin(run, act)
            case steps.Await():
                await self._await(run, act.step)
            case steps.WorkAtOnce():
                await work_at_once(self, run, act.tasks)
            case steps.RunChecks():
                await run_checks(self, run)
            case steps.NextRound():
                await self.runs.change(run.id, m.RoundBegun(), m.Moved(c.RunStatus.IMPLEMENTING))
            case steps.StopAt():
                await self.stop_at(run, act.bound)
            case steps.WriteReport():
                await finish(self, run)
            case _:
                assert_never(act)
        return False

    # --- what parallel.py uses, too ---------------------------------------------------------------------

    async def perform(self, command: c.Command[R]) -> R:
        """Carry out a command in the name of the person whom the run acts for, with their rights as of now."""
        return await self.ports.core.perform(await self.actor(), command)

    async def actor(self) -> Actor:
        """Return that person as of now; the audit shows that a work-flow acted."""
        run = await self.runs.get_session(self.run_id)
        # Read at each act: since a pause another person may stand for the run, or a role may be gone.
        person = await self.ports.actor_of(run.acts_for)
        return Actor(person.user_id, FACE, person.role, person.group_ids)

    async def send(self, run: Run, step: Step, text: str) -> str:
        """Send the step's prompt, once however often this is called; return its turn."""
        crash_point("run.before_prompt")
        command = c.SendMessage(session_id=step.session_id, content=text, origin=step.origin, title=run.title)
        accepted = await self.perform(command)
        crash_point("run.prompt_sent")
        await self.runs.change(run.id, m.StepSent(step.origin, accepted.turn_id))
        return accepted.turn_id

    async def watch(self, run: Run, step: Step, turn_id: str) -> WatchedTurn:
        """Wait for the end of a turn; read its events from the beginning of the step on."""
        progress, answered = Progress(turn_id), 0
        left_ms = run.config.timeout_s * 1000 - run.stats.active_ms if run.config.timeout_s else None

        async def interrupt() -> None:
            with suppress(SessionError):
                await self.perform(c.Interrupt(session_id=step.session_id))

        deadline = Deadline(progress, left_ms, self.ports.now_ms, interrupt)
        keeping = asyncio.create_task(deadline.run(), name="run deadline")
        try:
            async with aclosing(self.ports.follow(self.actor, step.session_id, step.after)) as feed:
                async for item in feed:
                    progress.take(item)
                    deadline.changed()
                    if len(progress.plans) > answered and step.kind is StepKind.PLAN:
                        answered = len(progress.plans)
                        await self._note_plan(step, progress)
                    if progress.end is not None and await self._is_over(step, progress):
                        break
                    if progress.stopped and progress.end is None and await self._gave_up(step, progress):
                        break
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        if progress.end is None:
            return WatchedTurn(TurnStatus.WITHDRAWN, progress.stopped, 0.0, progress.active_ms)
        plan = progress.plans[0][1] if progress.plans and step.kind is StepKind.PLAN else ""
        end = progress.end
        reason = end.reason or (str(end.failure.kind) if end.failure is not None else "")
        return WatchedTurn(end.status, reason, end.cost_usd, progress.active_ms, plan, deadline.ran_out)

    async def answer_of(self, step: Step, turn_id: str) -> str:
        """Return the text of Claude's answer, without that of subagents."""
        turn = await self.perform(c.ReadTurn(session_id=step.session_id, turn_id=turn_id, whole=True))
        texts = [each.text for each in turn.contents if isinstance(each, Text) and each.parent is None]
        return "\n\n".join(texts)

    async def stop_at(self, run: Run, bound: Bound) -> None:
        """Pause at a bound."""
        words = {
            Bound.ITERATIONS: f"The checks still fail after {run.round} rounds.",
            Bound.TIME: f"The run has used its {run.config.timeout_s / 60:.0f} minutes of activity.",
            Bound.BUDGET: f"The run has used its budget of ${run.config.budget_usd:.2f}.",
            Bound.TURNS: f"The run has used its {run.config.max_turns} turns.",
        }
        await self.runs.change(run.id, m.Paused(PauseReason.BOUND, words[bound], bound))

    async def last_event(self, session_id: str) -> int:
        """Return the number of the session's last event."""
        return (await self.perform(c.GetSession(session_id=session_id))).last_event

    # --- beginning --------------------------------------------------------------------------------------

    async def make_session(self, run: Run) -> Run:
        """Make the run's session with files of its own; a repeat finds the first one by its place."""
        async with self.runs.making(run.id):
            run = await self.runs.get_session(run.id)
            return run if run.session_id else await self._made(run)

    async def _made(self, run: Run) -> Run:
        command = c.GetOrCreateSession(
            channel_id=run.channel_id, key=run.key, title=run.title, project=run.project, own_copy=True
        )
        info = await self.perform(command)
        crash_point("run.session_made")
        if not info.has_own_copy:
            raise BranchRefused("the session at this place has no files of its own; start the run elsewhere")
        git = await self._git_context(info.id)
        return await self.runs.change(run.id, m.SessionMade(info.id, info.mode, git))

    async def _git_context(self, session_id: str) -> GitContext:
        place = await self.perform(c.ReadWorkPlace(session_id=session_id))
        root = worktree = ""
        page = await self.perform(c.ReadEvents(session_id=session_id, after=0, limit=_PAGE))
        for item in page.events:
            match item.event:
                case SessionCreated():
                    root = item.event.work_directory
                case OwnCopyMade():
                    worktree, root = item.event.work_directory, item.event.parent_directory or root
                case _:
                    pass
        return GitContext(place.branch, place.commit, root, worktree)

    async def _begin(self, run: Run, act: steps.Ask) -> None:
        """Store the step, then send its prompt."""
        # Before the step is stored: a kill in between sets it again, and no prompt leaves in the wrong mode.
        await self._set_mode(run, act.kind)
        task = act.task
        name = f"{act.kind}:{task.id}" if task is not None else act.kind.value
        taken: tuple[RunEvent, ...] = ()
        if task is not None:
            taken = await self._checkpoint(run, f"before task {task.id}: {task.title}")
        attempt = run.attempts.get(name, 0) + 1
        step = Step(
            kind=act.kind,
            attempt=attempt,
            origin=f"run:{run.id}:{name}:{attempt}",
            session_id=run.session_id,
            # Before the prompt: every event of its turn has a greater number.
            after=await self.last_event(run.session_id),
            task_id=task.id if task is not None else "",
        )
        events: list[RunEvent] = [*taken, m.StepBegun(step)]
        if task is not None:
            events.append(m.TaskMoved(task.id, TaskStatus.RUNNING))
        crash_point("run.before_step")
        await self.runs.change(run.id, *events)
        crash_point("run.step_begun")

    async def _set_mode(self, run: Run, kind: StepKind) -> None:
        """Plan in plan mode; leave it for the mode that the session had at the beginning, never a wider one."""
        plans = kind in (StepKind.PLAN, StepKind.TASKS)
        mode = (await self.perform(c.GetSession(session_id=run.session_id))).mode
        if plans is (mode is PermissionMode.PLAN):
            return  # another mode of work is a person's choice
        wanted = PermissionMode.PLAN if plans else run.mode
        await self.perform(c.SetMode(session_id=run.session_id, mode=wanted))

    def _prompt(self, run: Run, step: Step) -> str:
        """Return the prompt of a step. It depends on stored facts only, so a repeat sends the same."""
        again = run.wrong_answer
        match step.kind:
            case StepKind.PLAN if again:
                return prompts.again_prompt(again, prompts.form_of("plan"))
            case StepKind.PLAN:
                return prompts.plan_prompt(run)
            case StepKind.TASKS if again:
                return prompts.again_prompt(again, prompts.form_of("tasks"))
            case StepKind.TASKS:
                return prompts.tasks_prompt(run)
            case StepKind.FIX:
                return prompts.fix_prompt(run)
            case StepKind.TASK:
                task = next(each for each in run.tasks if each.id == step.task_id)
                return prompts.task_prompt(run, task)
            case _:
                assert_never(step.kind)

    # --- a turn -----------------------------------------------------------------------------------------

    async def _await(self, run: Run, step: Step) -> None:
        """See a step through: send its prompt if that is open, wait for its turn, store what came of it."""
        turn_id = step.turn_id or await self.send(run, step, self._prompt(run, step))
        turn = await self.watch(run, step, turn_id)
        said = await self.answer_of(step, turn_id) if turn.status is TurnStatus.DONE or turn.plan else ""
        crash_point("run.turn_over")
        run = await self.runs.get_session(run.id)
        ended = m.StepEnded(step.origin, turn.cost_usd, turn.active_ms)
        if turn.status is not TurnStatus.DONE and turn.ran_out:
            await self.runs.change(run.id, ended)  # the bound is reached now: `next_act` stops there
            return
        if turn.status is not TurnStatus.DONE and not turn.plan:
            await self._turn_failed(run, step, turn, ended)
            return
        try:
            events = await self._outcome(run, step, turn.plan or said)
        except AnswerWrong as wrong:
            await self._ask_again(run, step, ended, str(wrong))
            return
        # One change: a kill before it reads the turn again, a kill after it never counts the cost twice.
        await self.runs.change(run.id, ended, *events)
        crash_point("run.step_over")

    async def _outcome(self, run: Run, step: Step, said: str) -> Sequence[RunEvent]:
        """Return what a good answer leads to. Raises `AnswerWrong`."""
        offered = run.offered if run.offered is not None and run.offered.origin == step.origin else None
        match step.kind:
            case StepKind.PLAN:
                text, proposed = (offered.text, offered.checks) if offered is not None else read_plan(said)
                return [m.PlanMade(text, await self._plan_checks(run, proposed))]
            case StepKind.TASKS:
                return [m.TasksSet(offered.tasks if offered is not None else read_tasks(said))]
            case StepKind.TASK:
                return [m.TaskMoved(step.task_id, TaskStatus.DONE, run.without_places(said)[-_MOST_SAID:])]
            case StepKind.FIX:
                return [m.RoundFixed()]
            case _:
                assert_never(step.kind)

    async def _plan_checks(self, run: Run, proposed: Sequence[Check]) -> tuple[Check, ...]:
        """Return the commands to show: those that a person edited, were given, are Claude's, or are found."""
        if run.plan is not None and run.plan.checks:
            return run.plan.checks
        if run.given_checks:
            return run.given_checks
        return tuple(proposed) or tuple(await self.ports.found_checks(run.git.worktree))

    async def _ask_again(self, run: Run, step: Step, ended: RunEvent, why: str) -> None:
        events: list[RunEvent] = [ended, m.Noted("", is_error=True), m.AnswerRefused(why)]
        # Attempts count on after a resume, so Claude gets as many tries again.
        if step.attempt % _MOST_TRIES == 0 and run.status is not c.RunStatus.PAUSED:
            what = "plan" if step.kind is StepKind.PLAN else "list of tasks"
            words = f"Claude's {what} could not be read {_MOST_TRIES} times ({why}). Write it, or ask again."
            events.append(m.Paused(PauseReason.ANSWER_UNREADABLE, words))
        await self.runs.change(run.id, *events)

    async def _turn_failed(self, run: Run, step: Step, turn: WatchedTurn, ended: RunEvent) -> None:
        """Pause: a person decides about a turn that did not end well."""
        words = f"Claude's turn was {turn.status}{f': {turn.reason}' if turn.reason else ''}."
        reason = PauseReason.TURN_FAILED
        info = await self.perform(c.GetSession(session_id=step.session_id))
        if info.project_is_gone:
            reason, words = PauseReason.BRANCH_GONE, f"The directory of the run is gone. {info.reason}".strip()
        elif info.lifecycle is Lifecycle.ENDED:
            reason, words = PauseReason.SESSION_ENDED, ENDED
        events: list[RunEvent] = [ended, m.Noted("", is_error=True)]
        if step.task_id:
            # A session or directory that is gone is no fault of the task: it is still to do.
            to = TaskStatus.FAILED if reason is PauseReason.TURN_FAILED else TaskStatus.TODO
            events.append(m.TaskMoved(step.task_id, to))
        if run.status is not c.RunStatus.PAUSED:
            events.append(m.Paused(reason, words, drops_step=True))
        await self.runs.change(run.id, *events)

    async def _note_plan(self, step: Step, progress: Progress) -> None:
        """Answer Claude's own plan ask: it is recorded, and nothing is approved. The second time, interrupt."""
        ask_id, _ = progress.plans[-1]
        info = await self.perform(c.GetSession(session_id=step.session_id))
        if ask_id not in info.open_asks:
            return  # decided already: the events are read again after a restart
        # A person may have answered first.
        with suppress(AlreadyDecided, IllegalMove):
            if len(progress.plans) > 1:
                await self.perform(c.Interrupt(session_id=step.session_id))
            else:
                decision = RevisePlan(prompts.RECORDED)
                await self.perform(c.AnswerAsk(session_id=step.session_id, ask_id=ask_id, decision=decision))

    async def _gave_up(self, step: Step, progress: Progress) -> bool:
        """Whether the session still is as the event says; then take the prompt out of its queue."""
        info = await self.perform(c.GetSession(session_id=step.session_id))
        if info.lifecycle not in (Lifecycle.FAILED, Lifecycle.ENDED):
            return False  # the events are read again after a restart
        with suppress(SessionError):
            await self.perform(c.WithdrawQueued(session_id=step.session_id, turn_id=progress.turn_id))
        return True

    async def _is_over(self, step: Step, progress: Progress) -> bool:
        """Whether the turn's end is the last word: a cut turn may be taken up by itself."""
        if progress.end is None or progress.end.status is not TurnStatus.CUT:
            return True
        info = await self.perform(c.GetSession(session_id=step.session_id))
        return info.running_turn != progress.turn_id and progress.turn_id not in info.queued_turns

    async def _checkpoint(self, run: Run, label: str) -> tuple[RunEvent, ...]:
        """Take a checkpoint if the run wants them; a refusal is noted, never a reason to stop.

        Return the event for the change that comes after it. A change of its own would count the run's version
        up, and a kill right after it would then take the same checkpoint under another origin.
        """
        if not run.config.auto_checkpoint or not run.session_id:
            return ()
        try:
            origin = f"run:{run.id}:{run.version}"
            await self.perform(c.TakeCheckpoint(session_id=run.session_id, label=label[:80], origin=origin))
        except CheckpointRefused as error:
            return (m.Noted(f"No checkpoint {label}: {error}"),)
        return (m.CheckpointTaken(),)

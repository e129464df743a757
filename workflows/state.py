"""The legal moves of a run and the one function that changes it. Pure: the same for living and reading back."""

from typing import assert_never

from msgspec.structs import replace

from api.run_model import (
    PHASE_OF,
    TERMINAL,
    Bound,
    Configuration,
    IllegalRunMove,
    PauseReason,
    Plan,
    RunStatus,
    TaskNotFound,
    TaskStatus,
)
from workflows import model as m
from workflows.model import Run, RunEvent

_S = RunStatus
LEGAL_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    _S.INITIALIZING: frozenset({_S.PLANNING, _S.PAUSED, _S.FAILED}),
    _S.PLANNING: frozenset({_S.GENERATING_TASKS, _S.PAUSED, _S.FAILED}),
    _S.GENERATING_TASKS: frozenset({_S.IMPLEMENTING, _S.PAUSED, _S.FAILED}),
    _S.IMPLEMENTING: frozenset({_S.VALIDATING, _S.PAUSED, _S.FAILED}),
    _S.VALIDATING: frozenset({_S.IMPLEMENTING, _S.GENERATING_REPORT, _S.PAUSED, _S.FAILED}),
    _S.GENERATING_REPORT: frozenset({_S.COMPLETED, _S.PAUSED, _S.FAILED}),
    # A paused run returns to where it was: `_resumed` takes that state from the run, never from the caller.
    _S.PAUSED: frozenset({_S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
}

_MORE = {Bound.ITERATIONS: 1, Bound.TIME: 3600, Bound.BUDGET: 5, Bound.TURNS: 10}
"""The amount that *Go on* adds to each bound for one unit."""


def apply(run: Run, event: RunEvent, at_ms: int) -> Run:
    """Return the run after `event`. Raises `IllegalRunMove` for an event that its state does not allow."""
    # The wall clock may be set back; `updated_ms` never goes back.
    changed = replace(_changed(run, event, at_ms), updated_ms=max(at_ms, run.updated_ms))
    # The row is written only over the version before, so of two changes from one state the second is refused.
    return replace(changed, version=run.version + 1)


def _changed(run: Run, event: RunEvent, at_ms: int) -> Run:
    # A run that has ended can still be merged, and told about.
    if run.status in TERMINAL and not isinstance(event, m.MergedInto | m.Noted):
        raise IllegalRunMove(_words(event), run.status)
    stats = run.stats
    match event:
        case m.SessionMade():
            _require(run, event, _S.INITIALIZING)
            return replace(run, session_id=event.session_id, mode=event.mode, git=event.git)
        case m.Moved():
            return _moved(run, event.to, at_ms)
        case m.Paused():
            return _paused(run, event, at_ms)
        case m.Resumed():
            return _resumed(run, event, at_ms)
        case m.Failed():
            return _failed(run, event, at_ms)
        case m.PlanMade() | m.PlanApproved() | m.PlanSentBack():
            return _plan_changed(run, event)
        case m.TasksSet():
            _require(run, event, _S.GENERATING_TASKS, _S.IMPLEMENTING, _S.VALIDATING)
            return _counted(replace(run, tasks=event.tasks, wrong_answer=""))
        case m.StepBegun() | m.StepSent() | m.AnswerOffered() | m.AnswerRefused() | m.StepEnded():
            return _step_changed(run, event)
        case m.TaskMoved():
            return _task_moved(run, event)
        case m.TaskAlone():
            return _alone(run, event)
        case m.RoundFixed() | m.ChecksEnded() | m.RoundBegun():
            return _round_changed(run, event)
        case m.ChildrenSet():
            return replace(run, children=event.children, decisions=(*run.decisions, *event.decisions))
        case m.ChildChanged():
            return replace(run, children=tuple(_child_changed(each, event) for each in run.children))
        case m.Noted():
            counted = replace(
                stats, errors=stats.errors + event.is_error, recoveries=stats.recoveries + event.is_recovery
            )
            return replace(run, notes=(*run.notes, event.text) if event.text else run.notes, stats=counted)
        case m.CheckpointTaken():
            return replace(run, stats=replace(stats, checkpoints=stats.checkpoints + 1))
        case m.Reported():
            _require(run, event, _S.GENERATING_REPORT)
            counted = replace(stats, decisions=len(event.decisions))
            return replace(
                run, report=event.text, commit=event.commit, decisions=event.decisions, stats=counted
            )
        case m.MergedInto():
            if run.status is not _S.COMPLETED:
                raise IllegalRunMove("Merging", run.status)
            return replace(run, merged_into=event.target)
        case _:
            assert_never(event)


def _plan_changed(run: Run, event: m.PlanMade | m.PlanApproved | m.PlanSentBack) -> Run:
    _require(run, event, _S.PLANNING)
    match event:
        case m.PlanMade():
            revision = run.plan.revision + 1 if run.plan is not None else 1
            # Approved by nobody: another text or other commands have to be seen first.
            return replace(run, plan=Plan(event.text, event.checks, revision), plan_note="", wrong_answer="")
        case m.PlanApproved():
            if run.plan is None:
                raise IllegalRunMove("Approving the plan", "without a plan")
            return replace(run, plan=replace(run.plan, approved_by=event.by))
        case m.PlanSentBack():
            if run.plan is None:
                raise IllegalRunMove("Revising the plan", "without a plan")
            return replace(run, plan_note=event.note, plan=replace(run.plan, approved_by=""), wrong_answer="")
        case _:
            assert_never(event)


def _step_changed(
    run: Run, event: m.StepBegun | m.StepSent | m.AnswerOffered | m.AnswerRefused | m.StepEnded
) -> Run:
    match event:
        case m.StepBegun():
            if run.status not in (_S.PLANNING, _S.GENERATING_TASKS, _S.IMPLEMENTING):
                raise IllegalRunMove(_words(event), run.status)
            name = _name_of(event.step)
            return replace(run, step=event.step, attempts={**run.attempts, name: event.step.attempt})
        case m.StepSent():
            return _sent(run, event)
        case m.AnswerOffered():
            if run.step is None or run.step.origin != event.offered.origin:
                raise IllegalRunMove(_words(event), run.status)
            return replace(run, offered=event.offered)
        case m.AnswerRefused():
            return replace(run, wrong_answer=event.why)
        case m.StepEnded():
            spent = replace(
                run.stats,
                turns=run.stats.turns + 1,
                cost_usd=run.stats.cost_usd + event.cost_usd,
                active_ms=run.stats.active_ms + event.active_ms,
            )
            # Steps of tasks beside each other are not `run.step`: their cost counts, the run's own step stays.
            own = run.step is not None and run.step.origin == event.origin
            return replace(run, stats=spent, step=None if own else run.step, offered=None)
        case _:
            assert_never(event)


def _round_changed(run: Run, event: m.RoundFixed | m.ChecksEnded | m.RoundBegun) -> Run:
    match event:
        case m.RoundFixed():
            return replace(run, fixed_round=run.round)
        case m.ChecksEnded():
            _require(run, event, _S.VALIDATING)
            return replace(
                run,
                checks=event.results,
                checked_round=run.round,
                checked_times=run.checked_times + 1,
                stats=replace(run.stats, active_ms=run.stats.active_ms + event.active_ms),
            )
        case m.RoundBegun():
            _require(run, event, _S.VALIDATING)
            return replace(run, round=run.round + 1)
        case _:
            assert_never(event)


def _moved(run: Run, to: RunStatus, at_ms: int) -> Run:
    # Pausing and failing carry reasons: `Paused` and `Failed` are their only ways in.
    if to in (_S.PAUSED, _S.FAILED) or to not in LEGAL_MOVES[run.status]:
        raise IllegalRunMove(f"Going to {to.replace('_', ' ')}", run.status)
    if to is _S.GENERATING_TASKS and (run.plan is None or not run.plan.approved_by):
        raise IllegalRunMove("Generating tasks", "without an approved plan")
    moved = replace(_timed(run, at_ms), status=to, phase=PHASE_OF[to], step=None, detail="")
    return replace(moved, completed_ms=at_ms) if to in TERMINAL else moved


def _paused(run: Run, event: m.Paused, at_ms: int) -> Run:
    taken_over = event.reason is PauseReason.TAKEN_OVER and run.status is _S.PAUSED
    if taken_over:
        # A run that is paused already keeps the state that it returns to; only the reason changes.
        return replace(run, pause=event.reason, detail=event.detail)
    if _S.PAUSED not in LEGAL_MOVES[run.status]:
        raise IllegalRunMove("Pausing", run.status)
    return replace(
        _timed(run, at_ms),
        status=_S.PAUSED,
        paused_from=run.status,
        pause=event.reason,
        bound=event.bound,
        detail=event.detail,
        # A pause ends no turn: the step stays, and a resume waits for its turn.
        step=None if event.drops_step else run.step,
    )


def _failed(run: Run, event: m.Failed, at_ms: int) -> Run:
    return replace(
        _timed(run, at_ms),
        status=_S.FAILED,
        paused_from=None,
        pause=None,
        bound=None,
        detail=event.detail,
        step=None,
        completed_ms=at_ms,
    )


def _resumed(run: Run, event: m.Resumed, at_ms: int) -> Run:
    if run.status is not _S.PAUSED or run.paused_from is None:
        raise IllegalRunMove("Going on", run.status)
    config = _raised(run.config, run.bound, event.more) if run.bound is not None else run.config
    tasks = run.tasks
    if run.pause is PauseReason.TURN_FAILED:
        tasks = tuple(
            replace(each, status=TaskStatus.TODO) if each.status is TaskStatus.FAILED else each
            for each in tasks
        )
    # A person may have mended by hand what the checks found: look again before Claude is asked to.
    looks_again = run.pause is PauseReason.TAKEN_OVER and run.checked_round == run.round
    mends = run.pause not in (PauseReason.PERSON, PauseReason.BOUND, PauseReason.TAKEN_OVER)
    resumed = replace(
        run,
        stats=replace(run.stats, recoveries=run.stats.recoveries + mends),
        tasks=tasks,
        checked_round=run.round - 1 if looks_again else run.checked_round,
        status=run.paused_from,
        paused_from=None,
        pause=None,
        bound=None,
        detail="",
        config=config,
        acts_for=event.acts_for or run.acts_for,
        since_ms=at_ms,
    )
    return _counted(resumed)


def _raised(config: Configuration, bound: Bound, more: int) -> Configuration:
    added = _MORE[bound] * max(1, more)
    match bound:
        case Bound.ITERATIONS:
            return replace(config, max_iterations=config.max_iterations + added)
        case Bound.TIME:
            return replace(config, timeout_s=config.timeout_s + added)
        case Bound.BUDGET:
            return replace(config, budget_usd=config.budget_usd + added)
        case Bound.TURNS:
            return replace(config, max_turns=config.max_turns + added)
        case _:
            assert_never(bound)


def _sent(run: Run, event: m.StepSent) -> Run:
    if run.step is not None and run.step.origin == event.origin:
        return replace(run, step=replace(run.step, turn_id=event.turn_id))
    children = tuple(
        replace(each, step=replace(each.step, turn_id=event.turn_id))
        if each.step is not None and each.step.origin == event.origin
        else each
        for each in run.children
    )
    return replace(run, children=children)


def _task_moved(run: Run, event: m.TaskMoved) -> Run:
    if all(each.id != event.task_id for each in run.tasks):
        raise TaskNotFound("Changing this task")
    tasks = tuple(
        replace(
            each,
            status=event.to,
            said=event.said or each.said,
            # A repeat after a kill moves to RUNNING once more, which is no other attempt.
            attempts=each.attempts + (event.to is TaskStatus.RUNNING and each.status is not TaskStatus.RUNNING),
        )
        if each.id == event.task_id
        else each
        for each in run.tasks
    )
    return _counted(replace(run, tasks=tasks))


def _alone(run: Run, event: m.TaskAlone) -> Run:
    tasks = tuple(
        # No longer independent, else it would begin beside others once more.
        replace(each, status=TaskStatus.TODO, independent=False) if each.id == event.task_id else each
        for each in run.tasks
    )
    return _counted(replace(run, tasks=tasks))


def _child_changed(child: m.Child, event: m.ChildChanged) -> m.Child:
    if child.task_id != event.task_id:
        return child
    return replace(
        child,
        session_id=child.session_id if event.session_id is None else event.session_id,
        step=child.step if event.step is None else event.step,
        # Once set it stays, so that a repeat after a kill changes nothing.
        done=child.done or event.done,
        failed=child.failed or event.failed,
    )


def _counted(run: Run) -> Run:
    states = [each.status for each in run.tasks]
    stats = replace(
        run.stats,
        tasks_done=states.count(TaskStatus.DONE),
        tasks_failed=states.count(TaskStatus.FAILED),
        tasks_skipped=states.count(TaskStatus.SKIPPED),
    )
    return replace(run, stats=stats)


def _timed(run: Run, at_ms: int) -> Run:
    """Add the time since the last move to the phase; a paused run adds none."""
    if run.status is _S.PAUSED:
        return replace(run, since_ms=at_ms)
    spent = dict(run.stats.phase_ms)
    # The wall clock may have been set back since.
    spent[run.phase] = spent.get(run.phase, 0) + max(0, at_ms - run.since_ms)
    return replace(run, stats=replace(run.stats, phase_ms=spent), since_ms=at_ms)


def _require(run: Run, event: RunEvent, *allowed: RunStatus) -> None:
    # Of a paused run the state that it returns to: its turn may end, and people may edit, meanwhile.
    if run.doing not in allowed:
        raise IllegalRunMove(_words(event), run.status)


def _words(event: RunEvent) -> str:
    return str(event.__struct_config__.tag).replace("_", " ").capitalize()


def _name_of(step: m.Step) -> str:
    return f"{step.kind}:{step.task_id}" if step.task_id else step.kind.value

"""The next act of a run, from what is stored of it. Pure: a killed bridge decides the same again."""

from dataclasses import dataclass

from api.run_model import TERMINAL, Bound, RunStatus, RunTask, TaskStatus
from workflows.model import Run, Step, StepKind


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until a person acts."""


@dataclass(frozen=True, slots=True)
class MakeSession:
    """Make the run's session, in a directory of its own."""


@dataclass(frozen=True, slots=True)
class Go:
    """Go to another state."""

    to: RunStatus


@dataclass(frozen=True, slots=True)
class Ask:
    """Begin a turn of Claude."""

    kind: StepKind
    task: RunTask | None = None


@dataclass(frozen=True, slots=True)
class Await:
    """Go on with a turn that has begun."""

    step: Step


@dataclass(frozen=True, slots=True)
class WorkAtOnce:
    """Begin these tasks beside each other, or go on with those that have begun (none given)."""

    tasks: tuple[RunTask, ...] = ()


@dataclass(frozen=True, slots=True)
class RunChecks:
    """Run the project's commands."""


@dataclass(frozen=True, slots=True)
class NextRound:
    """Let Claude answer the checks that failed."""


@dataclass(frozen=True, slots=True)
class StopAt:
    """Pause at a bound."""

    bound: Bound


@dataclass(frozen=True, slots=True)
class WriteReport:
    """Commit the work and write the report."""


Act = Rest | MakeSession | Go | Ask | Await | WorkAtOnce | RunChecks | NextRound | StopAt | WriteReport


def next_act(run: Run) -> Act:
    """Return what to do now."""
    if run.status in TERMINAL or run.status is RunStatus.PAUSED:
        return Rest()
    # Before everything else: the prompt of a step that has begun may have left already.
    if run.step is not None:
        return Await(run.step)
    match run.status:
        case RunStatus.INITIALIZING:
            return Go(RunStatus.PLANNING) if run.session_id else MakeSession()
        case RunStatus.PLANNING:
            if run.plan is None or run.plan_note:
                return _within_bounds(run, Ask(StepKind.PLAN))
            return Go(RunStatus.GENERATING_TASKS) if run.plan.approved_by else Rest()
        case RunStatus.GENERATING_TASKS:
            if run.tasks:
                return Go(RunStatus.IMPLEMENTING)
            return _within_bounds(run, Ask(StepKind.TASKS))
        case RunStatus.IMPLEMENTING:
            return _implement(run)
        case RunStatus.VALIDATING:
            return _validate(run)
        case _:
            return Go(RunStatus.COMPLETED) if run.report else WriteReport()


def _implement(run: Run) -> Act:
    # Tasks beside each other that have begun go on first, for the same reason.
    if run.children:
        return WorkAtOnce()
    if run.fixed_round < run.round and run.round > 1:
        return _within_bounds(run, Ask(StepKind.FIX))
    waiting = waiting_tasks(run)
    if not waiting:
        return Go(RunStatus.VALIDATING)
    # Without git nothing can be merged back.
    beside = _beside_each_other(waiting)[: run.config.parallel] if run.git.branch else ()
    if len(beside) > 1:
        return _within_bounds(run, WorkAtOnce(beside))
    return _within_bounds(run, Ask(StepKind.TASK, waiting[0]))


def waiting_tasks(run: Run) -> tuple[RunTask, ...]:
    """Return the tasks still to do. A running one without a turn was cut before its prompt was sent."""
    return tuple(each for each in run.tasks if each.status in (TaskStatus.TODO, TaskStatus.RUNNING))


def _beside_each_other(waiting: tuple[RunTask, ...]) -> tuple[RunTask, ...]:
    """Return the tasks at the head of the list that may run at once."""
    found = []
    for each in waiting:
        if not each.independent:
            break
        found.append(each)
    return tuple(found)


def _validate(run: Run) -> Act:
    # A person may have added tasks meanwhile.
    if waiting_tasks(run):
        return Go(RunStatus.IMPLEMENTING)
    if run.checked_round < run.round:
        return RunChecks()
    # Also without commands: the report then says that nothing checked the work.
    if all(each.passed for each in run.checks):
        return Go(RunStatus.GENERATING_REPORT)
    if run.round >= run.config.max_iterations:
        return StopAt(Bound.ITERATIONS)
    return NextRound()


def _within_bounds(run: Run, act: Act) -> Act:
    """Return `act`, or the bound that forbids another turn."""
    config, stats = run.config, run.stats
    # Turns and dollars are looked at between turns only: a turn that runs is not cut for them. 0 is no bound.
    if config.max_turns and stats.turns >= config.max_turns:
        return StopAt(Bound.TURNS)
    if config.budget_usd and stats.cost_usd >= config.budget_usd:
        return StopAt(Bound.BUDGET)
    if config.timeout_s and stats.active_ms >= config.timeout_s * 1000:
        return StopAt(Bound.TIME)
    return act

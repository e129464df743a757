"""The nouns of work-flows: what a run is, as it is stored, sent and shown. Frozen values.

A run takes one request from a plan to a report. `workflows/state.py` has its legal moves.
"""

from enum import StrEnum

import msgspec

from sessions.errors import SessionError


class RunStatus(StrEnum):
    """The state of a run; `workflows.state.LEGAL_MOVES` lists the moves between them."""

    INITIALIZING = "initializing"
    PLANNING = "planning"
    GENERATING_TASKS = "generating_tasks"
    IMPLEMENTING = "implementing"
    VALIDATING = "validating"
    GENERATING_REPORT = "generating_report"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"


TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED})


class RunPhase(StrEnum):
    """The phase of a run. A paused or failed run keeps the phase in which that happened."""

    PLAN = "plan"
    GENERATE_TASKS = "generate_tasks"
    IMPLEMENT = "implement"
    VALIDATE = "validate"
    CLEANUP = "cleanup"


PHASE_OF = {
    RunStatus.INITIALIZING: RunPhase.PLAN,
    RunStatus.PLANNING: RunPhase.PLAN,
    RunStatus.GENERATING_TASKS: RunPhase.GENERATE_TASKS,
    RunStatus.IMPLEMENTING: RunPhase.IMPLEMENT,
    RunStatus.VALIDATING: RunPhase.VALIDATE,
    RunStatus.GENERATING_REPORT: RunPhase.CLEANUP,
    RunStatus.COMPLETED: RunPhase.CLEANUP,
}
"""The phase of each state that has one of its own."""


class PauseReason(StrEnum):
    """The reason for a pause. `bound` names the bound that was reached; the others name the next step."""

    PERSON = "person"
    BOUND = "bound"
    TAKEN_OVER = "taken_over"
    ANSWER_UNREADABLE = "answer_unreadable"
    TURN_FAILED = "turn_failed"
    SESSION_ENDED = "session_ended"
    BRANCH_GONE = "branch_gone"
    OWNER_REFUSED = "owner_refused"
    CORE_REFUSED = "core_refused"


class Bound(StrEnum):
    """A bound of a run."""

    ITERATIONS = "iterations"
    TIME = "time"
    BUDGET = "budget"
    TURNS = "turns"


class TaskStatus(StrEnum):
    """The state of a task."""

    TODO = "todo"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunTask(msgspec.Struct, frozen=True):
    """One task.

    `acceptance` lists how to tell that it is done; `independent` ones may run beside each other.
    """

    id: str
    title: str
    details: str = ""
    acceptance: tuple[str, ...] = ()
    independent: bool = False
    status: TaskStatus = TaskStatus.TODO
    attempts: int = 0
    said: str = ""
    """The end of Claude's answer, for the report."""


class Check(msgspec.Struct, frozen=True):
    """A command of the project that decides whether the work is valid: its exit code counts."""

    name: str
    command: str


class CheckResult(msgspec.Struct, frozen=True):
    """The outcome of a check. `exit_code` is None if it was ended; `trouble` then is a sentence.

    `output` is the end of what it printed, cut to a few kilobytes.
    """

    name: str
    command: str
    exit_code: int | None
    output: str = ""
    seconds: float = 0.0
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        # None is no pass: a check that was ended says nothing about the work.
        return self.exit_code == 0


class GitContext(msgspec.Struct, frozen=True):
    """The place of a run's files.

    `repo_root` is the project's directory; `worktree` the run's own, or empty.
    """

    branch: str = ""
    commit: str = ""
    repo_root: str = ""
    worktree: str = ""


class PrdReference(msgspec.Struct, frozen=True):
    """The document with the requirements. `sha256` is the hash of the text that Claude read."""

    filename: str
    path: str
    version: str
    sha256: str


class RunStatistics(msgspec.Struct, frozen=True):
    """Counts of a run; `phase_ms` has the time in each phase, without pauses."""

    tasks_done: int = 0
    tasks_failed: int = 0
    tasks_skipped: int = 0
    decisions: int = 0
    errors: int = 0
    recoveries: int = 0
    checkpoints: int = 0
    turns: int = 0
    cost_usd: float = 0.0
    active_ms: int = 0
    phase_ms: dict[str, int] = {}


class Configuration(msgspec.Struct, frozen=True):
    """The bounds of a run. A bound of 0 does not apply. `timeout_s` counts activity, not waiting for people."""

    max_iterations: int = 3
    timeout_s: int = 7200
    budget_usd: float = 0.0
    max_turns: int = 0
    auto_checkpoint: bool = True
    parallel: int = 1


class Plan(msgspec.Struct, frozen=True):
    """The plan and the commands that will decide.

    `approved_by` is empty until a person approved exactly this.
    """

    text: str
    checks: tuple[Check, ...] = ()
    revision: int = 1
    approved_by: str = ""


class RunDecision(msgspec.Struct, frozen=True):
    """A decision that was recorded during the run."""

    text: str
    reason: str = ""


class RunError(SessionError):
    """The root of the errors about runs."""


class RunNotFound(RunError):
    """Raised for an unknown run, and for a run that the actor may not see."""

    def __init__(self, run_id: str) -> None:
        super().__init__("There is no such run. `workflow list` shows those that you may see.")
        self.run_id = run_id


class IllegalRunMove(RunError):
    """The run's state does not allow this; nothing was changed."""

    def __init__(self, what: str, status: str) -> None:
        super().__init__(f"{what} is not possible while the run is {status.replace('_', ' ')}.")
        self.what = what
        self.status = status


class TaskNotFound(IllegalRunMove):
    """The run has no task of this id."""

    def __init__(self, what: str, _status: str = "") -> None:
        super().__init__(what, "without such a task")


class RunFieldWrong(RunError):
    """A value for a field of a run is not allowed; nothing was changed."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The {name.replace('_', ' ')} cannot be used: {reason}.")
        self.name = name
        self.reason = reason


class RunUnreadable(RunError):
    """The stored run is damaged, or a newer version wrote it."""

    def __init__(self, run_id: str) -> None:
        super().__init__("The stored data of this run cannot be read. It can be deleted; its session stays.")
        self.run_id = run_id


class TemplateRefused(RunError):
    """A work-flow template is wrong or hostile. The sentence names the file and the line."""

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(f"The template “{name}” cannot be used: line {line}: {reason}.")
        self.name = name
        self.line = line
        self.reason = reason


class PlanOutdated(RunError):
    """The plan or its commands changed since the person saw them. Nothing was approved."""

    def __init__(self) -> None:
        super().__init__("The plan has changed since you saw it. Look at it again, then decide.")

"""A run as it is stored, and the events that change it. Frozen values; `state.apply` makes the next one.

The nouns that faces know, too, are in `api/run_model.py`.
"""

from enum import StrEnum

import msgspec

from api.run_model import (
    Bound,
    Check,
    CheckResult,
    Configuration,
    GitContext,
    PauseReason,
    Plan,
    PrdReference,
    RunDecision,
    RunPhase,
    RunStatistics,
    RunStatus,
    RunTask,
    TaskStatus,
)
from sessions.model import PermissionMode

SCHEMA = 1
"""The version of the stored form. A row with a greater one is shown as unreadable, and never written."""


class StepKind(StrEnum):
    """A step that needs a turn of Claude."""

    PLAN = "plan"
    TASKS = "tasks"
    TASK = "task"
    FIX = "fix"


class Step(msgspec.Struct, frozen=True):
    """A turn of a run, begun once. `origin` names it, so that a repeat after a crash is the same turn.

    `after` is the last event of the session before it: the runner reads on from there after a restart.
    """

    kind: StepKind
    attempt: int
    origin: str
    session_id: str
    after: int
    task_id: str = ""
    turn_id: str = ""


class Offered(msgspec.Struct, frozen=True):
    """The answer that Claude gave by a tool, while its turn still runs. It fits already."""

    origin: str
    text: str = ""
    checks: tuple[Check, ...] = ()
    tasks: tuple[RunTask, ...] = ()


class Child(msgspec.Struct, frozen=True):
    """A session with files of its own for one of several tasks that run at once."""

    task_id: str
    session_id: str = ""
    step: Step | None = None
    done: bool = False
    """Its turn is over; its files wait to be merged."""
    failed: bool = False
    """Its work could not be used: the task is repeated alone."""
    counted: bool = False
    """The run holds the result of its work already. Only its directory is left to remove."""


class Run(msgspec.Struct, frozen=True):
    """One request on its way. `acts_for` is the person in whose name the runner acts; at first the owner.

    `paused_from` is the state that a resume returns to. `round` counts rounds of implement and validate;
    `checked_round` is the last round whose checks ended. `mode` is the permission mode of the work after the
    plan, as the session had it at the beginning. `since_ms` is the time of the last move.
    """

    id: str
    user_id: str
    acts_for: str
    request: str
    title: str
    channel_id: str
    key: str
    project: str
    origin: str = ""
    schema: int = SCHEMA
    version: int = 1
    status: RunStatus = RunStatus.INITIALIZING
    phase: RunPhase = RunPhase.PLAN
    paused_from: RunStatus | None = None
    pause: PauseReason | None = None
    bound: Bound | None = None
    detail: str = ""
    """A sentence on the pause or the failure."""
    session_id: str = ""
    mode: PermissionMode = PermissionMode.DEFAULT
    template: str = ""
    # Copied at the start: a template that is edited later changes no run on its way.
    template_prompts: dict[str, str] = {}
    # From the person or the template. They come before commands that Claude proposes.
    given_checks: tuple[Check, ...] = ()
    config: Configuration = Configuration()
    git: GitContext = GitContext()
    prd: PrdReference | None = None
    # The text as it was at the start, because the file may change.
    prd_text: str = ""
    plan: Plan | None = None
    plan_note: str = ""
    # Why the last answer did not fit. The next prompt of the same kind says it.
    wrong_answer: str = ""
    tasks: tuple[RunTask, ...] = ()
    round: int = 1
    checked_round: int = 0
    # Counted over all rounds: the commands are named by it, so a repeat after a kill waits for those that run.
    checked_times: int = 0
    # Claude answers the failures of a round once.
    fixed_round: int = 0
    checks: tuple[CheckResult, ...] = ()
    # By the step's name. Each attempt has an origin of its own, and so a turn of its own.
    attempts: dict[str, int] = {}
    step: Step | None = None
    offered: Offered | None = None
    children: tuple[Child, ...] = ()
    stats: RunStatistics = RunStatistics()
    decisions: tuple[RunDecision, ...] = ()
    notes: tuple[str, ...] = ()
    report: str = ""
    commit: str = ""
    merged_into: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    completed_ms: int | None = None
    since_ms: int = 0

    def without_places(self, text: str) -> str:
        """Return `text` with paths as seen from the run's directory: no path of the machine reaches a face."""
        for place in (self.git.worktree, self.git.repo_root):
            if place:
                text = text.replace(f"{place}/", "").replace(place, "the work directory")
        return text

    @property
    def doing(self) -> RunStatus:
        """The state, or the one that a paused run returns to."""
        return self.paused_from or self.status


# --- events ---------------------------------------------------------------------------------------------


class SessionMade(msgspec.Struct, frozen=True, tag="session_made"):
    """The run has its session, in a directory of its own."""

    session_id: str
    mode: PermissionMode
    git: GitContext


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The run goes to another state."""

    to: RunStatus


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """The run waits for a person."""

    reason: PauseReason
    detail: str = ""
    bound: Bound | None = None
    drops_step: bool = False
    """The step ended badly: a resume begins a new attempt."""


class Resumed(msgspec.Struct, frozen=True, tag="resumed"):
    """The run goes on where it was. `more` raises the bound that it was paused at; `acts_for` may change."""

    more: int = 0
    acts_for: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The run ends without success. `detail` is a sentence."""

    detail: str


class PlanMade(msgspec.Struct, frozen=True, tag="plan_made"):
    """Claude, or a person who edited it, wrote the plan; nobody has approved it."""

    text: str
    checks: tuple[Check, ...]


class PlanApproved(msgspec.Struct, frozen=True, tag="plan_approved"):
    """A person approved the plan and its commands."""

    by: str


class PlanSentBack(msgspec.Struct, frozen=True, tag="plan_sent_back"):
    """A person wants another plan; Claude reads `note`."""

    note: str


class TasksSet(msgspec.Struct, frozen=True, tag="tasks_set"):
    """The list of tasks: Claude's at first, later as a person edited it."""

    tasks: tuple[RunTask, ...]


class StepBegun(msgspec.Struct, frozen=True, tag="step_begun"):
    """A turn is about to be sent."""

    step: Step


class StepSent(msgspec.Struct, frozen=True, tag="step_sent"):
    """The session has accepted the step's prompt as this turn."""

    origin: str
    turn_id: str


class StepEnded(msgspec.Struct, frozen=True, tag="step_ended"):
    """The step's turn is over; its cost and activity count from here on."""

    origin: str
    cost_usd: float = 0.0
    active_ms: int = 0


class AnswerOffered(msgspec.Struct, frozen=True, tag="answer_offered"):
    """Claude gave its answer by a tool; the last one counts when the turn ends."""

    offered: Offered


class AnswerRefused(msgspec.Struct, frozen=True, tag="answer_refused"):
    """Claude's plan or list of tasks did not fit; `why` goes back to Claude."""

    why: str


class TaskMoved(msgspec.Struct, frozen=True, tag="task_moved"):
    """A task went to another state. `said` is the end of Claude's answer."""

    task_id: str
    to: TaskStatus
    said: str = ""


class RoundFixed(msgspec.Struct, frozen=True, tag="round_fixed"):
    """Claude has answered the failures of the last checks."""


class ChecksEnded(msgspec.Struct, frozen=True, tag="checks_ended"):
    """The checks of this round have ended."""

    results: tuple[CheckResult, ...]
    active_ms: int = 0


class RoundBegun(msgspec.Struct, frozen=True, tag="round_begun"):
    """Another round of implement and validate."""


class ChildrenSet(msgspec.Struct, frozen=True, tag="children_set"):
    """The sessions of tasks that run at once; `decisions` are those of a session whose work came back."""

    children: tuple[Child, ...]
    decisions: tuple[RunDecision, ...] = ()


class ChildChanged(msgspec.Struct, frozen=True, tag="child_changed"):
    """The record of one of the tasks that run at once; None leaves a field as it is."""

    task_id: str
    session_id: str | None = None
    step: Step | None = None
    done: bool = False
    failed: bool = False


class TaskAlone(msgspec.Struct, frozen=True, tag="task_alone"):
    """A task is to be done again, by itself."""

    task_id: str


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """A sentence for the report, such as on a task that had to be repeated alone."""

    text: str
    is_error: bool = False
    is_recovery: bool = False


class CheckpointTaken(msgspec.Struct, frozen=True, tag="checkpoint_taken"):
    """A checkpoint was taken before a phase or a task."""


class Reported(msgspec.Struct, frozen=True, tag="reported"):
    """The report is written, and the work is committed as `commit` (empty: it could not be)."""

    text: str
    commit: str
    decisions: tuple[RunDecision, ...] = ()


class MergedInto(msgspec.Struct, frozen=True, tag="merged_into"):
    """The run's branch was merged into this git branch; empty: that was undone."""

    target: str


RunEvent = (
    SessionMade
    | Moved
    | Paused
    | Resumed
    | Failed
    | PlanMade
    | PlanApproved
    | PlanSentBack
    | TasksSet
    | StepBegun
    | StepSent
    | StepEnded
    | AnswerOffered
    | AnswerRefused
    | TaskMoved
    | RoundFixed
    | ChecksEnded
    | RoundBegun
    | ChildrenSet
    | ChildChanged
    | TaskAlone
    | Noted
    | CheckpointTaken
    | Reported
    | MergedInto
)


def at_version(run: Run, version: int) -> Run:
    """Return the run as version `version` of its row."""
    return msgspec.structs.replace(run, version=version)

"""Commands on runs of work-flows: start, look, decide on the plan, edit tasks, pause, go on, end, merge."""

from typing import Generic

import msgspec

from api.access import Action
from api.branching import MergeResult
from api.command import Command, Nothing, R, SessionCommand
from api.reading import ExportedFile
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
)
from sessions.run_shown import RunShown


class RunInfo(msgspec.Struct, frozen=True):
    """A run as faces show it.

    `shown` is the same at a glance. `plan_digest` names the plan for `ApproveRunPlan`.

    `doing` is the state, or the one that a paused run returns to.
    """

    id: str
    user_id: str
    acts_for: str
    session_id: str
    channel_id: str
    title: str
    request: str
    project: str
    template: str
    status: RunStatus
    phase: RunPhase
    doing: RunStatus
    pause: PauseReason | None
    bound: Bound | None
    detail: str
    config: Configuration
    git: GitContext
    prd: PrdReference | None
    plan: Plan | None
    plan_digest: str
    tasks: tuple[RunTask, ...]
    round: int
    checks: tuple[CheckResult, ...]
    stats: RunStatistics
    decisions: tuple[RunDecision, ...]
    notes: tuple[str, ...]
    commit: str
    merged_into: str
    has_report: bool
    created_ms: int
    updated_ms: int
    completed_ms: int | None
    shown: RunShown


class UnreadableRun(msgspec.Struct, frozen=True):
    """A stored run that cannot be read: damaged, or of a newer version. `trouble` is a sentence."""

    id: str
    user_id: str
    session_id: str
    project: str
    status: str
    created_ms: int
    trouble: str


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first. `unreadable` ones belong to the page, too. `cursor` continues; empty at the end."""

    runs: tuple[RunInfo, ...]
    unreadable: tuple[UnreadableRun, ...] = ()
    cursor: str = ""


class TemplateInfo(msgspec.Struct, frozen=True):
    """A template. `source`: built-in, own (in DATA_DIR) or project. `trouble` says why it cannot be used."""

    name: str
    description: str
    source: str
    trouble: str = ""


class Templates(msgspec.Struct, frozen=True):
    """Templates, by name."""

    templates: tuple[TemplateInfo, ...]


class StartRun(Command[RunInfo], frozen=True, tag="start_run", kw_only=True):
    """Start a run with a session of its own, in a directory of its own.

    A repeated `origin` returns the same run.

    `prd_path` is a file of the project; `prd_text` is the document itself, as `prd_name`. Empty `checks` mean
    those that are found. Raises `WorkDirectoryRefused`, `PlaceTaken`, `BranchRefused`, `RunFieldWrong`,
    `TemplateRefused`.
    """

    action = Action.CREATE
    reply = RunInfo
    request: str
    channel_id: str
    origin: str
    key: str = ""
    title: str = ""
    project: str = ""
    template: str = ""
    prd_path: str = ""
    prd_name: str = ""
    prd_text: str = ""
    checks: tuple[Check, ...] = ()
    config: Configuration | None = None


class QueryRuns(Command[RunPage], frozen=True, tag="query_runs", kw_only=True):
    """Return a page of the runs that the actor may view, newest first. Empty conditions do not count."""

    action = Action.LIST
    reply = RunPage
    audited = False
    status: RunStatus | None = None
    phase: RunPhase | None = None
    branch: str = ""
    project: str = ""
    user_id: str = ""
    session_id: str = ""
    text: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    only_active: bool = False
    limit: int = 20
    cursor: str = ""


class ListTemplates(Command[Templates], frozen=True, tag="list_templates", kw_only=True):
    """Return the templates of this bridge and, where it is trusted, of a project."""

    action = Action.LIST
    reply = Templates
    audited = False
    project: str = ""


class OneRunCommand(Command[R], Generic[R], frozen=True, kw_only=True):
    """A command about one run; the rights are those of its session. Raises `RunNotFound`, `RunUnreadable`."""

    run_id: str


class GetRun(OneRunCommand[RunInfo], frozen=True, tag="get_run", kw_only=True):
    """Return the run as it is now."""

    action = Action.VIEW
    reply = RunInfo
    audited = False


class ReadRunReport(OneRunCommand[ExportedFile], frozen=True, tag="read_run_report", kw_only=True):
    """Return the report as Markdown; before it is written, the state so far."""

    action = Action.VIEW
    reply = ExportedFile
    audited = False


class ReadRunPatch(OneRunCommand[ExportedFile], frozen=True, tag="read_run_patch", kw_only=True):
    """Return all that the run changed as a patch file.

    Raises `CheckpointRefused`, `RunFieldWrong` if too long.
    """

    action = Action.VIEW
    reply = ExportedFile
    audited = False


class ApproveRunPlan(OneRunCommand[RunInfo], frozen=True, tag="approve_run_plan", kw_only=True):
    """Approve the plan and its commands as seen: `digest` comes from `RunInfo`. Raises `PlanOutdated`."""

    # It lets the commands of the plan run on the machine.
    action = Action.APPROVE
    reply = RunInfo
    digest: str


class ReviseRunPlan(OneRunCommand[RunInfo], frozen=True, tag="revise_run_plan", kw_only=True):
    """Let Claude plan again; it reads `note`. Raises `IllegalRunMove`."""

    action = Action.PROMPT
    reply = RunInfo
    note: str


class EditRunPlan(OneRunCommand[RunInfo], frozen=True, tag="edit_run_plan", kw_only=True):
    """Replace the plan's text, its commands, or both. It has to be approved again. Raises `IllegalRunMove`."""

    # Commands are part of the plan, so an edit is more than a prompt.
    action = Action.APPROVE
    reply = RunInfo
    text: str | None = None
    checks: tuple[Check, ...] | None = None


class EditRunTasks(OneRunCommand[RunInfo], frozen=True, tag="edit_run_tasks", kw_only=True):
    """Replace the list of tasks: add, drop, reorder, change. Tasks that have begun stay as they are.

    A new task has an empty id. Raises `IllegalRunMove`, `RunFieldWrong`.
    """

    action = Action.PROMPT
    reply = RunInfo
    tasks: tuple[RunTask, ...]


class RetryTask(OneRunCommand[RunInfo], frozen=True, tag="retry_task", kw_only=True):
    """Do a task again, and go on if the run waits because of it. Raises `IllegalRunMove`."""

    action = Action.PROMPT
    reply = RunInfo
    task_id: str


class SkipTask(OneRunCommand[RunInfo], frozen=True, tag="skip_task", kw_only=True):
    """Leave a task out, and go on if the run waits because of it. Raises `IllegalRunMove`."""

    action = Action.PROMPT
    reply = RunInfo
    task_id: str


class PauseRun(OneRunCommand[RunInfo], frozen=True, tag="pause_run", kw_only=True):
    """Begin nothing new until `ResumeRun`; a running turn ends by itself. `take_over`: a person works by hand.

    Raises `IllegalRunMove`.
    """

    action = Action.PROMPT
    reply = RunInfo
    take_over: bool = False


class ResumeRun(OneRunCommand[RunInfo], frozen=True, tag="resume_run", kw_only=True):
    """Go on where the run was. At a bound, `more` units are added to it. Raises `IllegalRunMove`."""

    # At a bound it spends more time and money than was agreed to.
    action = Action.APPROVE
    reply = RunInfo
    more: int = 1


class CancelRun(OneRunCommand[RunInfo], frozen=True, tag="cancel_run", kw_only=True):
    """End the run as failed, and stop its turn. Its session and branch stay. Raises `IllegalRunMove`."""

    action = Action.PROMPT
    reply = RunInfo


class MergeRun(OneRunCommand[MergeResult], frozen=True, tag="merge_run", kw_only=True):
    """Merge a completed run into the git branch that it began at, as one commit.

    Raises `IllegalRunMove`, `BranchRefused` if it cannot land; `PreviewMerge` of its session says why.
    """

    action = Action.MANAGE
    reply = MergeResult


class DeleteRun(OneRunCommand[Nothing], frozen=True, tag="delete_run", kw_only=True):
    """Delete the record of a run that has ended, or is unreadable. Raises `IllegalRunMove`."""

    action = Action.MANAGE
    reply = Nothing


class OfferRunPlan(SessionCommand[Nothing], frozen=True, tag="offer_run_plan", kw_only=True):
    """Give the plan that the run of this session asks for. It counts when the turn ends; the last one does.

    Raises `RunFieldWrong` if the session's run does not ask for a plan now, or the plan does not fit.
    """

    action = Action.PROMPT
    reply = Nothing
    text: str
    checks: tuple[Check, ...] = ()


class OfferRunTasks(SessionCommand[Nothing], frozen=True, tag="offer_run_tasks", kw_only=True):
    """Give the tasks that the run of this session asks for, without ids. As `OfferRunPlan` otherwise."""

    action = Action.PROMPT
    reply = Nothing
    tasks: tuple[RunTask, ...]


RunAnswerCommand = OfferRunPlan | OfferRunTasks
"""The commands about the run of one session: what Claude answers."""
WorkflowCommand = StartRun | QueryRuns | ListTemplates
"""The commands about no run or many."""
AnyRunCommand = (
    GetRun
    | ReadRunReport
    | ReadRunPatch
    | ApproveRunPlan
    | ReviseRunPlan
    | EditRunPlan
    | EditRunTasks
    | RetryTask
    | SkipTask
    | PauseRun
    | ResumeRun
    | CancelRun
    | MergeRun
    | DeleteRun
)
"""The commands about one run."""

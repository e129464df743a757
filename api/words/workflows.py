"""Words on runs of work-flows, as plain lines that every face shows."""

from collections.abc import Mapping, Sequence

from api.run_model import Check, PauseReason, RunStatus, RunTask, TaskStatus
from api.workflows import RunInfo
from sessions.run_shown import RunShown

STATUS_WORDS: Mapping[str, str] = {
    RunStatus.INITIALIZING: "getting ready",
    RunStatus.PLANNING: "planning",
    RunStatus.GENERATING_TASKS: "making the list of tasks",
    RunStatus.IMPLEMENTING: "implementing",
    RunStatus.VALIDATING: "running the checks",
    RunStatus.GENERATING_REPORT: "writing the report",
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.PAUSED: "paused",
}
WAITS_FOR_PLAN = "plan"
TASK_MARKS: Mapping[TaskStatus, str] = {
    TaskStatus.TODO: "☐",
    TaskStatus.RUNNING: "▶",
    TaskStatus.DONE: "☑",
    TaskStatus.FAILED: "✗",
    TaskStatus.SKIPPED: "–",
}
TASK_COLUMNS: Mapping[TaskStatus, str] = {
    TaskStatus.TODO: "To do",
    TaskStatus.RUNNING: "In work",
    TaskStatus.DONE: "Done",
    TaskStatus.FAILED: "Failed",
    TaskStatus.SKIPPED: "Left out",
}
NEXT_STEPS: Mapping[str, str] = {
    PauseReason.PERSON: "Go on whenever you like.",
    PauseReason.BOUND: "Go on with more, take over by hand, or end it.",
    PauseReason.TAKEN_OVER: "Work in its session by hand; going on looks at the checks again.",
    PauseReason.ANSWER_UNREADABLE: "Write it yourself, or go on to ask Claude again.",
    PauseReason.TURN_FAILED: "Go on to try again, skip the task, or end it.",
    PauseReason.SESSION_ENDED: "Going on brings the session back.",
    PauseReason.BRANCH_GONE: "Going on makes its directory again from the newest checkpoint.",
    PauseReason.OWNER_REFUSED: "Somebody with the rights can go on in their own name, or end it.",
    PauseReason.CORE_REFUSED: "Go on to try again, or end it.",
}
_MINUTE_S = 60


def status_line(run: RunShown) -> str:
    """Return the run's state in one line."""
    if run.waits_for == WAITS_FOR_PLAN:
        return f"the plan (revision {run.revision}) waits for somebody to approve it"
    words = STATUS_WORDS.get(run.status, run.status)
    if run.status == RunStatus.PAUSED:
        return f"{words} in “{run.phase.replace('_', ' ')}”"
    return f"{words}: {run.detail}" if run.status == RunStatus.FAILED and run.detail else words


def run_lines(run: RunShown) -> list[str]:
    """Return the lines of a run's card below its title."""
    state = status_line(run)
    lines = [state[:1].upper() + state[1:]]
    if run.status == RunStatus.PAUSED:
        lines.append(" ".join(part for part in (run.detail, NEXT_STEPS.get(run.waits_for, "")) if part))
    if run.tasks:
        doing = f" · {run.current}" if run.current else ""
        lines.append(f"Tasks {run.tasks_over}/{run.tasks}{doing}")
    if run.checks:
        lines.append("Checks " + ", ".join(f"{'✓' if each.passed else '✗'} {each.name}" for each in run.checks))
    if run.round > 1:
        lines.append(f"Round {run.round} of {run.max_rounds}")
    facts = []
    if run.low_s is not None and run.high_s is not None:
        facts.append(f"{_minutes(run.low_s)} to {_minutes(run.high_s)} left ({run.basis})")
    if run.cost_usd:
        facts.append(f"${run.cost_usd:.2f}")
    if run.branch:
        facts.append(run.branch)
    if facts:
        lines.append(" · ".join(facts))
    if run.merged_into:
        lines.append(f"Merged into {run.merged_into}.")
    return lines


def list_line(run: RunInfo) -> str:
    """Return a line on a run for lists."""
    tasks = f", {run.shown.tasks_over}/{run.shown.tasks} tasks" if run.tasks else ""
    return f"{run.title}: {status_line(run.shown)}{tasks}"


def task_line(number: int, task: RunTask) -> str:
    """Return a line on a task."""
    again = f" (attempt {task.attempts})" if task.attempts > 1 else ""
    return f"{TASK_MARKS[task.status]} {number}. {task.title}{again}"


def check_lines(checks: Sequence[Check]) -> list[str]:
    """Return the commands that a person approves with a plan, each in a line."""
    if not checks:
        return ["No command of the project will check this work. Edit the plan to name some."]
    return [f"{each.name}: {each.command}" for each in checks]


def tasks_text(tasks: Sequence[RunTask]) -> str:
    """Return the list of tasks as a text that a person edits: a line each, `2. title`."""
    return "\n".join(f"{each.id}. {each.title}" for each in tasks)


def tasks_of_text(text: str, known: Sequence[RunTask]) -> tuple[RunTask, ...]:
    """Return the tasks of an edited text. A line with a known number is that task, another one is new."""
    by_id = {each.id: each for each in known}
    tasks, used = [], set[str]()
    for line in text.splitlines():
        words = line.strip()
        if not words:
            continue
        number, dot, title = words.partition(".")
        # A copied line is a new task, and not the same one twice.
        task = by_id.get(number.strip()) if dot and number.strip() not in used else None
        if task is None:
            tasks.append(RunTask("", words))
            continue
        used.add(task.id)
        tasks.append(
            RunTask(task.id, title.strip() or task.title, task.details, task.acceptance, task.independent)
        )
    return tuple(tasks)


def checks_text(checks: Sequence[Check]) -> str:
    """Return the commands as a text that a person edits: `name: command` in each line."""
    return "\n".join(f"{each.name}: {each.command}" for each in checks)


def checks_of_text(text: str) -> tuple[Check, ...]:
    """Return the commands of an edited text; a line without a name is named by its first word."""
    checks = []
    for line in text.splitlines():
        # With the space: a command may have a colon.
        name, colon, command = line.strip().partition(": ")
        if line.strip():
            checks.append(Check(name.strip(), command.strip()) if colon else Check(name.split()[0], name))
    return tuple(checks)


def _minutes(seconds: int) -> str:
    if seconds < _MINUTE_S:
        return "1 min"
    hours, minutes = divmod(round(seconds / _MINUTE_S), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

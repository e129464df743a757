"""The report of a run, as Markdown. Pure."""

from collections.abc import Sequence

from api.branching import BranchChanges
from api.run_model import CheckResult, RunDecision, RunStatus, TaskStatus
from texts.markdown_code import code_span, fence_around
from texts.redaction import Redactor
from workflows.model import Run

_MOST_FILES = 60
_MOST_OUTPUT = 1_500
_MARKS = {
    TaskStatus.DONE: "x",
    TaskStatus.SKIPPED: "-",
    TaskStatus.FAILED: "!",
    TaskStatus.TODO: " ",
    TaskStatus.RUNNING: ">",
}


def write_report(
    run: Run, changes: BranchChanges | None, decisions: Sequence[RunDecision], commit: str = ""
) -> str:
    """Return the report. `changes` is None if the files cannot be compared."""
    parts = [
        f"# {run.title}",
        run.request,
        _facts(run, commit),
        _section("Done", _tasks(run)),
        _section("Checks", _checks(run.checks)),
        _section("Decisions", [f"- {each.text}{_because(each)}" for each in decisions]),
        _section("Files", _files(changes)),
        _section("Open points", _open(run)),
        _section("Notes", [f"- {each}" for each in run.notes]),
        _section("Figures", _figures(run)),
    ]
    # Claude's words and the output of commands may hold secrets, and reports are passed on.
    return Redactor().redact("\n\n".join(part for part in parts if part)) + "\n"


def _facts(run: Run, commit: str) -> str:
    # The report is written in the last state before the end.
    state = RunStatus.COMPLETED if run.status is RunStatus.GENERATING_REPORT else run.status
    lines = [f"- State: {state.replace('_', ' ')}{f': {run.detail}' if run.detail else ''}"]
    if run.git.branch:
        lines.append(f"- Branch: {code_span(run.git.branch)}{f', commit `{commit[:12]}`' if commit else ''}")
    if run.prd is not None:
        lines.append(
            f"- Requirements: {run.prd.filename} (version {run.prd.version}, sha256 {run.prd.sha256[:16]})"
        )
    if run.plan is not None and run.plan.approved_by:
        lines.append(f"- Plan: revision {run.plan.revision}, approved by {run.plan.approved_by}")
    return "\n".join(lines)


def _tasks(run: Run) -> list[str]:
    lines = []
    for each in run.tasks:
        again = f" ({each.attempts} attempts)" if each.attempts > 1 else ""
        lines.append(f"- [{_MARKS[each.status]}] {each.title}{again}")
        if each.said:
            # The end of an answer says what came out.
            lines += [f"  {line}" for line in each.said.strip().splitlines()[-6:]]
    return lines


def _checks(results: Sequence[CheckResult]) -> list[str]:
    if not results:
        return ["No command of the project checked this work."]
    lines = []
    for each in results:
        ended = "passed" if each.passed else each.trouble or f"failed with exit code {each.exit_code}"
        lines.append(f"- {code_span(each.command)}: {ended} ({each.seconds:.0f} s)")
        if not each.passed and each.output:
            output = each.output[-_MOST_OUTPUT:]
            fence = fence_around(output)
            lines += ["", f"  {fence}text", *(f"  {line}" for line in output.splitlines()), f"  {fence}"]
    return lines


def _files(changes: BranchChanges | None) -> list[str]:
    if changes is None:
        return []
    lines = [
        f"- {code_span(each.path)} {each.kind}{_numbers(each.added, each.removed)}"
        for each in changes.files[:_MOST_FILES]
    ]
    left = len(changes.files) - _MOST_FILES + changes.more
    return [*lines, f"- and {left} more"] if left > 0 else lines or ["Nothing changed."]


def _numbers(added: int | None, removed: int | None) -> str:
    return "" if added is None or removed is None else f" +{added} −{removed}"


def _open(run: Run) -> list[str]:
    tasks = [
        f"- {each.title}: {'left out' if each.status is TaskStatus.SKIPPED else each.status}"
        for each in run.tasks
        if each.status is not TaskStatus.DONE
    ]
    failed = [f"- The check {each.name} does not pass." for each in run.checks if not each.passed]
    return tasks + failed


def _figures(run: Run) -> list[str]:
    stats = run.stats
    phases = ", ".join(f"{name.replace('_', ' ')} {ms / 1000:.0f} s" for name, ms in stats.phase_ms.items())
    return [
        f"- {stats.turns} turns, {run.round} rounds, ${stats.cost_usd:.2f}",
        f"- {stats.active_ms / 1000:.0f} s of work, without waiting for people",
        f"- {stats.checkpoints} checkpoints, {stats.errors} errors, {stats.recoveries} recoveries",
        *([f"- Time by phase: {phases}"] if phases else []),
    ]


def _because(decision: RunDecision) -> str:
    return f" Reason: {decision.reason}" if decision.reason else ""


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""

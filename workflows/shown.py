"""A run at a glance, for the card of every face, and whole, for those who look closer. Pure."""

from hashlib import sha256

import msgspec

from api.run_model import Plan, RunStatus, TaskStatus
from api.workflows import RunInfo
from sessions.run_shown import RunShown, ShownCheck
from texts.framing import framed
from workflows.model import Run

_OVER = (TaskStatus.DONE, TaskStatus.SKIPPED)
_FASTEST, _SLOWEST = 0.6, 1.8
"""Tasks differ: the time left is told as a range around the mean so far."""


def shown(run: Run) -> RunShown:
    """Return the run at a glance."""
    low, high, basis = _time_left(run)
    return RunShown(
        id=run.id,
        title=run.title,
        status=run.status,
        phase=run.phase,
        waits_for=_waits_for(run),
        bound=run.bound or "",
        detail=run.detail,
        tasks=len(run.tasks),
        tasks_over=sum(each.status in _OVER for each in run.tasks),
        current=_current(run),
        round=run.round,
        max_rounds=run.config.max_iterations,
        checks=tuple(ShownCheck(each.name, each.passed) for each in run.checks),
        cost_usd=run.stats.cost_usd,
        low_s=low,
        high_s=high,
        basis=basis,
        branch=run.git.branch,
        revision=run.plan.revision if run.plan is not None else 0,
        merged_into=run.merged_into,
    )


def info(run: Run) -> RunInfo:
    """Return the whole run as faces show it."""
    return RunInfo(
        id=run.id,
        user_id=run.user_id,
        acts_for=run.acts_for,
        session_id=run.session_id,
        channel_id=run.channel_id,
        title=run.title,
        request=run.request,
        project=run.project,
        template=run.template,
        status=run.status,
        phase=run.phase,
        doing=run.doing,
        pause=run.pause,
        bound=run.bound,
        detail=run.detail,
        config=run.config,
        # Names without their paths: faces show no path of the machine.
        git=msgspec.structs.replace(
            run.git, repo_root=_name(run.git.repo_root), worktree=_name(run.git.worktree)
        ),
        prd=run.prd,
        plan=run.plan,
        plan_digest=plan_digest(run.plan),
        tasks=run.tasks,
        round=run.round,
        checks=run.checks,
        stats=run.stats,
        decisions=run.decisions,
        notes=run.notes,
        commit=run.commit,
        merged_into=run.merged_into,
        has_report=bool(run.report),
        created_ms=run.created_ms,
        updated_ms=run.updated_ms,
        completed_ms=run.completed_ms,
        shown=shown(run),
    )


def plan_digest(plan: Plan | None) -> str:
    """Return the name of exactly this plan with these commands; empty without a plan."""
    if plan is None:
        return ""
    facts = [plan.text, *(word for each in plan.checks for word in (each.name, each.command))]
    # Framed: a text could otherwise end in what another plan has as a command.
    parts = framed(each.encode("utf-8", "surrogatepass") for each in facts)
    return sha256(parts).hexdigest()[:16]


def _waits_for(run: Run) -> str:
    if run.status is RunStatus.PAUSED:
        return run.pause or "person"
    asks_for_plan = (
        run.status is RunStatus.PLANNING
        and run.plan is not None
        and not run.plan.approved_by
        # With a note the plan went back to Claude, and nobody can approve it.
        and not run.plan_note
    )
    return "plan" if asks_for_plan else ""


def _current(run: Run) -> str:
    running = [each.title for each in run.tasks if each.status is TaskStatus.RUNNING]
    return " + ".join(running)


def _time_left(run: Run) -> tuple[int | None, int | None, str]:
    done = run.stats.tasks_done
    if run.status is not RunStatus.IMPLEMENTING or not done:
        return None, None, ""
    left = sum(each.status in (TaskStatus.TODO, TaskStatus.RUNNING) for each in run.tasks)
    mean_s = run.stats.active_ms / 1000 / max(1, run.stats.turns)
    tasks = f"{done} task{'s' if done > 1 else ''}"
    return round(mean_s * left * _FASTEST), round(mean_s * (left + 1) * _SLOWEST), f"from {tasks} done"


def _name(path: str) -> str:
    """Return the last part of a path: no host path reaches a face."""
    return path.rstrip("/").rpartition("/")[2]

"""Tasks beside each other: each in a session and directory of its own, merged back one after the other.

A task whose work conflicts with an earlier one is repeated alone, and the report says so.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

import api as c
from api.run_model import RunDecision, RunTask, TaskStatus
from faults import crash_point
from sessions.errors import BranchRefused, MergeOutdated, PlaceTaken, SessionError
from sessions.model import TurnStatus
from workdirs.merge_choices import Strategy
from workflows import model as m
from workflows.finishing import decisions_of
from workflows.model import Child, Run, RunEvent, Step, StepKind
from workflows.prompts import task_prompt

if TYPE_CHECKING:
    from workflows.runner import Runner

_MOST_SAID = 1_200
_TRIES = 3


async def work_at_once(runner: "Runner", run: Run, tasks: Sequence[RunTask]) -> None:
    """Begin `tasks` at once, or go on with those begun (none given); then merge them back in order."""
    if tasks:
        # The children begin at the parent's last commit and state; merging needs that commit to be complete.
        await runner.perform(
            c.CommitBranch(session_id=run.session_id, message=f"{run.title}: before parallel tasks")
        )
        # Stored before any session is made: after a kill the same tasks go on beside each other.
        begun: list[RunEvent] = [m.TaskMoved(each.id, TaskStatus.RUNNING) for each in tasks]
        run = await runner.runs.change(run.id, m.ChildrenSet(tuple(Child(each.id) for each in tasks)), *begun)
    crash_point("run.children_begun")
    async with asyncio.TaskGroup() as group:
        for child in run.children:
            if not child.done:
                group.create_task(_work(runner, child.task_id), name=f"run {run.id} task {child.task_id}")
    run = await runner.runs.get_session(run.id)
    for child in run.children:
        await _bring_back(runner, run, child)
        run = await runner.runs.get_session(run.id)
    await runner.runs.change(run.id, m.ChildrenSet(()))


async def _work(runner: "Runner", task_id: str) -> None:
    """See one task through in its own session.

    Its errors end as a failed task, so that no other ends with it.
    """
    try:
        await _turn(runner, task_id)
    except SessionError as error:
        words = f"A task beside others did not work out, so it is repeated alone: {error}"
        await _give_up(runner, task_id, m.Noted(words, is_error=True))


async def _turn(runner: "Runner", task_id: str) -> None:
    run = await runner.runs.get_session(runner.run_id)
    child = _child(run, task_id)
    task = next(each for each in run.tasks if each.id == task_id)
    # The place and the origin: repeated after a kill, both find what was made. A new attempt gets new ones.
    key = f"run:{run.id}:{task_id}:{task.attempts}"
    session_id = child.session_id
    if not session_id:
        session_id = await _session(runner, run, task, key)
        # Stored at once: a session that no row of the run names would be left behind at a cancel.
        await _set(runner, m.ChildChanged(task_id, session_id=session_id))
    step = child.step
    if step is None:
        after = await runner.last_event(session_id)
        step = Step(StepKind.TASK, task.attempts, key, session_id, after, task_id)
        await _set(runner, m.ChildChanged(task_id, step=step))
    turn_id = step.turn_id or await runner.send(run, step, task_prompt(run, task))
    turn = await runner.watch(run, step, turn_id)
    said = await runner.answer_of(step, turn_id)
    ended = m.StepEnded(step.origin, turn.cost_usd, turn.active_ms)
    if turn.status is TurnStatus.DONE:
        told = m.TaskMoved(task_id, TaskStatus.RUNNING, run.without_places(said)[-_MOST_SAID:])
        await _set(runner, m.ChildChanged(task_id, done=True), ended, told)
        return
    words = f"“{task.title}” beside others was {turn.status}; it is repeated alone."
    await _give_up(runner, task_id, ended, m.Noted(words, is_error=True))


async def _give_up(runner: "Runner", task_id: str, *events: RunEvent) -> None:
    await _set(runner, m.ChildChanged(task_id, done=True, failed=True), *events, m.TaskAlone(task_id))


async def _session(runner: "Runner", run: Run, task: RunTask, key: str) -> str:
    """Return the session of a task: a branch of the run's session. A repeat finds it by its place."""
    wish = c.Branch(session_id=run.session_id, channel_id=run.channel_id, key=key, title=task.title)
    try:
        info = await runner.perform(wish)
    except PlaceTaken:
        found = c.GetOrCreateSession(channel_id=run.channel_id, key=key, project=run.project, own_copy=True)
        info = await runner.perform(found)
    if info.mode is not run.mode:
        await runner.perform(c.SetMode(session_id=info.id, mode=run.mode))
    return info.id


async def _bring_back(runner: "Runner", run: Run, child: Child) -> None:
    """Merge one task's files into the run's branch, and remove its directory."""
    if not child.session_id:
        return
    if not child.counted:
        await _count(runner, run, child)
    # The directory is only in the way now; one that stays is no reason to stop the run.
    with suppress(SessionError):
        await runner.perform(c.RemoveBranch(session_id=child.session_id))
    crash_point("run.child_removed")
    await runner.runs.change(run.id, m.ChildrenSet(await _others(runner, child)))


async def _count(runner: "Runner", run: Run, child: Child) -> None:
    """Merge one task's files, and store what became of them."""
    events: list[RunEvent] = []
    decided: tuple[RunDecision, ...] = ()
    if not child.failed:
        trouble = await _merge(runner, child.session_id)
        if trouble:
            title = next((each.title for each in run.tasks if each.id == child.task_id), child.task_id)
            words = f"“{title}” conflicted with a task beside it ({trouble}), so it is repeated alone."
            events += [m.Noted(words, is_recovery=True), m.TaskAlone(child.task_id)]
        else:
            events.append(m.TaskMoved(child.task_id, TaskStatus.DONE))
            decided = await decisions_of(runner, child.session_id)
    crash_point("run.child_merged")
    # Before the branch is removed: a repeat after a kill could not tell a branch without files from a lost one.
    # One change with the child's end: a repeat adds no decision a second time.
    counted = replace(child, counted=True)
    left = (counted, *await _others(runner, child))
    await runner.runs.change(run.id, *events, m.ChildrenSet(left, decided))


async def _others(runner: "Runner", child: Child) -> tuple[Child, ...]:
    # Read anew: other children may have changed during the merge.
    run = await runner.runs.get_session(runner.run_id)
    return tuple(each for each in run.children if each.task_id != child.task_id)


async def _merge(runner: "Runner", session_id: str) -> str:
    """Merge the branch; return why that is not possible, or an empty text. Merged already counts as merged."""
    for _ in range(_TRIES):
        try:
            seen = await runner.perform(c.PreviewMerge(session_id=session_id, strategy=Strategy.SQUASH))
            # Also after a kill behind the merge: a branch that is merged already differs in no file.
            if not seen.files:
                return ""
            if not seen.can_land:
                paths = [each.path for each in seen.conflicts] or [each.path for each in seen.blocked]
                return ", ".join(paths[:3])
            await runner.perform(
                c.MergeBranch(session_id=session_id, strategy=Strategy.SQUASH, digest=seen.digest)
            )
        # Files changed since the preview, so it is looked at again.
        except MergeOutdated:
            continue
        except BranchRefused as error:
            return str(error)
        return ""
    return "its branch keeps changing"


async def _set(runner: "Runner", child: m.ChildChanged, *events: RunEvent) -> None:
    """Change the record of one child together with `events`; the others may change at the same time."""
    await runner.runs.change(runner.run_id, *events, child)


def _child(run: Run, task_id: str) -> Child:
    return next(each for each in run.children if each.task_id == task_id)

"""The end of a run: commit what there is, compare, gather the decisions, write the report."""

from contextlib import suppress
from typing import TYPE_CHECKING

import api as c
from api.run_model import RunDecision
from faults import crash_point
from sessions.errors import BranchRefused, CheckpointRefused, SessionError
from sessions.stored_folders import NoteKind
from workflows import model as m
from workflows.model import Run, RunEvent
from workflows.report import write_report

if TYPE_CHECKING:
    from workflows.runner import Runner

_MOST_OF_A_MESSAGE = 4_000


async def finish(runner: "Runner", run: Run) -> None:
    """Commit the work and store the report. A project without git is not committed, and the report says so."""
    commit, notes = "", list[RunEvent]()
    message = f"{run.title}\n\n{run.request}"[:_MOST_OF_A_MESSAGE]
    try:
        done = await runner.perform(c.CommitBranch(session_id=run.session_id, message=message))
        commit = done.commit
    except (BranchRefused, CheckpointRefused) as error:
        notes.append(m.Noted(f"Not committed: {error}"))
    crash_point("run.committed")
    changes = None
    with suppress(BranchRefused, CheckpointRefused):
        changes = await runner.perform(c.CompareBranch(session_id=run.session_id))
    # Those of tasks that ran beside each other came with their work; a repeat of this step has all already.
    decisions = tuple(dict.fromkeys((*run.decisions, *await decisions_of(runner, run.session_id))))
    run = await runner.runs.change(run.id, *notes) if notes else run
    text = write_report(run, changes, decisions, commit)
    crash_point("run.report_made")
    await runner.runs.change(run.id, m.Reported(text, commit, decisions))


async def decisions_of(runner: "Runner", session_id: str) -> tuple[RunDecision, ...]:
    """Return the decisions that Claude or a person recorded in a session of the run."""
    try:
        notes = (await runner.perform(c.ListNotes(session_id=session_id))).notes
    except SessionError:
        return ()
    return tuple(RunDecision(each.title, each.text) for each in notes if each.kind is NoteKind.DECISION)

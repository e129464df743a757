"""An error of the core becomes a pause with a next step."""

from typing import TYPE_CHECKING

import api as c
from api.run_model import TERMINAL, PauseReason, RunStatus
from sessions.errors import (
    BranchRefused,
    CheckpointRefused,
    NotAllowed,
    SessionError,
    SessionNotFound,
    WorkDirectoryRefused,
)
from sessions.model import Lifecycle
from workflows import model as m
from workflows.model import Run

if TYPE_CHECKING:
    from workflows.runner import Runner

ENDED = "The session of this run was ended."
_REFUSED = (
    "The person whom this run acts for may not do this any more. Somebody with the rights can go on in their "
    "own name, or end it."
)


async def pause_for(runner: "Runner", error: SessionError) -> None:
    """Pause the run because of `error`. Nothing to do for one that is paused or has ended."""
    run = await runner.runs.get_session(runner.run_id)
    if run.status in TERMINAL or run.status is RunStatus.PAUSED:
        return
    reason, words = await _why(runner, run, error)
    # In one change: a kill in between would count the error once more.
    await runner.runs.change(run.id, m.Noted("", is_error=True), m.Paused(reason, words))


async def _why(runner: "Runner", run: Run, error: SessionError) -> tuple[PauseReason, str]:
    match error:
        case NotAllowed():
            return PauseReason.OWNER_REFUSED, _REFUSED
        case SessionNotFound():
            return PauseReason.SESSION_ENDED, "The session of this run is gone. The run can only be ended."
        case WorkDirectoryRefused() | BranchRefused() | CheckpointRefused():
            return PauseReason.BRANCH_GONE, str(error)
        # Last, because it asks the core; the cases above need no second look.
        case _ if await _has_ended(runner, run):
            return PauseReason.SESSION_ENDED, ENDED
        case _:
            return PauseReason.CORE_REFUSED, str(error)


async def _has_ended(runner: "Runner", run: Run) -> bool:
    try:
        info = await runner.perform(c.GetSession(session_id=run.session_id))
    except SessionError:
        return False
    return info.lifecycle is Lifecycle.ENDED

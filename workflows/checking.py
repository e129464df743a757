"""Runs the approved commands of a run while Claude is idle. Their exit codes decide, not Claude's words."""

from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec.structs import replace

import api as c
from api.run_model import CheckResult
from faults import crash_point
from workflows import model as m
from workflows.model import Run

if TYPE_CHECKING:
    from workflows.runner import Runner

MOST_S = 1_800.0
"""The longest time of one command, in seconds."""


async def run_checks(runner: "Runner", run: Run) -> None:
    """Run the approved commands, one after the other, and store what came of them."""
    plan = run.plan
    # Only what a person approved: without an approval no command runs.
    checks = plan.checks if plan is not None and plan.approved_by else ()
    await _settled(runner, run)
    results: list[CheckResult] = []
    active_ms = 0
    for number, check in enumerate(checks):
        left_s = MOST_S
        if run.config.timeout_s:
            left_s = run.config.timeout_s - (run.stats.active_ms + active_ms) / 1000
        crash_point("run.before_check")
        # The bound on time may be used up by now: it pauses the run before the next turn, not here.
        seconds = max(1.0, min(left_s, MOST_S))
        result = await runner.ports.run_check(run.session_id, check_name(run, number), check, seconds)
        crash_point("run.check_over")
        active_ms += round(result.seconds * 1000)
        results.append(replace(result, output=run.without_places(result.output)))
    await runner.runs.change(run.id, m.ChecksEnded(tuple(results), active_ms))
    # After the results are stored: forgotten before, the commands would run again after a kill. `run` is
    # the value from before that change, so the names are the same.
    for number in range(len(checks)):
        await runner.ports.forget_check(run.session_id, check_name(run, number))


def check_name(run: Run, number: int) -> str:
    """Return the identity of a command's run: a repeat after a crash waits for the same one."""
    return f"run-{run.id[-12:]}-{run.checked_times + 1}-{number}"


async def _settled(runner: "Runner", run: Run) -> None:
    """Wait until nobody's turn changes the files: a check of half a tree says nothing."""
    info = await runner.perform(c.GetSession(session_id=run.session_id))
    if info.running_turn is None and not info.queued_turns:
        return
    async with aclosing(runner.ports.follow(runner.actor, run.session_id, info.last_event)) as feed:
        async for _ in feed:
            info = await runner.perform(c.GetSession(session_id=run.session_id))
            if info.running_turn is None and not info.queued_turns:
                return

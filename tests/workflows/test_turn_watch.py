"""The time of a turn: Claude's work counts, waiting for people does not, and the bound interrupts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import api as c
from api.run_model import Bound, Configuration
from sessions import events as e
from sessions.events import Numbered
from sessions.model import Activity, Lifecycle, SessionId, TurnId, TurnStatus
from tests.sessions.running_core import running_core
from tests.workflows.flow_world import Flow, make_repository, policy_of, request
from workflows import limits
from workflows.turn_watch import Deadline, Progress

TURN = TurnId("t")


def happened(at_ms: int, event: e.Event) -> Numbered:
    return Numbered(SessionId("s"), at_ms, at_ms, event)


def folded(*events: Numbered) -> Progress:
    progress = Progress(TURN)
    for each in events:
        progress.take(each)
    return progress


def active(at_ms: int, new: Activity) -> Numbered:
    return happened(at_ms, e.ActivityChanged(Activity.IDLE, new, ""))


@pytest.mark.parametrize(
    ("events", "ms"),
    [
        ([active(1_000, Activity.WORKING), active(4_000, Activity.IDLE)], 3_000),
        (
            [active(1_000, Activity.WORKING), active(2_000, Activity.ASKING), active(9_000, Activity.WORKING)],
            1_500,
        ),
        ([active(1_000, Activity.WORKING), active(2_000, Activity.BLOCKED)], 1_000),
        ([happened(1_000, e.TurnStarted(TURN)), active(2_000, Activity.ASKING)], 1_000),
        ([happened(1_000, e.TurnContinued(TURN, "again")), active(3_000, Activity.IDLE)], 2_000),
        ([active(1_000, Activity.WORKING), happened(3_000, e.HostEnded(1, 0, ""))], 2_000),
        ([active(1_000, Activity.WORKING), happened(6_000, e.TurnEnded(TURN, TurnStatus.DONE))], 5_000),
        ([active(1_000, Activity.WORKING), active(1_500, Activity.WORKING)], 8_500),
    ],
)
def test_only_the_time_counts_in_which_claude_works(events: list[Numbered], ms: int) -> None:
    assert folded(*events).active_until(9_500) == ms


def test_a_cut_turn_that_is_taken_up_goes_on_and_a_withdrawn_one_has_ended() -> None:
    progress = folded(
        happened(1, e.TurnEnded(TURN, TurnStatus.CUT)), happened(2, e.TurnContinued(TURN, "again"))
    )
    assert progress.end is None
    progress.take(happened(3, e.LifecycleChanged(Lifecycle.STARTING, Lifecycle.FAILED, "no disk")))
    assert progress.stopped == "no disk"
    withdrawn = folded(happened(4, e.TurnWithdrawn(TURN, "ann")))
    assert withdrawn.end is not None
    assert withdrawn.end.status is TurnStatus.WITHDRAWN


async def test_the_deadline_waits_while_claude_waits() -> None:
    progress, interrupted = Progress(TURN), asyncio.Event()
    now = [0]

    async def interrupt() -> None:
        interrupted.set()

    deadline = Deadline(progress, 1_000, lambda: now[0], interrupt)
    task = asyncio.create_task(deadline.run())
    progress.take(active(0, Activity.WORKING))
    progress.take(active(900, Activity.ASKING))
    now[0] = 1_000_000
    deadline.changed()
    await asyncio.sleep(0)
    assert not interrupted.is_set()
    progress.take(active(1_000_000, Activity.WORKING))
    now[0] = 1_000_100
    deadline.changed()
    async with asyncio.timeout(60):
        await interrupted.wait()
    await task
    assert deadline.ran_out


async def test_a_turn_that_uses_up_the_time_is_stopped_and_the_task_begins_anew_after_going_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits._RANGES, "timeout_s", (1, 100))
    changes: dict[str, Any] = policy_of(tmp_path)
    async with running_core(tmp_path / "core", **changes) as core:
        make_repository(core)
        flow = Flow(core)
        wish = request(({"title": "Held", "details": "demo:gate held"},), ({"name": "t", "command": "true"},))
        run = await flow.rest(await flow.start(wish, config=Configuration(timeout_s=1)))
        run = await flow.rest(await flow.approve(run))
        assert (run.pause, run.bound) == (c.PauseReason.BOUND, Bound.TIME)
        assert run.stats.active_ms >= 1_000
        (core.claude / "gates").mkdir(exist_ok=True)
        (core.claude / "gates" / "held").touch()
        await core.do(c.ResumeRun(run_id=run.id))
        run = await flow.rest(run)
        assert (run.status, run.config.timeout_s) == (c.RunStatus.COMPLETED, 3601)
        assert run.tasks[0].status is c.TaskStatus.DONE

"""A bridge that is killed at every named point of a run, and at random:

nothing is done twice, nothing is lost.
"""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

import api as c
from faults import EXIT_CODE, VARIABLE
from tests.nursery import fork_program
from tests.sessions.running_core import running_core
from tests.workflows.flow_world import Flow, git, make_repository, policy_of

pytestmark = pytest.mark.timeout(170)

# In the order in which a run passes them, over its steps: a process ends at each, and the next one goes on.
POINTS = [
    "run.session_made",
    "run.before_move",
    "run.before_step",
    "run.step_begun",
    "run.before_prompt",
    "run.prompt_sent",
    "run.turn_over",
    "run.step_over",
    "run.before_step:2",
    "run.prompt_sent",
    "run.turn_over",
    "run.before_check",
    "run.check_over",
    "run.prompt_sent",
    "run.turn_over",
    "run.committed",
    "run.report_made",
]


CHECKPOINTS = [
    "before planning",
    "before generating tasks",
    "before implementing",
    "before task 1: Write add",
    "before validating",
    "before validating",  # of the second round
    "before generating report",
    "before completed",
]


async def live(directory: Path, crash_at: str = "", kill_after_s: float | None = None) -> int:
    environment = {**os.environ, VARIABLE: crash_at}
    program = await fork_program("tests.workflows.flow_program", str(directory), environment=environment)
    if kill_after_s is not None:
        await asyncio.wait([program.ended], timeout=kill_after_s)
        if not program.ended.done():
            os.kill(program.pid, signal.SIGKILL)
    return await program.ended


async def judge(directory: Path) -> None:
    """The run is merged; each step had one turn, each round's check ran once, no commit is there twice."""
    async with running_core(directory / "core", **policy_of(directory)) as core:
        (run,) = (await core.do(c.QueryRuns())).runs
        run = await Flow(core).get(run)
        assert run.status is c.RunStatus.COMPLETED
        assert run.round == 2
        turns = (await core.do(c.ReadTurns(session_id=run.session_id, with_blocks=False))).turns
        origins = [each.turn.origin.partition(run.id)[2] for each in reversed(turns)]
        assert origins == [":plan:1", ":tasks:1", ":task:1:1", ":fix:1"]
        assert run.stats.turns == 4
        labels = await core.db.read("SELECT label FROM checkpoints WHERE reason = 'manual' ORDER BY id")
        assert [str(each[0]) for each in labels] == CHECKPOINTS
        assert run.stats.checkpoints == len(CHECKPOINTS)
        assert len((await core.do(c.QuerySessions(include_ended=True))).sessions) == 1
        root = directory / "core" / "workspaces"
        assert (root / ".branches" / "default" / "checks.log").read_text() == "checked\nchecked\n"
        assert git(root / "default", "log", "--oneline", "main").count("\n") == 2
        assert "return a + b" in (root / "default" / "calc.py").read_text()


async def prepared(directory: Path) -> None:
    async with running_core(directory / "core", **policy_of(directory)) as core:
        make_repository(core)


async def test_a_bridge_killed_at_each_point_does_no_step_twice_and_loses_none(tmp_path: Path) -> None:
    await prepared(tmp_path)
    for point in POINTS:
        assert await live(tmp_path, point) == EXIT_CODE, point
    assert await live(tmp_path) == 0
    await judge(tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
async def test_a_bridge_killed_at_random_moments_does_no_step_twice(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    await prepared(tmp_path)
    for _ in range(5):
        await live(tmp_path, kill_after_s=chance.uniform(0.2, 2.5))
    assert await live(tmp_path) == 0
    await judge(tmp_path)

"""Runs on a real core: from the request to the merged branch, and everything that may come between."""

from pathlib import Path

import pytest

import api as c
from bridge.demo.model import DemoModel
from tests.sessions.running_core import real_cli_core
from tests.workflows.flow_world import COMMAND, Flow, git, make_repository, policy_of

pytestmark = pytest.mark.timeout(180)


@pytest.mark.real_cli
async def test_a_request_becomes_a_merged_branch_after_a_first_try_that_fails_its_check(tmp_path: Path) -> None:
    async with DemoModel() as demo, real_cli_core(tmp_path, demo, **policy_of(tmp_path)) as core:
        root, flow = make_repository(core), Flow(core)
        run = await flow.rest(await flow.start())
        assert run.shown.waits_for == "plan"
        assert run.plan is not None
        assert "The plan" in run.plan.text
        assert [each.command for each in run.plan.checks] == [COMMAND]
        assert not (root / "calc.py").exists()

        run = await flow.rest(await flow.approve(run))
        assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
        assert run.round == 2, "the first validation failed, the second passed"
        assert [each.passed for each in run.checks] == [True]
        assert run.stats.tasks_done == 1
        assert run.stats.turns == 4  # plan, tasks, the task, the repair
        assert not (root / "calc.py").exists(), "the work is on a branch of its own"
        assert git(root, "show", f"{run.git.branch}:calc.py")

        report = (await core.do(c.ReadRunReport(run_id=run.id))).data.decode()
        assert "[x] Write add" in report
        assert f"`{COMMAND}`: passed" in report
        patch = (await core.do(c.ReadRunPatch(run_id=run.id))).data.decode()
        assert "+def add" in patch

        await core.do(c.MergeRun(run_id=run.id))
        assert "return a + b" in (root / "calc.py").read_text()
        assert (await flow.get(run)).merged_into == "main"

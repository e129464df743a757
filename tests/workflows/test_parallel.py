"""Tasks beside each other, when the bridge stops between two of their steps."""

from pathlib import Path
from typing import Any

import pytest

import api as c
from api.run_model import Configuration, PauseReason
from tests.sessions.running_core import running_core
from tests.workflows.flow_world import Flow, make_repository, policy_of, request
from tests.workflows.test_runs import PASSES, planned
from workflows.runner import Runner


async def test_parallel_work_that_is_merged_is_not_repeated_after_a_stop_behind_the_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform, has_stopped = Runner.perform, False

    async def perform_and_stop(runner: Runner, command: Any) -> Any:
        nonlocal has_stopped
        done = await perform(runner, command)
        if isinstance(command, c.RemoveBranch) and not has_stopped:
            has_stopped = True
            raise RuntimeError("stopped")
        return done

    monkeypatch.setattr(Runner, "perform", perform_and_stop)
    tasks = [
        {"title": each, "details": f"demo:write {each}.txt 1", "independent": True} for each in ("One", "Two")
    ]
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        make_repository(core)
        flow = Flow(core)
        run = await flow.rest(await planned(flow, request(tasks, PASSES), config=Configuration(parallel=2)))
        assert (run.status, run.pause) == (c.RunStatus.PAUSED, PauseReason.CORE_REFUSED)
        run = await flow.rest(await core.do(c.ResumeRun(run_id=run.id)))
        assert (run.status, run.detail) == (c.RunStatus.COMPLETED, "")
        assert [each.attempts for each in run.tasks] == [1, 1]
        assert not [each for each in run.notes if "alone" in each]

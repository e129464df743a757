"""A bridge with one run, as a process that may be killed: it goes on where the last one was, and merges.

Prints nothing. Ends with 0 once the run's branch is merged.
"""

import asyncio
from pathlib import Path

import api as c
from tests.sessions.running_core import running_core
from tests.workflows.flow_world import Flow, policy_of, request

CHECK = "echo checked >> ../checks.log; python3 -m unittest -q"


async def _live(directory: Path) -> None:
    async with running_core(directory / "core", **policy_of(directory)) as core:
        flow = Flow(core)
        wish = request(checks=({"name": "tests", "command": CHECK},))
        run = await flow.rest(await flow.start(wish))
        if run.shown.waits_for == "plan":
            run = await flow.rest(await flow.approve(run))
        assert run.status is c.RunStatus.COMPLETED, (run.status, run.pause, run.detail)
        if not run.merged_into:
            await core.do(c.MergeRun(run_id=run.id))


def run(directory: str) -> int:
    asyncio.run(_live(Path(directory)))
    return 0

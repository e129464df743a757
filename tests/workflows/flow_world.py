"""A small repository with a real test, and a request that scripts the demo through a whole run."""

import asyncio
import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import api as c
from api.access import Actor, unchanging
from sessions.checkpointing import CheckpointPolicy
from sessions.model import PermissionMode
from tests.sessions.running_core import ADMIN, DEADLINE_S, RunningCore
from workdirs.checkpoint_rules import CheckpointRules, RetentionAges
from workdirs.model import Caps

RIGHT = "def add(a, b):\\n    return a + b\\n"
TEST = """import unittest

from calc import add


class AddTest(unittest.TestCase):
    def test_adds(self) -> None:
        self.assertEqual(add(1, 2), 3, "\\ndemo:write calc.py {def add(a, b): return a + b}\\n")
"""
COMMAND = "python3 -m unittest -q"
TESTS = {"name": "tests", "command": COMMAND}
WRONG = {
    "title": "Write add",
    # Of another length than the right one: else Python takes the bytecode of the first try, within one second.
    "details": "demo:write calc.py {def add(a, b): return a - 2 * b}",
    "acceptance": ["adds"],
}


def policy_of(directory: Path) -> dict[str, Any]:
    """The changes of a core in which runs can work: checkpoints, and a mode that lets Claude write."""
    rules = CheckpointRules(directory / "checkpoints", Caps(), RetentionAges())
    return {"checkpoints": CheckpointPolicy(rules, wait_s=20), "default_mode": PermissionMode.ACCEPT_EDITS}


def request(tasks: Sequence[dict[str, Any]] = (WRONG,), checks: Sequence[dict[str, str]] = (TESTS,)) -> str:
    """A request that makes the demo answer with a plan, then with these tasks."""
    listed = json.dumps({"tasks": list(tasks)})
    commands = json.dumps({"checks": list(checks)})
    then = f"demo:text {{\n```json\n{listed}\n```\n}}"
    return f"Add a function. demo:text {{\n# The plan\n\n{then}\n\n```json\n{commands}\n```\n}}"


def request_by_tools() -> str:
    """The same request, answered by the tools: a wrong call of each first, as a model makes it."""
    decision = json.dumps({"title": "Add without a loop", "text": "It is shorter."})
    tasks = [
        "demo:tool mcp__bridge__workflow_tasks " + json.dumps({"tasks": []}),
        "demo:tool mcp__bridge__workflow_tasks " + json.dumps({"tasks": [WRONG]}),
    ]
    plan = f"# The plan\n\n{' '.join(tasks)}"
    wrong = {"text": plan, "checks": [{"name": "tests", "command": "two\nlines"}]}
    calls = [
        "demo:tool mcp__bridge__session_decision " + decision,
        "demo:tool mcp__bridge__workflow_plan " + json.dumps(wrong),
        "demo:tool mcp__bridge__workflow_plan " + json.dumps({"text": plan, "checks": [TESTS]}),
    ]
    return "Add a function. " + " ".join(calls)


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout


def make_repository(core: RunningCore) -> Path:
    """The project `default`: a repository whose test fails until somebody writes the module that it tests."""
    root = core.directory / "workspaces" / "default"
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q")
    (root / "test_calc.py").write_text(TEST)
    (root / ".gitignore").write_text("__pycache__\n.attachments\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "base")
    return root


@dataclass(frozen=True, slots=True)
class Flow:
    """Runs in a core."""

    core: RunningCore
    actor: Actor = ADMIN

    async def start(self, wish: str | None = None, **facts: Any) -> c.RunInfo:
        fields = {"request": wish or request(), "channel_id": "c", "origin": "o", "title": "Add"}
        made: c.RunInfo = await self.core.do(c.StartRun(**{**fields, **facts}), self.actor)
        return made

    async def get(self, run: c.RunInfo) -> c.RunInfo:
        found: c.RunInfo = await self.core.do(c.GetRun(run_id=run.id), self.actor)
        return found

    async def approve(self, run: c.RunInfo) -> c.RunInfo:
        done: c.RunInfo = await self.core.do(
            c.ApproveRunPlan(run_id=run.id, digest=run.plan_digest), self.actor
        )
        return done

    async def until(self, run: c.RunInfo, is_so: Callable[[c.RunInfo], bool]) -> c.RunInfo:
        """Wait for a state of the run; its session's events tell of each change."""
        found = await self.get(run)
        if is_so(found):
            return found
        async with asyncio.timeout(DEADLINE_S):
            feed = self.core.service.follow(unchanging(ADMIN), run.session_id, 0)
            async with aclosing(feed):
                async for _ in feed:
                    found = await self.get(run)
                    if is_so(found):
                        return found
        raise AssertionError

    async def rest(self, run: c.RunInfo) -> c.RunInfo:
        """Wait until a person has to act, or the run has ended."""
        return await self.until(run, lambda each: bool(each.shown.waits_for) or each.status in c.TERMINAL)

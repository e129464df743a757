"""`claude-bridge workflow …` on a core: a run from its start to the merged branch, by typed commands alone."""

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import api as c
from api.access import Actor
from api.run_model import RunFieldWrong
from bridge.cli import parse
from bridge.cli_workflow import Acts, _configuration
from bridge.workflow_arguments import Workflow
from tests.sessions.running_core import ADMIN, RunningCore, running_core
from tests.workflows.flow_world import make_repository, policy_of, request
from workflows.limits import checked_configuration


async def typed(core: RunningCore, *words: str) -> int:
    wish = parse(["workflow", *words])
    assert isinstance(wish, Workflow)
    return await Acts(core.service, ADMIN, wish).do()


async def test_a_run_goes_from_its_request_to_the_merged_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        root = make_repository(core)
        assert await typed(core, "start", "--wait", "--template", "feature", request()) == 0
        shown = capsys.readouterr().out
        assert "python3 -m unittest" in shown
        found = re.search(r"workflow approve (\S+) --plan (\w+)", shown)
        assert found is not None
        assert await typed(core, "approve", found[1], "--plan", found[2], "--wait") == 0
        assert "Completed" in capsys.readouterr().out
        assert await typed(core, "report", found[1]) == 0
        assert "## Checks" in capsys.readouterr().out
        assert await typed(core, "merge", found[1]) == 0
        assert "return a + b" in (root / "calc.py").read_text()
        assert await typed(core, "list") == 0
        assert ": completed, 1/1 tasks" in capsys.readouterr().out
        assert await typed(core, "show", "no-such-run") == 2
        assert await typed(core, "templates") == 0
        assert "bug-fix" in capsys.readouterr().out
        assert await typed(core, "delete", found[1]) == 0


@pytest.mark.parametrize("alone", [True, False], ids=["one task", "tasks at once"])
async def test_waiting_for_a_run_ends_when_claude_asks_in_its_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], alone: bool
) -> None:
    async with running_core(tmp_path / "core", **policy_of(tmp_path)) as core:
        make_repository(core)
        task = {"title": "Run it", "details": "demo:bash {touch there}", "acceptance": ["there"]}
        tasks, words = (
            ([task], ())
            if alone
            else (
                [
                    {**task, "independent": True},
                    {"title": "Read", "details": "demo:text read", "independent": True},
                ],
                ("--parallel", "2"),
            )
        )
        async with asyncio.timeout(60):
            assert await typed(core, "start", "--wait", *words, request(tasks)) == 0
            found = re.search(r"workflow approve (\S+) --plan (\w+)", capsys.readouterr().out)
            assert found is not None
            assert await typed(core, "approve", found[1], "--plan", found[2], "--wait") == 0
        told = re.search(r"Claude waits for an answer .* chat --session (\S+)", capsys.readouterr().out)
        assert told is not None
        if not alone:
            assert "in the task “Run it”" in told[0]
            assert await typed(core, "cancel", found[1]) == 0
            return
        assert await typed(core, "show", found[1]) == 0
        assert told[0] in capsys.readouterr().out
        assert await typed(core, "cancel", found[1]) == 0
        await core.do(c.Clear(session_id=told[1]), ADMIN)
        await core.do(c.Purge(session_id=told[1]), ADMIN)
        capsys.readouterr()
        assert await typed(core, "show", found[1]) == 0, "its session is deleted"
        assert "Claude waits" not in capsys.readouterr().out


@pytest.mark.parametrize("longer", [1, 2, 3, 4, 200_000])
async def test_requirements_that_are_too_large_are_called_so_wherever_they_are_cut(
    tmp_path: Path, longer: int
) -> None:
    asked: list[c.StartRun] = []

    async def perform(_: Actor, command: c.StartRun) -> None:
        asked.append(command)
        raise RunFieldWrong("prd", "too large")

    document = tmp_path / "prd.md"
    document.write_text("x" * (2**17 + longer - 4) + "\N{PILE OF POO}")
    wish = parse(["workflow", "start", "--prd", str(document), "x"])
    assert isinstance(wish, Workflow)
    with pytest.raises(RunFieldWrong):
        await Acts(cast("Any", SimpleNamespace(perform=perform)), ADMIN, wish).do()
    assert 2**17 < len(asked[0].prd_text.encode()) <= 2**17 + 4


@pytest.mark.parametrize(
    ("typed_bound", "sentence"),
    [
        ("--rounds 0", "The number of rounds cannot be used: it must be from 1 to 20."),
        ("--minutes 0", "The time limit cannot be used: it must be from 1 to 1,440 minutes."),
        ("--minutes -5", "The time limit cannot be used: it must be from 1 to 1,440 minutes."),
        ("--parallel 0", "The number of tasks at once cannot be used: it must be from 1 to 4."),
        ("--dollars nan", "The budget cannot be used: it must be from 0 to 1,000 dollars."),
        ("--turns -1", "The number of turns cannot be used: it must be from 0 to 500."),
    ],
)
def test_a_bound_that_no_run_may_have_is_refused_and_not_replaced(typed_bound: str, sentence: str) -> None:
    wish = parse(["workflow", "start", *typed_bound.split(), "x"])
    assert isinstance(wish, Workflow)
    config = _configuration(wish)
    assert config is not None
    with pytest.raises(RunFieldWrong, match=re.escape(sentence)):
        checked_configuration(config)


def test_bounds_that_nobody_typed_are_those_of_the_template() -> None:
    wish = parse(["workflow", "start", "x"])
    assert isinstance(wish, Workflow)
    assert _configuration(wish) is None

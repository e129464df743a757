"""A run in Discord: started by a command, its plan changed and approved from cards, its report read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import api as c
from bot.run_cards import plan_card
from tests.bot.ways import Town, Ways, fake, ways_in
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import ADMIN, running_core
from tests.workflows.flow_world import Flow, make_repository, policy_of, request
from workflows.answers import check_commands
from workflows.model import Run
from workflows.shown import info

__all__ = ["fake"]


@pytest.fixture
async def ways(fake: FakeDiscord, tmp_path: Path) -> AsyncIterator[Ways]:
    async with (
        running_core(tmp_path / "core", **policy_of(tmp_path)) as core,
        ways_in(fake, core, Town(fake)) as running,
    ):
        make_repository(core)
        yield running


async def test_a_run_is_started_approved_revised_and_ended_from_discord(ways: Ways) -> None:
    ann, flow = ways.town.ann, Flow(ways.core)
    begun = await ann.slash(ways.fake.general, "workflow start", request=request()).settled()
    assert "has begun in" in begun.text
    thread = await ways.fake.general.wait_for_thread(lambda _: True)
    (run,) = (await ways.core.do(c.QueryRuns(), ADMIN)).runs
    await flow.rest(run)
    shown = await ann.slash(thread, "workflow show").settled()
    assert "The plan" in shown.text
    assert "python3 -m unittest" in shown.text, "the commands are seen before they are approved"
    assert shown.reply is not None
    edited = await ann.click(shown.reply, "Commands…").settled()
    sent = await ann.submit_modal(edited, {"text": "tests: true"}).settled()
    assert "tests: true" in sent.text
    old = await ann.click(shown.reply, "Approve").settled()
    assert "tests: true" in old.text, "the plan that was approved is not the one that stands: it is shown anew"
    assert sent.reply is not None
    assert "is approved" in (await ann.click(sent.reply, "Approve").settled()).text
    run = await flow.rest(run)
    assert run.status is c.RunStatus.COMPLETED, run.detail
    report = await ann.slash(thread, "workflow report").settled()
    assert "The report" in report.text
    assert "completed" in (await ann.slash(ways.fake.general, "workflow list").settled()).text


def test_the_card_of_a_plan_shows_every_command_whole_and_has_all_of_a_long_plan() -> None:
    checks = tuple(c.Check(f"check{n}", f"make check-{n} " + "x" * 95) for n in range(12))
    assert check_commands(checks) == checks, "as much as a plan may have"
    plan = c.Plan("A long plan. " * 1_000, checks)
    run = Run("i", "ann", "ann", "r", "t", "c", "k", "p", status=c.RunStatus.PLANNING, plan=plan)
    card = plan_card(info(run))
    text = "\n".join(card.texts)
    assert len(text) <= 4_000
    assert [each.command for each in checks if each.command not in text] == []
    assert [each.data for each in card.files] == [plan.text.encode()]

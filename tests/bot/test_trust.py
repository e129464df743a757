"""A project that brings more than text: who is asked, with what, and what a click decides."""

import json

import pytest

from api import DecideTrust, ReadTrust
from bot.session_units import ViewOptions
from bot.trust_card import trust_question
from sessions.events import Noticed
from sessions.model import Lifecycle, Trust
from sessions.session import Session
from sessions.topics import Topic
from tests.bot.ways import Ways, core, core_id, fake, town, ways
from tests.fakes.discord_server import Place
from tests.sessions.running_core import RunningCore, reached

__all__ = ["core", "core_id", "fake", "town", "ways"]

HOOK = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "make `lint`"}]}]}}


def bring(core: RunningCore, settings: object) -> None:
    """Let the default project bring `settings`."""
    directory = core.directory / "workspaces" / "default" / ".claude"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "settings.json").write_text(json.dumps(settings))


async def started(ways: Ways) -> tuple[Place, Session]:
    bring(ways.core, HOOK)
    return await ways.started(ways.town.ann, "demo:text hi")


def test_the_question_lists_what_would_run_and_notifies_an_admin_only() -> None:
    event = Noticed(Topic.TRUST_WANTED, "It brings:\n- Hook at Stop runs `make`", about="hash")
    wish = trust_question(event, 7, "session", 42)
    assert wish.ping == 42
    text = "\n".join(wish.body.texts)  # type: ignore[union-attr]  # it is a card
    assert "<@42>" in text
    assert "Hook at Stop runs" in text
    labels = [button.label for row in wish.body.rows for button in row]  # type: ignore[union-attr]
    assert labels == ["Trust", "Instructions only", "Not now"]
    assert trust_question(event, 7, "session", ViewOptions().admin_id).ping is None


async def test_the_owner_sees_what_the_project_brings_and_an_admin_decides(ways: Ways) -> None:
    thread, session = await started(ways)
    shown = await ways.town.ann.slash(thread, "settings trust").settled()
    for words in ("instructions only", "Hook at Stop runs", "lint"):
        assert words in shown.text
    refused = await ways.town.ann.slash(thread, "settings trust", trust="trusted").settled()
    assert "Ask an admin" in refused.text
    listed = await ways.town.boss.slash(thread, "settings trust").settled()
    assert listed.reply is not None
    outcome = await ways.town.boss.click(listed.reply, "Trust").settled()
    assert "trusted: its settings, hooks and servers count" in outcome.text
    assert (await ways.core.do(ReadTrust(session_id=session.id))).trust is Trust.TRUSTED
    await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.PARKED)
    projects = await ways.town.boss.slash(thread, "admin projects").settled()
    assert f"default · trusted, by <@{ways.town.boss.id}>" in projects.text


async def test_a_click_on_a_list_that_is_out_of_date_decides_nothing(ways: Ways) -> None:
    thread, session = await started(ways)
    listed = await ways.town.boss.slash(thread, "settings trust").settled()
    bring(ways.core, {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "rm -rf ."}]}]}})
    assert listed.reply is not None
    outcome = await ways.town.boss.click(listed.reply, "Trust").settled()
    assert "has changed since this list was made" in outcome.text
    assert (await ways.core.do(ReadTrust(session_id=session.id))).trust is Trust.INSTRUCTIONS


@pytest.mark.parametrize("state", Trust)
async def test_every_decision_is_kept(ways: Ways, state: Trust) -> None:
    _, session = await started(ways)
    found = await ways.core.do(DecideTrust(session_id=session.id, trust=state))
    assert found.trust is state

"""Threads that are taken, and sessions whose place or project is gone."""

from pathlib import Path

from bot.status_card import status_card
from service.session_info import info_of
from sessions.model import Lifecycle
from tests.bot.posted import post
from tests.bot.ways import Ways, core, core_id, fake, town, ways
from tests.sessions.running_core import idle, reached

__all__ = ["core", "fake", "town", "ways"]


async def test_a_session_that_is_started_in_a_sessions_thread_gets_one_beside_it(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    outcome = await ways.town.bob.slash(thread, "session start", title="Another").settled()
    made = next(each for each in ways.fake.general.threads if each.id != thread.id)
    assert f"<#{made.id}>" in outcome.text
    assert (await ways.session_in(made)).snapshot.title == "Another"
    assert (await ways.session_in(thread)).id == session.id


async def test_a_session_without_a_place_takes_nobodys_thread(ways: Ways) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    homeless = await ways.core.session(core_id(ways.town.bob.id), "terminal:1")
    outcome = await ways.town.bob.slash(thread, "session resume", session=homeless.id).settled()
    made = next(each for each in ways.fake.general.threads if each.id != thread.id)
    assert f"<#{made.id}>" in outcome.text
    assert (await ways.session_in(thread)).id == session.id


async def test_a_session_whose_project_is_gone_is_moved_from_its_card_and_by_a_command(ways: Ways) -> None:
    ann, workspaces = ways.town.ann, ways.core.directory / "workspaces"
    thread, session = await ways.started(ann, "demo:text one")
    await session.park("test")
    Path(session.snapshot.work_directory).rename(workspaces / "renamed")
    (workspaces / "other").mkdir()
    ann.send(thread, "demo:text two")
    await reached(session, lambda snapshot: snapshot.lifecycle is Lifecycle.FAILED)
    card = status_card(info_of(session.snapshot))
    message = await post(ways, thread, card)
    panel = await ann.click(message, "Move to another project").settled()
    assert "not there any more" in panel.text
    assert panel.reply is not None
    moved = await ann.select(panel.reply, None, "renamed").settled()
    assert "goes on in renamed" in moved.text
    await idle(session)
    assert await ways.prompts(session) == ["demo:text one", "demo:text two"]
    moved = await ann.slash(thread, "session move", project="other").settled()
    assert "goes on in other" in moved.text
    assert session.snapshot.work_directory == str((workspaces / "other").resolve())

"""A thread's name follows the title that Claude or a person gave the session, within Discord's limit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.client import BridgeClient
from bot.view import View
from sessions.claude.lines import TitleChanged
from sessions.interpreter import Moment, interpret
from sessions.model import TitleSource
from sessions.session import Session
from tests.bot.room import FAST
from tests.bot.test_lost_places import all_of_it
from tests.bot.ways import Town, Ways, core, fake, town, ways_in
from tests.fakes.discord_server import FakeDiscord
from tests.sessions.running_core import RunningCore, reached, running_core

__all__ = ["core", "fake", "town"]


@pytest.fixture
async def named(fake: FakeDiscord, core: RunningCore, town: Town) -> AsyncIterator[Ways]:
    """The face with its view: it follows titles."""
    views: list[View] = []

    def make_view(client: BridgeClient) -> View:
        views.append(View(client, core.service, core.db, options=FAST))
        return views[0]

    async with ways_in(fake, core, town, make_view=make_view) as running, views[0]:
        yield running


async def titled(session: Session, title: str) -> None:
    """Claude gives the session a title."""
    async with session.change() as draft:
        line = TitleChanged(title)
        draft.add_all(interpret(draft.snapshot, line, Moment(1, 1, 1)))


async def test_claudes_title_replaces_a_made_one_once(named: Ways) -> None:
    thread, session = await named.started(named.town.ann, "demo:text please look at the login page, it is slow")
    assert thread.name.startswith("demo:text please")
    await titled(session, "Slow login page")
    await thread.wait_for(lambda place: place.name == "Slow login page" or None)
    await titled(session, "Another title")
    assert session.snapshot.title == "Slow login page"


async def test_a_name_that_a_person_gave_stays(named: Ways) -> None:
    thread, session = await named.started(named.town.ann, "demo:text one")
    await named.town.ann.slash(thread, "session rename", title="Mine").settled()
    await thread.wait_for(lambda place: place.name == "Mine" or None)
    await titled(session, "Claude's")
    assert session.snapshot.title == "Mine"
    other, second = await named.started(named.town.ann, "demo:text two")
    named.town.ann.rename(other, "Ours")
    await titled(second, "Claude's")
    await named.town.ann.slash(other, "session rename", title="Mine too").settled()
    assert (second.snapshot.title, other.name) == ("Mine too", "Ours")


async def test_a_session_that_began_without_words_is_named_after_the_first_prompt(named: Ways) -> None:
    await named.town.ann.slash(named.fake.general, "session start").settled()
    thread = await named.fake.general.wait_for_thread()
    assert thread.name == "New session"
    named.town.ann.send(thread, "demo:text hello")
    await thread.wait_for(lambda place: place.name == "demo:text hello" or None)


async def test_a_third_rename_within_ten_minutes_waits(named: Ways) -> None:
    thread, session = await named.started(named.town.ann, "demo:text one")
    for title in ("One", "Two", "Three", "Four"):
        await named.town.ann.slash(thread, "session rename", title=title).settled()
    await thread.wait_for(lambda place: place.name in ("Two", "Three", "Four") or None)
    assert session.snapshot.title == "Four"
    tried = [
        each for each in named.fake.requests if each.method == "PATCH" and each.path.endswith(f"/{thread.id}")
    ]
    assert len(tried) <= 3


@pytest.mark.parametrize(
    ("words", "files", "replied", "name"),
    [
        ("Why is it red?", {}, "CI failed on main", "Why is it red?"),
        ("Read this", {"log.txt": b"x"}, "", "Read this"),
        ("", {"plan.pdf": b"%PDF-1.4"}, "", "plan.pdf"),
        ("**Fix**   `the`\nbuild", {}, "", "**Fix** `the` build"),
    ],
)
async def test_a_thread_is_named_after_what_its_author_asked(
    named: Ways, words: str, files: dict[str, bytes], replied: str, name: str
) -> None:
    before = named.town.bob.send(named.fake.general, replied) if replied else None
    named.town.ann.send(named.fake.general, f"{named.fake.bot.mention} {words}", files=files, reply_to=before)
    thread = await named.fake.general.wait_for_thread()
    session = await named.session_in(thread)
    await reached(session, lambda snapshot: bool(snapshot.title))
    assert (thread.name, session.snapshot.title, session.snapshot.titled_by) == (name, name, TitleSource.PROMPT)


async def test_claude_is_asked_for_a_title_once_if_a_setting_wants_it(
    fake: FakeDiscord, town: Town, tmp_path: Path
) -> None:
    async with (
        running_core(tmp_path / "core", asks_for_titles=True) as asking,
        all_of_it(fake, asking, town) as ways,
    ):
        thread, session = await ways.started(town.ann, "demo:text look at the login")
        await thread.wait_for(lambda place: place.name == "About: login" or None)
        await asking.ask(session, "demo:text and now the logout")
        assert (session.snapshot.title, session.snapshot.titled_by) == ("About: login", TitleSource.CLAUDE)
        await ways.town.ann.slash(thread, "session start", title="Mine").settled()
        other = await fake.general.wait_for_thread(lambda each: each.id != thread.id)
        named = await ways.session_in(other)
        await asking.ask(named, "demo:text look at the cache")
        assert (named.snapshot.title, other.name) == ("Mine", "Mine")

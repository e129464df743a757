"""A session that comes into another channel brings its last turns along: as posts, each once, over any kill."""

import pytest

from api import ExportSession, SendMessage
from sessions.model import ExportFormat
from sessions.session import Session
from tests.bot.room import FAST
from tests.bot.test_view_core import watching
from tests.bot.ways import Ways, core, fake, town, ways
from tests.fakes.discord_server import FakeDiscord, Place
from tests.sessions.running_core import RunningCore, idle

__all__ = ["core", "fake", "town", "ways"]


async def with_turns(ways: Ways, count: int) -> Session:
    """A session of Ann's with `count` turns, whose thread is gone."""
    thread, session = await ways.started(ways.town.ann, "demo:text answer 1")
    for number in range(2, count + 1):
        sent = SendMessage(
            session_id=session.id, content=f"demo:text answer {number}", origin=f"discord:message:{number}"
        )
        await ways.core.do(sent)
        await idle(session)
    thread.delete()
    return session


async def resumed(ways: Ways, session: Session) -> Place:
    other = ways.fake.channel("other")
    await ways.town.ann.slash(other, "session resume", session=session.id).settled()
    return await other.wait_for_thread()


def posts(thread: Place) -> list[str]:
    """The bot's messages but the status card."""
    return [
        message.text for message in thread.from_bot if "⋯" not in message.text and "ready" not in message.text
    ]


def answers(thread: Place) -> list[str]:
    return [line for text in posts(thread) for line in text.split("\n") if line.startswith(("DEMO", "> demo"))]


@pytest.mark.parametrize(("count", "shown", "files"), [(2, (1, 2), 0), (5, (3, 4, 5), 1)])
async def test_a_session_in_a_new_thread_shows_its_last_turns(
    ways: Ways, count: int, shown: tuple[int, ...], files: int
) -> None:
    session = await with_turns(ways, count)
    thread = await resumed(ways, session)
    async with watching(ways.fake, ways.core) as view:
        await view.settled(session.id)
    expected = [line for n in shown for line in (f"> demo:text answer {n}", f"DEMO: answer {n}")]
    assert answers(thread) == expected
    assert sum(len(message.attachments) for message in thread.from_bot) == files
    assert not any(ping for message in thread.from_bot for ping in message.pings if not ping.silent)
    rows = [message for message in thread.from_bot if "Regenerate" in str(message.components)]
    assert [f"answer {count}" in message.text for message in rows] == [True]


@pytest.mark.parametrize("seen", [1, 2, 3, 4])
async def test_a_kill_while_turns_are_brought_along_posts_each_once(
    fake: FakeDiscord, core: RunningCore, ways: Ways, seen: int
) -> None:
    session = await with_turns(ways, 4)
    thread = await resumed(ways, session)
    async with watching(fake, core, FAST) as view:
        await thread.wait_for(lambda place: len(place.from_bot) >= seen or None)
    for _ in range(2):
        async with watching(fake, core) as view:
            await view.settled(session.id)
    expected = [(f"> demo:text answer {n}", f"DEMO: answer {n}") for n in (2, 3, 4)]
    assert answers(thread) == [line for both in expected for line in both]
    assert len([text for text in posts(thread) if "began elsewhere" in text]) == 1


async def test_an_imported_session_shows_its_last_turns(ways: Ways) -> None:
    session = await with_turns(ways, 2)
    export = await ways.core.do(ExportSession(session_id=session.id, format=ExportFormat.JSON))
    channel = ways.fake.channel("imports")
    await ways.town.ann.slash(channel, "files import", file=("session.json", export.data)).settled()
    thread = await channel.wait_for_thread()
    imported = await ways.session_in(thread)
    async with watching(ways.fake, ways.core) as view:
        await view.settled(imported.id)
    assert [line for line in answers(thread) if line.startswith("DEMO")] == ["DEMO: answer 1", "DEMO: answer 2"]
    assert len(posts(thread)) == len(set(posts(thread)))

"""What people wrote while the bot was away is read back: once, in order, with the fewest requests."""

import asyncio

import pytest

from bot.catch_up import start_of
from bot.rows import InboxRow
from sessions.session import Session
from storage import StorageError
from tests.bot.ways import Town, core, fake, town, ways_in
from tests.fakes.discord_server import FakeDiscord, Place
from tests.fakes.discord_server.faults import Damage, Fail, Fault, LoseAnswer
from tests.sessions.running_core import RunningCore, idle, reached

__all__ = ["core", "fake", "town"]


@pytest.mark.parametrize(
    ("newest", "seen", "start"),
    [
        pytest.param(None, {5: 90}, None, id="an empty channel"),
        pytest.param(90, {5: 90}, None, id="nothing new"),
        pytest.param(95, {5: 90}, 90, id="news"),
        pytest.param(95, {}, None, id="the very first start"),
        pytest.param(95, {7: 200}, None, id="an old channel that was never seen"),
        pytest.param(95, {7: 4}, 4, id="a channel made while the bot was away"),
    ],
)
def test_reading_begins_where_something_may_be_missing(
    newest: int | None, seen: dict[int, int], start: int | None
) -> None:
    assert start_of(5, newest, seen, max(seen.values(), default=0)) == start


async def begin(fake: FakeDiscord, core: RunningCore, town: Town) -> tuple[Place, Session]:
    """A session of Ann's, after which the bot goes away."""
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
    await fake.until_gone()
    return thread, session


def history_requests(fake: FakeDiscord) -> int:
    return len(fake.requests.to("GET /channels/{channel_id}/messages"))


async def test_messages_sent_while_the_bot_was_away_are_prompts_once_and_in_order(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    thread, session = await begin(fake, core, town)
    for number in range(4):
        town.ann.send(thread, f"demo:text away {number}")
    mention = town.ann.send(fake.general, f"{fake.bot.mention} demo:text from afar")
    async with ways_in(fake, core, town) as ways:
        town.ann.send(thread, "demo:text live")
        await reached(session, lambda snapshot: snapshot.message_count == 6)
        await idle(session)
        expected = ["demo:text first", *(f"demo:text away {n}" for n in range(4)), "demo:text live"]
        assert await ways.prompts(session) == expected
        other = await ways.session_in(await fake.general.wait_for_thread(lambda each: each.id == mention.id))
        await ways.dealt_with()
        assert await ways.prompts(other) == ["demo:text from afar"]


async def test_a_live_message_waits_until_the_older_ones_are_read_back(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    thread, session = await begin(fake, core, town)
    town.ann.send(thread, "demo:text away")
    held = fake.faults.hold("GET /channels/*/messages")
    async with ways_in(fake, core, town, caught_up=False) as ways:
        await held.reached.wait()
        town.ann.send(thread, "demo:text live")
        await ways.waiting(1)
        held.release()
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        assert (await ways.prompts(session))[1:] == ["demo:text away", "demo:text live"]


async def test_threads_that_were_archived_meanwhile_are_read_back_too(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    thread, session = await begin(fake, core, town)
    town.ann.send(thread, "demo:text before the archive")
    thread.archive()
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: snapshot.message_count == 2)
        assert (await ways.prompts(session))[-1] == "demo:text before the archive"


async def test_a_start_without_news_reads_no_history(fake: FakeDiscord, core: RunningCore, town: Town) -> None:
    await begin(fake, core, town)
    before = history_requests(fake)
    async with ways_in(fake, core, town):
        assert history_requests(fake) == before


async def test_what_was_said_before_the_first_start_is_nobodys_prompt(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    town.ann.send(fake.general, f"{fake.bot.mention} demo:text long ago")
    async with ways_in(fake, core, town) as ways:
        assert fake.threads() == []
        assert await ways.core.db.read("SELECT 1 FROM inbox") == []


@pytest.mark.parametrize("damage", [Fail(503), LoseAnswer()])
async def test_a_channel_that_cannot_be_read_is_read_at_the_next_start(
    fake: FakeDiscord, core: RunningCore, town: Town, damage: Damage
) -> None:
    thread, session = await begin(fake, core, town)
    town.ann.send(thread, "demo:text away")
    fake.faults.add(Fault(damage, "GET /channels/*/messages"))
    async with ways_in(fake, core, town) as ways:
        town.ann.send(thread, "demo:text live")
        await reached(session, lambda snapshot: snapshot.message_count == 2)
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        assert sorted((await ways.prompts(session))[1:]) == ["demo:text away", "demo:text live"]


async def test_a_message_that_could_not_be_stored_is_read_back(
    fake: FakeDiscord, core: RunningCore, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, session = await begin(fake, core, town)
    async with ways_in(fake, core, town) as ways:
        missed = asyncio.Event()

        async def full(_: InboxRow) -> None:
            missed.set()
            raise StorageError("The disk is full.")

        with monkeypatch.context() as broken:
            broken.setattr(ways.client.inbox, "take", full)
            town.ann.send(thread, "demo:text not stored")
            await missed.wait()
        town.ann.send(thread, "demo:text stored")
        await reached(session, lambda snapshot: snapshot.message_count == 2)
    await fake.until_gone()
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        assert sorted((await ways.prompts(session))[1:]) == ["demo:text not stored", "demo:text stored"]


async def test_roles_that_history_does_not_tell_are_asked_for(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town):
        pass
    await fake.until_gone()
    allowed = town.bob.send(fake.general, f"{fake.bot.mention} demo:text by role")
    town.mel.send(fake.general, f"{fake.bot.mention} demo:text by nobody")
    async with ways_in(fake, core, town):
        assert [thread.id for thread in fake.threads()] == [allowed.id]


async def test_a_private_thread_that_was_archived_meanwhile_is_read_back_too(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        await town.ann.slash(fake.general, "session start", title="Secret", private=True).settled()
        thread = await fake.general.wait_for_thread(lambda each: each.name == "Secret")
        session = await ways.session_in(thread)
        await ways.dealt_with()
    await fake.until_gone()
    town.ann.send(thread, "demo:text before the archive")
    thread.archive()
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: snapshot.message_count == 1)
        assert await ways.prompts(session) == ["demo:text before the archive"]

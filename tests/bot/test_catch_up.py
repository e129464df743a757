"""Messages from while the bot was away are read back once, in order, with the fewest requests."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Never
from unittest.mock import Mock

import discord
import pytest
from discord.http import HTTPClient
from msgspec.structs import replace

from api import Share
from bot.actors import core_id
from bot.catch_up import start_of
from bot.inbox_rows import InboxRow, load_seen
from sessions.model import ShareLevel
from sessions.session import Session
from storage import StorageError
from tests.bot.ways import Town, core, fake, town, ways_in
from tests.fakes.discord_server import FakeDiscord, Place
from tests.fakes.discord_server.faults import Damage, Fail, Fault, LoseAnswer
from tests.sessions.running_core import ADMIN, RunningCore, idle, reached, until

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


async def test_a_start_after_own_posts_reads_no_history(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    heard: list[object] = []

    async def hear(message: discord.Message | discord.RawMessageUpdateEvent) -> None:
        heard.append(message)

    async with ways_in(fake, core, town) as ways:
        thread, _ = await ways.started(town.ann, "demo:text first")
        ways.client.add_listener(hear, "on_message")
        ways.client.add_listener(hear, "on_raw_message_edit")
        channel = ways.client.get_channel(thread.id)
        assert isinstance(channel, discord.Thread)
        own = await channel.send("ours")
        await own.edit(content="ours, edited")
        theirs = town.ann.send(thread, "demo:text last")
        own = await channel.send("after hers")
        await until(lambda: channel.last_message_id == own.id)
    assert [getattr(each, "id", None) for each in heard] == [theirs.id], "nobody needs messages of our own"
    await fake.until_gone()
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


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting before further tries."""
    monkeypatch.setattr("bot.catch_up.PAUSES_S", (0.05,))


@dataclass
class History:
    """Which channels Discord gives no history of; the library's request is answered with a 503."""

    broken: set[int] = field(default_factory=set)


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    """Damage to the history of single channels; the fake's faults are for whole routes."""
    facts, real = History(), HTTPClient.logs_from

    def logs_from(client: HTTPClient, channel_id: int, *rest: Any, **more: Any) -> Any:
        if channel_id in facts.broken:
            return trouble()
        return real(client, channel_id, *rest, **more)

    async def trouble() -> Never:
        answer = Mock(status=503, reason="trouble")
        raise discord.DiscordServerError(answer, "")

    monkeypatch.setattr(HTTPClient, "logs_from", logs_from)
    return facts


@pytest.mark.parametrize("damage", [Fail(503), LoseAnswer()])
@pytest.mark.parametrize("route", ["GET /channels/*/messages", "GET /channels/*/threads/archived/public"])
async def test_what_cannot_be_read_is_tried_again_on_the_same_connection_and_keeps_its_order(
    fake: FakeDiscord, core: RunningCore, town: Town, soon: None, damage: Damage, route: str
) -> None:
    thread, session = await begin(fake, core, town)
    town.ann.send(thread, "demo:text away")
    if "archived" in route:
        thread.archive()
    trouble = fake.faults.add(Fault(damage, route, times=2))
    async with ways_in(fake, core, town) as ways:
        town.ann.send(thread, "demo:text live")
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        assert trouble.hits
        assert (await ways.prompts(session))[1:] == ["demo:text away", "demo:text live"]


async def test_a_channel_that_cannot_be_read_holds_up_no_other(
    fake: FakeDiscord, core: RunningCore, town: Town, soon: None, history: History
) -> None:
    async with ways_in(fake, core, town) as ways:
        broken, lame = await ways.started(town.ann, "demo:text first")
        other, well = await ways.started(town.ann, "demo:text first")
    await fake.until_gone()
    for thread in (broken, other):
        town.ann.send(thread, "demo:text away")
    history.broken.add(broken.id)
    async with ways_in(fake, core, town, caught_up=False) as ways:
        town.ann.send(other, "demo:text live")
        await reached(well, lambda snapshot: snapshot.message_count == 3)
        assert lame.snapshot.message_count == 1
        history.broken.clear()
        await reached(lame, lambda snapshot: snapshot.message_count == 2)


async def test_rows_wait_only_so_long_and_the_mark_stays_until_all_was_read(
    fake: FakeDiscord,
    core: RunningCore,
    town: Town,
    soon: None,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.catch_up.HELD_AT_MOST_S", 0.2)
    thread, session = await begin(fake, core, town)
    mark = (await load_seen(core.db))[thread.id]
    town.ann.send(thread, "demo:text away")
    history.broken.add(thread.id)
    async with ways_in(fake, core, town) as ways:
        town.ann.send(thread, "demo:text live")
        await reached(session, lambda snapshot: snapshot.message_count == 2)
        await ways.dealt_with()
        assert (await load_seen(core.db))[thread.id] == mark
    await fake.until_gone()
    history.broken.clear()
    async with ways_in(fake, core, town) as ways:
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        assert sorted((await ways.prompts(session))[1:]) == ["demo:text away", "demo:text live"]


async def test_however_much_was_written_all_of_it_is_read_in_laps(
    fake: FakeDiscord, core: RunningCore, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.catch_up.LAP", 3)
    thread, session = await begin(fake, core, town)
    for number in range(10):
        town.ann.send(thread, f"demo:text away {number}")
    async with ways_in(fake, core, town) as ways:
        town.ann.send(thread, "demo:text live")
        await reached(session, lambda snapshot: snapshot.message_count == 12)
        await idle(session)
        away = [f"demo:text away {number}" for number in range(10)]
        assert (await ways.prompts(session))[1:] == [*away, "demo:text live"]
        assert history_requests(fake) >= 4


async def test_a_gap_while_an_earlier_one_is_read_back_loses_nothing(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    thread, session = await begin(fake, core, town)
    town.ann.send(thread, "demo:text in the first gap")
    held = fake.faults.hold("GET /channels/*/threads/archived/public")
    async with ways_in(fake, core, town, caught_up=False) as ways:
        ways.client.before_identify_hook = at_once  # type: ignore[method-assign,assignment]  # it sleeps 5 s
        await held.reached.wait()
        await reached(session, lambda snapshot: snapshot.message_count == 2)
        fake.gateway.invalidate()
        town.ann.send(thread, "demo:text in the second gap")
        held.release()
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        town.ann.send(thread, "demo:text live")
        await reached(session, lambda snapshot: snapshot.message_count == 4)
        gaps = ["demo:text in the first gap", "demo:text in the second gap"]
        assert (await ways.prompts(session))[1:] == [*gaps, "demo:text live"]


async def at_once(_: int | None, *, initial: bool = False) -> None:
    assert not initial


@pytest.mark.parametrize("is_archived", [False, True], ids=["", "its thread archived meanwhile"])
async def test_a_message_that_could_not_be_stored_is_read_back_on_the_same_connection(
    fake: FakeDiscord,
    core: RunningCore,
    town: Town,
    soon: None,
    monkeypatch: pytest.MonkeyPatch,
    is_archived: bool,
) -> None:
    thread, session = await begin(fake, core, town)
    async with ways_in(fake, core, town) as ways:
        missed, gone, inbox = asyncio.Event(), asyncio.Event(), ways.client.inbox
        with monkeypatch.context() as broken:

            async def full(_: InboxRow) -> None:
                missed.set()
                await gone.wait()
                raise StorageError("The disk is full.")

            broken.setattr(inbox, "take", full)
            town.ann.send(thread, "demo:text not stored")
            await missed.wait()
            if is_archived:
                thread.archive()
                await fake.until(lambda: not any(guild.threads for guild in ways.client.guilds))
            gone.set()
            await fake.until(lambda: inbox.misses == 1)
        if not is_archived:
            town.ann.send(thread, "demo:text stored")
        await reached(session, lambda snapshot: snapshot.message_count == (2 if is_archived else 3))
        expected = ["demo:text not stored"] + ["demo:text stored"] * (not is_archived)
        assert sorted((await ways.prompts(session))[1:]) == expected


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


async def test_everyone_counts_for_what_was_written_while_the_bot_was_away(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    """@everyone has the server's id; the roles that REST tells do not list it."""
    town.policy = replace(town.policy, role_ids=frozenset({fake.home.id}))
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
        share = Share(session_id=session.id, grantee=core_id(fake.home.id), level=ShareLevel.PROMPT)
        await core.do(share, ADMIN)
        town.mel.send(thread, "demo:text here")
        await reached(session, lambda snapshot: snapshot.message_count == 2)
    await fake.until_gone()
    town.mel.send(thread, "demo:text away")
    asked = town.mel.send(fake.general, f"{fake.bot.mention} demo:text opened")
    async with ways_in(fake, core, town):
        await reached(session, lambda snapshot: snapshot.message_count == 3)
        assert asked.id in {each.id for each in fake.threads()}


async def test_the_roles_of_one_author_are_asked_for_once(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with ways_in(fake, core, town) as ways:
        thread, session = await ways.started(town.ann, "demo:text first")
    await fake.until_gone()
    for number in range(5):
        town.ann.send(thread, f"demo:text away {number}")
    async with ways_in(fake, core, town):
        await reached(session, lambda snapshot: snapshot.message_count == 6)
    assert len(fake.requests.to("GET /guilds/{guild_id}/members/{user_id}")) == 1


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

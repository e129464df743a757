"""One stream of all sessions that somebody may view: list, then changes; gone on with where it was left."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

import api as c
from api.access import Actor, Role, unchanging
from service import ServiceParts, SessionService
from sessions import bus as bus_module
from sessions.errors import NotAllowed
from sessions.events import Feed, Numbered, PartialText, TitleChanged
from sessions.model import GrowingKind, SessionId, ShareLevel, TurnId
from tests.service.test_following import DOORS, PEOPLE, Somebody, one_core
from tests.sessions.kit import DEADLINE_S, House

OWNER = Actor("discord:1", "discord", Role.USER)
OTHER = Actor("discord:2", "discord", Role.USER)
ADMIN = Actor("discord:5", "discord", Role.ADMIN)


@pytest.fixture(autouse=True)
def people() -> None:
    PEOPLE.clear()
    PEOPLE.update({each.user_id: Somebody(each) for each in (OWNER, OTHER, ADMIN)})


async def session(core: c.Core, owner: Actor = OWNER) -> SessionId:
    return (await core.perform(owner, c.CreateSession(channel_id="c"))).id


async def rename(core: c.Core, session_id: str, title: str) -> None:
    await core.perform(ADMIN, c.Rename(session_id=session_id, title=title))


class Stream:
    """A follower's record: titles in order, hidden sessions, how often the list had to be read."""

    def __init__(self, feed: AsyncGenerator[c.FeedOfAll, None]) -> None:
        self.titles: list[tuple[str, str]] = []
        self.hidden: list[str] = []
        self.lists = 0
        self.as_of: c.Position | None = None
        self._feed = feed

    async def until(self, title: str) -> list[str]:
        """The titles until this one came."""
        async with asyncio.timeout(DEADLINE_S):
            while not self.titles or self.titles[-1][1] != title:
                await self.step()
        return [each for _, each in self.titles]

    async def step(self) -> None:
        change = await anext(self._feed)
        self.as_of = change.as_of
        if isinstance(change, c.Begun):
            self.lists += 1
            return
        self.hidden += change.hidden
        for item in change.items:
            if isinstance(item, Numbered) and isinstance(item.event, TitleChanged):
                self.titles.append((item.session_id, item.event.title))


@asynccontextmanager
async def stream(core: c.Core, actor: Actor = ADMIN, after: c.Position | None = None) -> AsyncIterator[Stream]:
    async with aclosing(core.follow_all(unchanging(actor), after)) as feed:
        yield Stream(feed)


@DOORS
async def test_list_first_then_every_change_and_on_from_where_it_was_left(here: House, door: str) -> None:
    async with one_core(here, door, ServiceParts(here.manager)) as core:
        one, two = await session(core), await session(core)
        async with stream(core) as first:
            await first.step()
            assert first.lists == 1
            await rename(core, one, "a")
            assert await first.until("a") == ["a"]
        await rename(core, two, "b")
        await rename(core, one, "c")
        async with stream(core, after=first.as_of) as second:
            while len(second.titles) < 2:
                await second.step()
            assert (sorted(second.titles), second.lists) == (sorted([(two, "b"), (one, "c")]), 0)
            await rename(core, two, "d")
            assert (await second.until("d"))[2:] == ["d"]


@DOORS
async def test_growing_text_is_left_out_for_a_follower_that_does_not_want_it(here: House, door: str) -> None:
    async with one_core(here, door, ServiceParts(here.manager)) as core:
        own = await session(core)
        text = PartialText(own, 1, TurnId("t"), "m/0", GrowingKind.TEXT, 0, "piece")
        for growing, wanted in ((True, ["piece", "a"]), (False, ["a"])):
            async with aclosing(core.follow_all(unchanging(OWNER), None, growing=growing)) as feed:
                await anext(feed)
                here.manager.bus.publish(own, [text])
                await rename(core, own, "a")
                seen: list[str] = []
                async with asyncio.timeout(DEADLINE_S):
                    while "a" not in seen:
                        change = await anext(feed)
                        assert isinstance(change, c.Changes)
                        seen += (_words(item) for item in change.items)
                assert seen == wanted


def _words(item: Feed) -> str:
    match item:
        case PartialText():
            return item.added
        case Numbered(event=TitleChanged(title=title)):
            return title
        case _:
            return ""


@DOORS
async def test_who_is_not_an_admin_gets_own_and_shared_sessions_for_as_long_as_they_are(
    here: House, door: str
) -> None:
    async with one_core(here, door, ServiceParts(here.manager)) as core:
        foreign, own = await session(core), await session(core, OTHER)
        async with stream(core, OTHER) as seen:
            await seen.step()
            await rename(core, foreign, "unseen")
            await rename(core, own, "first")
            assert await seen.until("first") == ["first"]
            share = c.Share(session_id=foreign, grantee=OTHER.user_id, level=ShareLevel.VIEW)
            await core.perform(OWNER, share)
            await rename(core, foreign, "shared")
            await seen.until("shared")
            await core.perform(OWNER, c.Share(session_id=foreign, grantee=OTHER.user_id, level=None))
            await rename(core, foreign, "secret")
            await rename(core, own, "own")
            assert await seen.until("own") == ["first", "shared", "own"]
            assert seen.hidden == [foreign]


async def test_a_position_of_another_start_or_too_long_ago_begins_with_the_list(here: House) -> None:
    core = SessionService(ServiceParts(here.manager))
    one = await session(core)
    async with stream(core) as first:
        await first.step()
    assert first.as_of is not None
    for number in range(3):
        await rename(core, one, str(number))
    here.manager.bus._recent = type(here.manager.bus._recent)(here.manager.bus._recent, maxlen=2)
    for after in (c.Position("another", first.as_of.number), first.as_of, c.Position(first.as_of.run, 10_000)):
        async with stream(core, after=after) as seen:
            await seen.step()
            assert (seen.lists, seen.titles) == (1, [])


async def test_who_falls_behind_is_told_to_list_and_goes_on(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "QUEUE_LENGTH", 3)
    core = SessionService(ServiceParts(here.manager))
    one = await session(core)
    async with stream(core) as slow:
        await slow.step()
        for number in range(8):
            await rename(core, one, str(number))
        await slow.step()
        await rename(core, one, "after")
        assert await slow.until("after") == ["after"]
        assert slow.lists == 2
        async with stream(core, after=slow.as_of) as exact:
            await rename(core, one, "last")
            assert await exact.until("last") == ["last"]


async def test_somebody_whose_groups_change_lists_again_and_somebody_without_a_role_gets_nothing(
    here: House,
) -> None:
    core = SessionService(ServiceParts(here.manager, ask_again_s=0.02))
    somebody = Somebody(OTHER)
    async with aclosing(core.follow_all(somebody.now, None)) as feed:
        seen = Stream(feed)
        await seen.step()
        somebody.actor = Actor(OTHER.user_id, OTHER.face, Role.USER, group_ids=("discord:role:9",))
        await seen.step()
        assert seen.lists == 2
        somebody.actor = Actor(OTHER.user_id, OTHER.face, Role.NOBODY)
        with pytest.raises(NotAllowed):
            async with asyncio.timeout(DEADLINE_S):
                await seen.step()


@pytest.mark.parametrize("seed", range(6))
async def test_however_often_a_follower_comes_back_each_event_comes_once(here: House, seed: int) -> None:
    chance = random.Random(seed)
    core = SessionService(ServiceParts(here.manager))
    sessions = [await session(core) for _ in range(3)]
    titles = [str(number) for number in range(30)]
    async with stream(core) as first:
        await first.step()

    async def happen() -> None:
        for title in titles:
            await rename(core, chance.choice(sessions), title)
            if chance.random() < 0.3:
                await asyncio.sleep(0)

    happening = asyncio.create_task(happen())
    got: list[tuple[str, str]] = []
    as_of, lists = first.as_of, 0
    while len(got) < len(titles):
        async with stream(core, after=as_of) as seen, asyncio.timeout(DEADLINE_S):
            for _ in range(chance.randrange(1, 6)):
                if len(got) + len(seen.titles) >= len(titles):
                    break
                before = seen.as_of
                await seen.step()
                # What came with a position that has not moved comes again: only whole steps count.
                if seen.as_of not in (as_of, before):
                    got += seen.titles
                    as_of, seen.titles = seen.as_of, []
            lists += seen.lists
    await happening
    assert sorted(title for _, title in got) == sorted(titles)
    assert lists == 0

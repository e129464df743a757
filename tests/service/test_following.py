"""A follower's rights are checked again: once they are taken back, the stream stops and nothing follows."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest

import api as c
from api.access import Actor, Role, unchanging
from bridge.control import ControlServer
from bridge.control_client import connected
from bridge.control_keys import KeyKind
from service import ServiceParts, SessionService
from sessions.errors import UNSEEN, NotAllowed, SessionHidden, SessionNotFound
from sessions.events import Feed, Numbered, SharesChanged, TitleChanged
from sessions.model import SessionId, ShareLevel
from tests.api.every_command import of_session
from tests.sessions.kit import DEADLINE_S, House

OWNER = Actor("discord:1", "discord", Role.USER)
OTHER = Actor("discord:2", "discord", Role.USER, group_ids=("discord:role:9",))


@dataclass
class Somebody:
    """An actor whose role and groups a test changes; `asked` counts how often a face was asked for them."""

    actor: Actor
    asked: int = 0
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def now(self) -> Actor:
        self.asked += 1
        self.was_asked.set()
        return self.actor


PEOPLE: dict[str, Somebody] = {}
"""The people whose roles the far end of the socket works out, by id."""


@pytest.fixture(autouse=True)
def people() -> None:
    PEOPLE.clear()
    PEOPLE.update({each.user_id: Somebody(each) for each in (OWNER, OTHER)})


@asynccontextmanager
async def one_core(here: House, door: str, parts: ServiceParts) -> AsyncIterator[c.Core]:
    """The service itself, or the same from the other end of the control socket."""
    service = SessionService(parts)
    if door == "here":
        yield service
        return
    (here.root / "run").mkdir(exist_ok=True)
    server = ControlServer(service, here.root, lambda named: PEOPLE[named.user_id].now())
    async with server, connected(here.root, KeyKind.WEB) as client:
        yield client


async def shared(core: c.Core, grantee: str = "discord:2") -> SessionId:
    info = await core.perform(OWNER, c.CreateSession(channel_id="c"))
    await core.perform(OWNER, c.Share(session_id=info.id, grantee=grantee, level=ShareLevel.VIEW))
    return info.id


async def rename(core: c.Core, session_id: str, title: str) -> None:
    await core.perform(OWNER, c.Rename(session_id=session_id, title=title))


async def titles_until_refused(feed: AsyncGenerator[Feed, None]) -> list[str]:
    seen: list[str] = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for item in feed:
                if isinstance(item, Numbered) and isinstance(item.event, TitleChanged):
                    seen.append(item.event.title)  # noqa: PERF401  what came before the refusal counts
    except NotAllowed:
        return seen
    raise AssertionError("the stream ended by itself")


DOORS = pytest.mark.parametrize("door", ["here", "socket"])


@DOORS
async def test_a_share_that_is_taken_back_ends_the_stream_before_the_next_event(here: House, door: str) -> None:
    async with one_core(here, door, ServiceParts(here.manager)) as core:
        session_id = await shared(core)
        async with aclosing(core.follow(unchanging(OTHER), session_id, 0)) as feed:
            await rename(core, session_id, "before")
            async for item in feed:
                if isinstance(item, Numbered) and isinstance(item.event, TitleChanged):
                    break
            await core.perform(OWNER, c.Share(session_id=session_id, grantee="discord:2", level=None))
            await rename(core, session_id, "secret")
            assert await titles_until_refused(feed) == []


@DOORS
async def test_a_role_that_is_gone_ends_the_stream_even_while_nothing_happens(here: House, door: str) -> None:
    async with one_core(here, door, ServiceParts(here.manager, ask_again_s=0.02)) as core:
        session_id = await shared(core, "discord:role:9")
        somebody = PEOPLE[OTHER.user_id]
        async with aclosing(core.follow(somebody.now, session_id, 0)) as feed:
            coming = asyncio.create_task(titles_until_refused(feed))
            await somebody.was_asked.wait()
            somebody.actor = replace_groups(OTHER)
            assert await coming == []


def replace_groups(actor: Actor) -> Actor:
    return Actor(actor.user_id, actor.face, actor.role)


async def test_a_replayed_change_of_shares_asks_nobody_and_a_new_one_asks_once(here: House) -> None:
    core = SessionService(ServiceParts(here.manager))
    session_id = await shared(core)
    for level in (ShareLevel.PROMPT, ShareLevel.APPROVE, ShareLevel.VIEW):
        await core.perform(OWNER, c.Share(session_id=session_id, grantee="discord:2", level=level))
    somebody = Somebody(OTHER)
    async with aclosing(core.follow(somebody.now, session_id, 0)) as feed:
        changes = 0
        async for item in feed:
            changes += isinstance(item, Numbered) and isinstance(item.event, SharesChanged)
            if changes == 4:
                break
        assert somebody.asked == 1
        await core.perform(OWNER, c.Share(session_id=session_id, grantee="discord:3", level=ShareLevel.VIEW))
        await anext(feed)
        assert somebody.asked == 2


async def test_a_source_that_cannot_say_who_it_is_is_a_no(here: House) -> None:
    core = SessionService(ServiceParts(here.manager))
    session_id = await shared(core)

    async def lost() -> Actor:
        raise ConnectionError("Discord does not answer")

    with pytest.raises(ConnectionError):
        await anext(core.follow(lost, session_id, 0))


async def given(core: c.Core, actor: Actor, command: c.Command[object]) -> object:
    """Have the core do what the command wishes, by the door that it takes."""
    match command:
        case c.PutFile():
            return await core.put_file(actor, command, nothing())
        case c.GetFile():
            return await anext(core.get_file(actor, command))
        case _:
            return await core.perform(actor, command)


async def nothing() -> AsyncGenerator[bytes, None]:
    for never in list[bytes]():
        yield never


@pytest.mark.parametrize("role", [Role.USER, Role.VIEWER, Role.NOBODY])
async def test_a_foreign_id_and_a_missing_one_can_be_answered_alike(here: House, role: Role) -> None:
    core = SessionService(ServiceParts(here.manager))
    foreign = (await core.perform(OWNER, c.CreateSession(channel_id="c", key="place"))).id
    missing = "01890000-0000-7000-8000-000000000009"
    stranger = Actor("discord:9", "discord", role)
    alike = (NotAllowed,) if role is Role.NOBODY else UNSEEN
    kinds = set()
    for session_id in (foreign, missing, "../x"):
        for command in of_session(session_id):
            with pytest.raises(alike) as caught:
                await given(core, stranger, command)
            kinds.add(caught.type)
        with pytest.raises(alike) as caught:
            await anext(core.follow(unchanging(stranger), session_id, 0))
    for key in ("place", "elsewhere"):
        with pytest.raises(alike):
            await core.perform(stranger, c.FindSession(key=key))
    assert kinds == ({NotAllowed} if role is Role.NOBODY else {SessionHidden, SessionNotFound})

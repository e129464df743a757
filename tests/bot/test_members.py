"""Roles are asked of Discord: one that is taken away there, and nowhere else, ends what it allowed."""

import asyncio
from contextlib import aclosing

import pytest

from api import Rename, Share
from api.access import Role
from bot.actors import core_id
from service import ServiceParts, SessionService
from sessions.errors import NotAllowed
from sessions.events import Feed
from sessions.model import ShareLevel
from tests.bot.ways import ADMIN, Ways, core, fake, town, ways
from tests.sessions.running_core import DEADLINE_S

__all__ = ["core", "fake", "town", "ways"]


async def test_a_role_taken_away_in_discord_ends_the_stream_that_it_allowed(ways: Ways) -> None:
    _, session = await ways.started(ways.town.ann, "demo:text hi")
    group = core_id(ways.town.users.id)
    await ways.core.do(Share(session_id=session.id, grantee=group, level=ShareLevel.VIEW))
    service = SessionService(ServiceParts(ways.core.manager, ask_again_s=0.05))
    bob = ways.client.members.source(ways.town.bob.id, ways.fake.home.id)
    came: list[Feed] = []
    first = asyncio.Event()

    async def follow() -> None:
        async with aclosing(service.follow(bob, session.id, 0)) as feed:
            async for item in feed:
                came.append(item)
                first.set()

    following = asyncio.create_task(follow())
    await asyncio.wait_for(first.wait(), DEADLINE_S)
    ways.town.bob.join(ways.fake.home, roles=())
    with pytest.raises(NotAllowed):
        await asyncio.wait_for(following, DEADLINE_S)
    before = len(came)
    await service.perform(ADMIN, Rename(session_id=session.id, title="secret"))
    assert len(came) == before


async def test_who_has_left_the_server_is_nobody_and_is_asked_for_again(ways: Ways) -> None:
    members, home = ways.client.members, ways.fake.home
    ann = members.source(ways.town.ann.id, home.id)
    assert (await ann()).role is Role.USER
    del home.members[ways.town.ann.id]
    assert (await ann()).role is Role.NOBODY
    assert (await members.source(ways.town.robot.id, home.id)()).role is Role.NOBODY

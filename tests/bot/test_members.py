"""Roles are asked of Discord: one that is taken away there, and nowhere else, ends what it allowed."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from msgspec.structs import replace

from api import Rename, Share
from api.access import Role
from bot.actors import core_id, discord_id
from service import ServiceParts, SessionService
from service.exporting import export_session
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


@pytest.mark.parametrize("taken", ["role", "share"])
async def test_a_right_taken_away_while_an_export_is_made_keeps_the_file_back(
    ways: Ways, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text hi")
    bob, group = ways.town.bob, core_id(ways.town.users.id)
    share = Share(session_id=session.id, grantee=group, level=ShareLevel.VIEW)
    await ways.core.do(share)

    async def taken_meanwhile(*arguments: Any, **options: Any) -> bytes:
        if taken == "role":
            bob.join(ways.fake.home, roles=())
        else:
            await ways.core.do(replace(share, level=None))
        return await export_session(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("service.exporting.export_session", taken_meanwhile)
        refused = await bob.slash(thread, "files export").settled()
    assert refused.reply is not None
    assert not refused.reply.attachments
    bob.join(ways.fake.home, roles=(ways.town.users,))
    await ways.core.do(share)
    given = await bob.slash(thread, "files export").settled()
    assert given.reply is not None
    assert given.reply.attachments


def test_a_name_of_any_length_is_a_discord_id_or_none() -> None:
    assert discord_id("discord:1372000000000000001") == 1372000000000000001
    assert discord_id(f"discord:{'9' * 5_000}") is None
    assert discord_id("terminal:1") is None

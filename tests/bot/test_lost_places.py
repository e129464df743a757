"""A thread that is deleted or locked: its session goes on; its owner learns it once and brings it elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.client import BridgeClient
from bot.view import View
from sessions.session import Session
from tests.bot.room import FAST
from tests.bot.ways import Town, Ways, core, fake, town, ways, ways_in
from tests.fakes.discord_server import FakeDiscord, Place
from tests.fakes.discord_server.permissions import Permission
from tests.sessions.running_core import RunningCore, idle, until

__all__ = ["core", "fake", "town", "ways"]


@asynccontextmanager
async def all_of_it(fake: FakeDiscord, core: RunningCore, town: Town) -> AsyncIterator[Ways]:
    """The face with its view."""
    views: list[View] = []

    def make_view(client: BridgeClient) -> View:
        views.append(View(client, core.service, core.db, options=FAST))
        return views[0]

    async with ways_in(fake, core, town, make_view=make_view) as ways, views[0]:
        yield ways


async def busy(ways: Ways) -> tuple[Place, Session]:
    """A session of Ann's in whose thread Claude works until the gate is opened."""
    prompt = "demo:text begun\ndemo:gate held\ndemo:text done"
    await ways.town.ann.slash(ways.fake.general, "claude", prompt=prompt).settled()
    thread = await ways.fake.general.wait_for_thread()
    session = await ways.session_in(thread)
    await until((ways.core.claude / "gates" / "held.reached").exists)
    await thread.wait_for_message("begun")
    return thread, session


async def test_the_owner_of_a_session_whose_thread_is_deleted_is_told_and_brings_it_elsewhere(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with all_of_it(fake, core, town) as ways:
        thread, session = await busy(ways)
        thread.delete()
        (core.claude / "gates" / "held").touch()
        told = await fake.dm(town.ann).wait_for_message("was deleted")
        assert "/session resume" in told.text
        await idle(session)
        other = fake.channel("other")
        outcome = await town.ann.slash(other, "session resume", session=session.id).settled()
        again = await other.wait_for_thread()
        assert f"<#{again.id}>" in outcome.text
        await again.wait_for_message("done")
        town.ann.send(again, "demo:text and on")
        await again.wait_for_message("and on")
        assert len(fake.dm(town.ann).from_bot) == 1


async def test_a_locked_thread_is_told_of_once_however_often_the_bot_starts(
    fake: FakeDiscord, core: RunningCore, town: Town
) -> None:
    async with all_of_it(fake, core, town) as ways:
        thread, session = await busy(ways)
        fake.general.allow(fake.bot, deny=Permission.MANAGE_THREADS)
        thread.archive(locked=True)
        (core.claude / "gates" / "held").touch()
        told = await fake.dm(town.ann).wait_for_message("locked")
        assert f"<#{thread.id}>" in told.text
        await idle(session)
    await fake.until_gone()
    async with all_of_it(fake, core, town) as ways:
        outcome = await town.ann.slash(fake.general, "session resume", session=session.id).settled()
        again = next(each for each in fake.general.threads if each.id != thread.id)
        assert f"<#{again.id}>" in outcome.text
        await again.wait_for_message("done")
        assert len(fake.dm(town.ann).from_bot) == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_only_sessions_that_go_on_are_told_of(ways: Ways, *, ended: bool) -> None:
    thread, session = await ways.started(ways.town.ann, "demo:text first")
    if ended:
        await ways.core.manager.clear_session(session.id)
    for _ in range(2):
        await ways.client.on_channel_closed(thread.id, 10003)
    assert len(ways.fake.dm(ways.town.ann).from_bot) == (0 if ended else 1)

"""A thread with a session in it, and the view that shows it, for one test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord.http
import pytest

from bot.rate_limits import keep_to_buckets
from bot.view import View, ViewOptions
from tests.bot.stage import Actors, Stage, stage
from tests.fakes.discord_server import FakeDiscord, Person, Place, RateSettings
from tests.fakes.discord_server.fixtures import fake_discord, logged_in

FAST = ViewOptions(
    edit_interval_s=0.02,
    first_edits_s=0.02,
    first_post_after_s=0.02,
    queue_post_after_s=0.2,
    status_every_s=0.02,
)


class _BriefSleeps:
    """The module `asyncio`, but sleeps take a twentieth of their time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@pytest.fixture
async def patient(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDiscord]:
    """A fake Discord without rate limits, for tests that are about something else.

    After a failure, discord.py and the pump try again soon: discord.py would wait 1, 3, 5, … seconds.
    """
    monkeypatch.setattr(discord.http, "asyncio", _BriefSleeps())
    monkeypatch.setattr("bot.pump._FIRST_WAIT_S", 0.05)
    async with fake_discord(FakeDiscord(rates=RateSettings(enabled=False))) as running:
        yield running


@dataclass
class Room:
    """`session` lives in `thread`, which belongs to `owner`."""

    fake: FakeDiscord
    stage: Stage
    view: View
    owner: Person
    thread: Place
    session: Actors

    @property
    def posts(self) -> list[str]:
        """The texts of the bot's messages but the status card, oldest first."""
        return [message.text for message in self.thread.from_bot[1:]]

    async def settled(self) -> None:
        await self.view.settled()


@asynccontextmanager
async def room(fake: FakeDiscord, path: Path, options: ViewOptions = FAST) -> AsyncIterator[Room]:
    """A new session in a thread of its own, shown."""
    owner = fake.member("ann")
    thread = owner.start_thread(fake.general, "Fix the login")
    async with stage(path) as core, watched(fake, core, options) as view:
        session = await core.session(thread.id, owner.id)
        await view.show(await core.place(session.id))
        await view.settled(session.id)
        yield Room(fake, core, view, owner, thread, session)


@asynccontextmanager
async def watched(fake: FakeDiscord, core: Stage, options: ViewOptions = FAST) -> AsyncIterator[View]:
    """A view on `core`, through a client of its own."""
    async with logged_in(fake) as client:
        keep_to_buckets(client)
        async with View(client, core, core.db, options=options, clock=core.clock) as view:
            yield view

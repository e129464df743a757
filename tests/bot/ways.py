"""The ways into the Discord face: real discord.py on the fake Discord, a real core on the scripted CLI.

The view is left out: `SeenView` only remembers what it was told. `Town` has people of every kind.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import discord
import pytest

from api import ReadTurns, TurnView
from bot.actors import AccessPolicy, core_id
from bot.client import BridgeClient
from bot.face import Face, FaceOptions, Shown
from bot.rows import Place as SessionPlace
from bot.rows import places_in
from bot.scopes import SessionScope
from sessions.session import Session
from tests.fakes.discord_server import FakeDiscord, Person, Place
from tests.fakes.discord_server.fixtures import connected, fake
from tests.sessions.running_core import ADMIN, DEADLINE_S, RunningCore, idle, running_core


@dataclass
class SeenView:
    """A view that remembers its calls."""

    shown: list[SessionPlace] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    chosen: list[tuple[str, str, str]] = field(default_factory=list)

    async def show(self, place: SessionPlace) -> None:
        self.shown.append(place)

    def changed(self, session_id: str) -> None:
        self.changes.append(session_id)

    async def choose_alternative(self, session_id: str, root_turn: str, turn_id: str) -> None:
        self.chosen.append((session_id, root_turn, turn_id))


class Town:
    """A server with people of every kind; `policy` is what the settings would say of them."""

    def __init__(self, fake: FakeDiscord) -> None:
        self.users = fake.role("users")
        self.viewers = fake.role("viewers")
        self.boss = fake.member("boss")
        self.ann = fake.member("ann")
        self.bob = fake.member("bob", self.users)
        self.vic = fake.member("vic", self.viewers)
        self.mel = fake.member("mel")
        self.robot = fake.person("robot", guild=fake.home, bot=True)
        self.policy = AccessPolicy(
            guild_ids=frozenset({fake.home.id}),
            user_ids=frozenset({self.ann.id}),
            role_ids=frozenset({self.users.id}),
            viewer_role_ids=frozenset({self.viewers.id}),
            admin_ids=frozenset({self.boss.id}),
        )


@dataclass
class Ways:
    """A running face without its view."""

    fake: FakeDiscord
    core: RunningCore
    town: Town
    client: BridgeClient
    view: SeenView

    async def dealt_with(self) -> None:
        """Wait until every message that came in was dealt with."""
        async with asyncio.timeout(DEADLINE_S):
            await self.client.caught_up.wait()
            await self.client.inbox.idle.wait()

    async def waiting(self, count: int) -> None:
        """Wait until the inbox has `count` messages that wait."""
        async with asyncio.timeout(DEADLINE_S):
            new = "SELECT 1 FROM inbox WHERE status = 'new'"
            while len(await self.core.db.read(new)) < count:  # noqa: ASYNC110 (there is no event)
                await asyncio.sleep(0.01)

    async def session_in(self, place: Place) -> Session:
        """The session of a thread or channel, once there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while not (found := await places_in(self.core.db, place.id)):  # noqa: ASYNC110 (there is no event)
                await asyncio.sleep(0.01)
        return await self.core.manager.get_session(found[0].session_id)

    async def started(self, by: Person, prompt: str, where: Place | None = None) -> tuple[Place, Session]:
        """A session that `by` starts with `/claude`, once Claude has answered."""
        where = where or self.fake.general
        known = {thread.id for thread in where.threads}
        await by.slash(where, "claude", prompt=prompt).settled()
        thread = await where.wait_for_thread(lambda each: each.id not in known)
        session = await self.session_in(thread)
        await idle(session)
        return thread, session

    async def turns(self, session: Session) -> list[TurnView]:
        """All turns, oldest first."""
        page = await self.core.do(ReadTurns(session_id=session.id, limit=100))
        return list(reversed(page.turns))

    async def prompts(self, session: Session) -> list[str]:
        return [view.turn.prompt for view in await self.turns(session)]


def options(fake: FakeDiscord, scope: str = "thread") -> FaceOptions:
    return FaceOptions(
        scope=SessionScope(scope), file_hosts=frozenset({urlsplit(fake.url).netloc}), words_patience_s=0.3
    )


@asynccontextmanager
async def ways_in(
    fake: FakeDiscord,
    core: RunningCore,
    town: Town,
    face_options: FaceOptions | None = None,
    *,
    caught_up: bool = True,
    make_view: Callable[[Any], Shown] | None = None,
) -> AsyncIterator[Ways]:
    """The face's ways in, connected and (unless told otherwise) caught up; closed gracefully at the end."""
    view = SeenView()

    def make_face(client: discord.Client) -> Face:
        return Face(
            core=core.service,
            db=core.db,
            view=view if make_view is None else make_view(client),
            access=town.policy,
            now_ms=core.manager.now_ms,
            options=face_options or options(fake),
        )

    async def freely() -> None:
        pass

    client = BridgeClient(make_face, freely, guild_ready_timeout=0.02)
    async with connected(fake, client):
        ways = Ways(fake, core, town, client, view)
        if caught_up:
            await ways.dealt_with()
        yield ways


# --- fixtures: a test module imports what it wants of them ------------------------------------------------


@pytest.fixture
def town(fake: FakeDiscord) -> Town:
    return Town(fake)


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[RunningCore]:
    """A core on the scripted CLI."""
    async with running_core(tmp_path / "core") as running:
        yield running


@pytest.fixture
async def ways(fake: FakeDiscord, core: RunningCore, town: Town) -> AsyncIterator[Ways]:
    """The face's ways in, connected."""
    async with ways_in(fake, core, town) as running:
        yield running


__all__ = ["ADMIN", "SeenView", "Town", "Ways", "core", "core_id", "fake", "options", "town", "ways", "ways_in"]

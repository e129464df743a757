"""A core of the test's own behind a control socket, and clients of it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

import api as c
from api.access import Action, Actor, ActorSource
from bridge import control_socket
from bridge.control import ControlServer
from bridge.control_client import ControlClient, connected
from sessions import errors
from sessions import events as e
from sessions.model import Attachment, SessionId
from sessions.topics import Topic

R = TypeVar("R")
ME = control_socket.local_actor()
SESSION = SessionId("01890000-0000-7000-8000-000000000001")


class FakeCore:
    """Answers with what `answer` is set to; its feed is `produced` events, counted as they are taken."""

    def __init__(self) -> None:
        self.asked: list[tuple[Actor, c.Command[Any]]] = []
        self.ended_early = False
        self.files: dict[tuple[str, str], bytes] = {}
        self.asked_rights: list[tuple[Actor, Action, str]] = []
        self.answer: Any = c.Stopped(True)
        self.waits = asyncio.Event()
        self.waits.set()
        self.produced: list[e.Feed] = []
        self.endless = False
        self.taken = 0
        self.following = 0

    async def perform(self, actor: Actor, command: c.Command[R]) -> R:
        self.asked.append((actor, command))
        await self.waits.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return cast("R", self.answer)

    async def may(self, actor: Actor, action: Action, session_id: str) -> bool:
        self.asked_rights.append((actor, action, session_id))
        return session_id == SESSION

    async def put_file(self, actor: Actor, wish: c.PutFile, content: AsyncIterable[bytes]) -> Attachment:
        try:
            data = b"".join([piece async for piece in content])
        except errors.CoreLost:
            self.ended_early = True
            raise
        self.files[wish.folder, wish.name] = data
        return Attachment(f"{wish.folder}/{wish.name}", wish.name, wish.media_type, len(data))

    async def get_file(self, actor: Actor, wish: c.GetFile) -> AsyncGenerator[bytes, None]:
        folder, _, name = wish.path.partition("/")
        if (folder, name) not in self.files:
            raise errors.FileRefused(name, "is not there.")
        data = self.files[folder, name]
        for begin in range(0, len(data), 100_000):
            yield data[begin : begin + 100_000]

    def follow_all(
        self, who: ActorSource, after: c.Position | None, *, growing: bool = True
    ) -> AsyncGenerator[c.FeedOfAll, None]:
        raise NotImplementedError

    async def follow(self, who: ActorSource, session_id: str, after: int) -> AsyncGenerator[e.Feed, None]:
        self.following += 1
        try:
            if session_id != SESSION:
                raise errors.SessionNotFound(session_id)
            for item in self.produced[after:]:
                self.taken += 1
                yield item
            number = 0
            while self.endless:
                number += 1
                self.taken += 1
                yield e.Numbered(SESSION, number, 0, e.Noticed(Topic.OTHER, "x" * 100_000))
            await asyncio.Event().wait()
        finally:
            self.following -= 1


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
async def core(data_dir: Path) -> AsyncIterator[FakeCore]:
    core = FakeCore()
    async with ControlServer(core, data_dir):
        yield core


@pytest.fixture
async def client(core: FakeCore, data_dir: Path) -> AsyncIterator[ControlClient]:
    async with connected(data_dir) as client:
        yield client

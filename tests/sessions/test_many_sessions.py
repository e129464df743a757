"""The work of a start and of a cache grows with the sessions, not with pairs of them."""

import uuid
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from backends.base import HostRef
from sessions.dependencies import Dependencies
from sessions.loaded_sessions import CACHED_SESSIONS, LoadedSessions
from sessions.model import SessionId
from sessions.session import Session, SessionOwner
from storage import Database
from tests.fakes.fake_backend import FakeBackend, FakeHost
from tests.sessions.kit import house


async def test_a_start_attaches_to_each_known_host_once(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached: list[HostRef] = []
    attach = FakeBackend.attach

    async def counted(backend: FakeBackend, ref: HostRef) -> FakeHost:
        attached.append(ref)
        return await attach(backend, ref)

    async with house(db, tmp_path) as here:
        for number in range(3):
            await (await here.session(f"c{number}")).wake()
        monkeypatch.setattr(FakeBackend, "attach", counted)
        await here.restart()
        assert len(attached) == len(set(attached)) == 3


class Asked:
    """Sessions that are all needed until `needed` is empty, and how often that was asked."""

    def __init__(self) -> None:
        self.needed: set[SessionId] = set()
        self.times = 0
        nothing = cast("Dependencies", SimpleNamespace(db=None))
        nobody = cast("SessionOwner", None)
        make = partial(Session, around=nothing, owner=nobody)
        self.cache = LoadedSessions(cast("Database", None), make, self.is_needed)

    def is_needed(self, session: Session) -> bool:
        self.times += 1
        return session.id in self.needed

    def make(self, count: int, *, needed: bool) -> None:
        for _ in range(count):
            session_id = SessionId(str(uuid.uuid4()))
            if needed:
                self.needed.add(session_id)
            self.cache.new(session_id)


def test_a_cache_full_of_needed_sessions_does_not_look_at_all_of_them_for_each() -> None:
    asked = Asked()
    asked.make(4 * CACHED_SESSIONS, needed=True)
    assert len(asked.cache.all()) == 4 * CACHED_SESSIONS
    assert asked.times < 16 * 4 * CACHED_SESSIONS


def test_a_cache_shrinks_once_its_sessions_are_not_needed_any_more() -> None:
    asked = Asked()
    asked.make(4 * CACHED_SESSIONS, needed=True)
    asked.needed.clear()
    asked.make(CACHED_SESSIONS // 2, needed=False)
    assert len(asked.cache.all()) <= CACHED_SESSIONS

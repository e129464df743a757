"""An exported session to import, and what is stored after it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

import api as c
from sessions.errors import ImportRefused
from sessions.model import AllowSession, ExportFormat
from tests.sessions.running_core import RunningCore, idle, reached, running_core

Json = dict[str, Any]


async def exported(core: RunningCore, session_id: str) -> bytes:
    file = await core.do(c.ExportSession(session_id=session_id, format=ExportFormat.JSON))
    assert isinstance(file, c.ExportedFile)
    return file.data


async def talk(core: RunningCore) -> str:
    """A session with two prompts, one of them asked again, a tool that was allowed, and costs."""
    session = await core.session()
    await core.ask(session, "demo:text one")
    await core.do(c.Regenerate(session_id=session.id, origin="again"))
    await idle(session)
    await core.say(session, "demo:bash touch made demo:text two")
    asked = await reached(session, lambda snapshot: bool(snapshot.asks))
    await core.do(c.AnswerAsk(session_id=session.id, ask_id=asked.asks[0].id, decision=AllowSession()))
    await idle(session)
    return session.id


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole, good file with turns, blocks, asks and a transcript."""

    async def make() -> bytes:
        async with running_core(tmp_path_factory.mktemp("good") / "core") as core:
            return await exported(core, await talk(core))

    return asyncio.run(make())


def changed(good: bytes, change: Callable[[Json], object]) -> bytes:
    body = json.loads(good)
    change(body)
    return json.dumps(body).encode()


async def everything(core: RunningCore) -> object:
    """All rows but the audit, and all files, so that a change shows."""
    tables = ("sessions", "turns", "blocks", "asks", "events", "hosts", "inputs")
    counts = [await core.db.read_one(f"SELECT count(*) FROM {table}") for table in tables]
    files = sorted(
        str(path) for path in core.directory.rglob("*") if path.is_file() and "sessions.db" not in path.name
    )
    return [tuple(row) for row in counts if row], files


async def refused(core: RunningCore, data: bytes) -> str:
    """Import `data`, which must be refused with a sentence and change nothing; the sentence."""
    before = await everything(core)
    with pytest.raises(ImportRefused) as caught:
        await core.do(c.ImportSession(channel_id="d", data=data))
    assert await everything(core) == before
    assert str(caught.value).endswith(".")
    assert str(core.directory) not in str(caught.value)
    return str(caught.value)

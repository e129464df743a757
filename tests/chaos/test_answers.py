"""Found by random kills: Claude's list of open asks can be older than an answer that is on its way."""

import asyncio
import os
import signal
from pathlib import Path

from backends.directory import host_directories
from sessions.claude.lines import ControlSucceeded, PermissionAsked
from sessions.interpreter import Moment
from sessions.model import Allow
from sessions.rows import load_ask
from tests.sessions.running_core import running_core


async def test_an_ask_that_was_answered_is_not_opened_again_by_an_older_list(tmp_path: Path) -> None:
    async with running_core(tmp_path / "c") as here:
        session = await here.session()
        await here.say(session, "demo:bash touch x")
        async with asyncio.timeout(60):
            snapshot = await session.until(lambda snapshot: bool(snapshot.asks))
        ask, run = snapshot.asks[0], session.run
        assert run is not None
        pids = next(host_directories(here.run)).pids()
        assert pids is not None
        os.kill(pids.program.pid, signal.SIGSTOP)
        try:
            await session.answer(ask.id, Allow(), by="ann")
            stale = ControlSucceeded("any", {}, (PermissionAsked(ask.request_id, "t", "Bash", {}),))
            async with session.change() as draft:
                await run._greeted(draft, stale, Moment(run.number, 1, draft.at_ms))
        finally:
            os.kill(pids.program.pid, signal.SIGCONT)
        async with asyncio.timeout(60):
            await session.until(lambda snapshot: snapshot.is_idle)
        stored = await load_ask(here.db, ask.id)
        assert stored is not None
        assert stored.status == "decided"

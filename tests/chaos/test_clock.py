"""Fault 9: the wall clock jumps by hours and days while sessions run. The machine's clock is never set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sessions.dependencies import Patience
from sessions.model import AskId
from sessions.rows import load_ask, load_events
from sessions.session import Session
from sessions.supervision import Vigilance
from tests.sessions.running_core import CoreParts, RunningCore, running_core

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
JUMPS = (*(pytest.param(each, marks=pytest.mark.soak) for each in (HOUR_S, -HOUR_S)), DAY_S, -DAY_S)
TIMEOUT_S = 600.0
SILENCE_S = 1000.0


class TwoClocks:
    """Both clocks, moved by hand; the wall clock also jumps alone, as when somebody sets it."""

    def __init__(self) -> None:
        self.passed_s = 1000.0
        self.set_s = 1_700_000_000.0

    def now_ms(self) -> int:
        return int((self.set_s + self.passed_s) * 1000)

    def monotonic(self) -> float:
        return self.passed_s


@asynccontextmanager
async def core(directory: Path, clock: TwoClocks) -> AsyncIterator[RunningCore]:
    async with running_core(
        directory,
        CoreParts(clock=clock),
        vigilance=Vigilance(round_s=3600, first_daily_s=3600, ask_timeout_s=TIMEOUT_S),
        patience=Patience(start_s=30, request_s=30, stop_s=5, idle_s=SILENCE_S),
    ) as made:
        yield made


async def asking(here: RunningCore) -> tuple[Session, AskId]:
    session = await here.session()
    await here.say(session, "demo:bash touch x")
    async with asyncio.timeout(60):
        snapshot = await session.until(lambda snapshot: bool(snapshot.asks))
    return session, snapshot.asks[0].id


async def status_of(here: RunningCore, ask_id: AskId) -> str:
    stored = await load_ask(here.db, ask_id)
    assert stored is not None
    return stored.status


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_an_ask_times_out_by_the_time_that_passes_not_by_the_time_that_is_set(
    tmp_path: Path, jump_s: float
) -> None:
    clock = TwoClocks()
    async with core(tmp_path / "c", clock) as here:
        session, ask_id = await asking(here)
        look_after = here.manager._supervisor._look_after
        await look_after(session)
        clock.set_s += jump_s
        await look_after(session)
        assert await status_of(here, ask_id) == "open", "too early"
        clock.passed_s += TIMEOUT_S
        await look_after(session)
        assert await status_of(here, ask_id) == "decided", "never"
        async with asyncio.timeout(60):
            await session.until(lambda snapshot: snapshot.is_idle)


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_a_session_is_parked_by_the_time_that_passes_and_order_is_kept(
    tmp_path: Path, jump_s: float
) -> None:
    clock = TwoClocks()
    async with core(tmp_path / "c", clock) as here:
        session = await here.session()
        await here.ask(session, "demo:text one")
        clock.set_s += jump_s
        assert session.run is not None
        assert not session.run.sender._is_forgotten(), "too early"
        await here.ask(session, "demo:text two")
        later = await here.session()
        assert later.id > session.id
        clock.passed_s += SILENCE_S
        assert session.run.sender._is_forgotten(), "never"
        events = await load_events(here.db, session.id, after=0)
        assert [each.number for each in events] == list(range(1, len(events) + 1))
        blocks = [each.event for each in events if type(each.event).__name__ == "BlockAdded"]
        assert len(blocks) == 2

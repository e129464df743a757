"""Rounds of the supervisor on a clock moved by hand: asks that stay open, a Claude without a sign of life."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backends.base import HostUsage, LeftRunning
from sessions import events as e
from sessions.left_processes import left_process
from sessions.model import Activity, Blocker, Lifecycle, SessionId, TurnStatus
from sessions.rows import load_ask
from sessions.session import Session
from sessions.state import Snapshot
from sessions.supervision import Supervisor, Vigilance
from tests.sessions.running_core import DEADLINE_S, CoreParts, RunningCore, idle, reached, running_core, until


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Watched:
    """A core, its clock, and a supervisor whose rounds a test goes itself. `waiting` others want a place."""

    def __init__(self, core: RunningCore, clock: HandClock, vigilance: Vigilance) -> None:
        self.core = core
        self.clock = clock
        self.waiting = 0
        self.dailies = 0
        self.supervisor = Supervisor(vigilance, core.manager.loaded, lambda _: bool(self.waiting), self._daily)

    async def _daily(self) -> None:
        self.dailies += 1

    async def round(self, session: Session, after_s: float) -> None:
        self.clock.seconds += after_s
        await self.supervisor._look_after(session)


@asynccontextmanager
async def watched(directory: Path, vigilance: Vigilance) -> AsyncIterator[Watched]:
    clock = HandClock()
    async with running_core(directory, CoreParts(clock=clock)) as core:
        yield Watched(core, clock, vigilance)


async def asking(core: RunningCore) -> Session:
    session = await core.session()
    await core.say(session, "demo:bash touch made")
    await reached(session, lambda snapshot: bool(snapshot.asks))
    return session


async def ask_status(core: RunningCore, session: Session) -> tuple[str, str]:
    rows = await core.db.read("SELECT id FROM asks WHERE session_id = ?", (session.id,))
    stored = await load_ask(core.db, rows[0][0])
    assert stored is not None
    return stored.status, stored.decided_by


async def test_an_ask_is_reminded_of_once_at_half_time_and_denied_at_the_end(tmp_path: Path) -> None:
    async with watched(tmp_path, Vigilance(ask_timeout_s=600)) as house:
        session = await asking(house.core)
        await house.round(session, 299)
        assert await house.core.notices(session) == []
        for _ in range(3):
            await house.round(session, 1)
        assert await house.core.notices(session) == ["ask_reminder"]
        assert len(session.snapshot.asks) == 1
        await house.round(session, 300)
        await idle(session)
        assert await ask_status(house.core, session) == ("decided", "timeout")
        assert not (Path(session.snapshot.work_directory) / "made").exists()


async def test_without_a_timeout_an_ask_stays_open(tmp_path: Path) -> None:
    async with watched(tmp_path, Vigilance(ask_timeout_s=None, ask_park_s=60)) as house:
        session = await asking(house.core)
        await house.round(session, 30 * 86_400)
        assert len(session.snapshot.asks) == 1
        assert await house.core.notices(session) == []


async def test_an_ask_that_holds_a_place_others_wait_for_is_parked_and_asked_again(tmp_path: Path) -> None:
    async with watched(tmp_path, Vigilance(ask_park_s=3600)) as house:
        session = await asking(house.core)
        house.waiting = 1
        await house.round(session, 3599)
        assert session.snapshot.lifecycle is Lifecycle.LIVE
        first = session.snapshot.asks[0].id
        await house.round(session, 1)
        again = await reached(session, lambda snapshot: bool(snapshot.asks) and snapshot.asks[0].id != first)
        assert again.host == 2
        assert (await load_ask_status(house.core, first)) == "withdrawn"


async def load_ask_status(core: RunningCore, ask_id: str) -> str:
    row = await core.db.read_one("SELECT status FROM asks WHERE id = ?", (ask_id,))
    assert row is not None
    return str(row[0])


MAKE = LeftRunning(4711, "1", "make all")


class Stuck:
    """The answers of a stuck host; a test changes them."""

    usage = HostUsage(memory_bytes=1, cpu_s=1.0, processes=3)
    left: tuple[LeftRunning, ...] = ()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Stuck:
    told = Stuck()
    monkeypatch.setattr("backends.host.LocalHost.usage", lambda _: told.usage)
    monkeypatch.setattr("backends.host.LocalHost.left_running", lambda _: told.left)
    return told


async def working(core: RunningCore) -> Session:
    session = await core.session()
    await core.say(session, "demo:gate g demo:text through")
    await reached(session, lambda snapshot: snapshot.running is not None)
    await until((core.claude / "gates" / "g.reached").exists)
    log = core.run / session.id / "1" / "output.ndjson"
    await until(lambda: session.run is not None and session.run.log_bytes == log.stat().st_size)
    return session


async def test_no_output_no_cpu_and_no_child_for_long_is_no_progress(tmp_path: Path, stuck: Stuck) -> None:
    async with watched(tmp_path, Vigilance(no_progress_s=900)) as house:
        session = await working(house.core)
        for after_s in (450, 449):
            await house.round(session, after_s)
            assert session.snapshot.activity is Activity.WORKING
        await house.round(session, 1)
        assert (session.snapshot.activity, session.snapshot.blocker) == (Activity.BLOCKED, Blocker.NO_PROGRESS)
        await house.round(session, 1000)
        assert await house.core.notices(session) == ["no_progress"]

        turn = session.snapshot.running
        assert turn is not None
        (house.core.claude / "gates").mkdir(exist_ok=True)
        (house.core.claude / "gates" / "g").touch()
        await idle(session)
        assert await house.core.status(turn.turn_id) == TurnStatus.DONE


@pytest.mark.parametrize("sign", ["a tool that runs", "CPU time"])
async def test_a_tool_at_work_or_cpu_time_is_progress(sign: str, tmp_path: Path, stuck: Stuck) -> None:
    async with watched(tmp_path, Vigilance(no_progress_s=900)) as house:
        session = await working(house.core)
        await house.round(session, 460)
        if sign == "CPU time":
            stuck.usage = HostUsage(1, 500.0, 3)
        else:
            stuck.left = (MAKE,)
        await house.round(session, 500)
        assert session.snapshot.activity is Activity.WORKING
        stuck.left = ()
        await house.round(session, 899)
        assert session.snapshot.activity is Activity.WORKING
        await house.round(session, 1)
        assert session.snapshot.blocker is Blocker.NO_PROGRESS


async def test_a_sandbox_a_server_and_what_ran_before_the_turn_are_no_progress(
    tmp_path: Path, stuck: Stuck
) -> None:
    async with watched(tmp_path, Vigilance(no_progress_s=900)) as house:
        session = await working(house.core)
        stuck.usage, stuck.left = HostUsage(1, 1.0, processes=6), (MAKE,)
        async with session.change() as draft:
            draft.add(e.LeftRunningChanged((left_process(MAKE),)))
        await house.round(session, 460)
        await house.round(session, 440)
        assert session.snapshot.blocker is Blocker.NO_PROGRESS


async def test_a_silent_claude_is_asked_once_where_it_stands(tmp_path: Path, stuck: Stuck) -> None:
    async with watched(tmp_path, Vigilance(ask_again_s=30)) as house:
        session = await working(house.core)
        sent = house.core.run / session.id / "1" / "input.ndjson"

        async def greetings(after_s: float) -> int:
            await house.round(session, after_s)
            return sent.read_bytes().count(b'"initialize"')

        assert [await greetings(after_s) for after_s in (29, 1, 1, 300)] == [1, 2, 2, 2]
        assert session.snapshot.activity is Activity.WORKING


async def test_an_idle_session_is_never_stuck(tmp_path: Path, stuck: Stuck) -> None:
    async with watched(tmp_path, Vigilance(no_progress_s=900)) as house:
        session = await house.core.session()
        await house.core.ask(session, "demo:text hi")
        await house.round(session, 1e6)
        assert (session.snapshot.activity, session.snapshot.blocker) == (Activity.IDLE, None)


async def test_daily_work_is_done_although_it_fails_and_a_broken_session_stops_no_round(tmp_path: Path) -> None:
    done, looked, rounds = asyncio.Event(), asyncio.Event(), 0

    async def each_round() -> None:
        nonlocal rounds
        rounds += 1
        raise RuntimeError("broken")

    async def daily() -> None:
        done.set()
        raise RuntimeError("broken")

    class Broken:
        id = "broken"
        snapshot = Snapshot(SessionId("broken"))

        @property
        def run(self) -> object:
            raise RuntimeError("broken")

    class Seen(Broken):
        @property
        def run(self) -> object:
            looked.set()
            raise RuntimeError("seen")

    sessions = [Broken(), Seen()]
    supervisor = Supervisor(
        Vigilance(round_s=0.01, first_daily_s=0.01),
        lambda: sessions,  # type: ignore[arg-type, return-value]  # as much of a session as is looked at
        lambda _: False,
        daily,
        each_round,
    )
    task = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(done.wait(), looked.wait())
        await until(lambda: rounds > 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

"""The reserve of memory and disk: said in a sentence, and nothing starts below it."""

from pathlib import Path

import pytest

import machine
from sessions.machine_reserve import MachineReserve
from sessions.memory_relief import MemoryRelief
from sessions.model import Lifecycle, TurnStatus
from tests.sessions.running_core import CoreParts, idle, reached, running_core, until
from tests.sessions.test_supervision import HandClock

MEMINFO = "MemTotal:       100 kB\nMemAvailable:    2048 kB\nSwapFree: 9 kB\n"


@pytest.fixture
def meminfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of the system's, with 2 MB free."""
    path = tmp_path / "meminfo"
    path.write_text(MEMINFO)
    monkeypatch.setattr("machine.linux._MEMINFO", path)
    return path


@pytest.mark.parametrize(("reserve", "short"), [(0, False), (2 * 2**20, False), (2 * 2**20 + 1, True)])
def test_memory_is_short_below_the_reserve(reserve: int, short: bool, meminfo: Path, tmp_path: Path) -> None:
    sentence = MachineReserve(tmp_path, min_free_memory=reserve).memory_shortage()
    assert bool(sentence) is short
    if short:
        assert "2 MB" in sentence


def test_a_system_that_does_not_say_is_never_short(meminfo: Path, tmp_path: Path) -> None:
    meminfo.unlink()
    assert machine.this().free_memory() is None
    assert MachineReserve(tmp_path, min_free_memory=2**60).memory_shortage() == ""


@pytest.fixture
def pressure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of the system's; there is none at first."""
    path = tmp_path / "pressure"
    monkeypatch.setattr("machine.linux._PRESSURE", path)
    return path


PRESSED = "some avg10=12.50 avg60=1.00 avg300=0.00 total=9\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=1\n"


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        (PRESSED, True),
        (PRESSED.replace("12.50", "10.00"), True),
        (PRESSED.replace("12.50", "9.99"), False),
        (PRESSED.replace("some", "all"), False),
        ("some avg10=much", False),
        ("", False),
        (None, False),
    ],
)
def test_programs_that_wait_for_memory_press(
    text: str | None, needs: bool, pressure: Path, tmp_path: Path
) -> None:
    if text is not None:
        pressure.write_text(text)
    assert MachineReserve(tmp_path).needs_memory() is needs
    assert MachineReserve(tmp_path, min_free_memory=2**60).needs_memory()


async def test_under_pressure_the_longest_idle_session_is_parked_and_then_the_next(
    pressure: Path, tmp_path: Path
) -> None:
    clock = HandClock()
    async with running_core(tmp_path / "core", CoreParts(clock=clock)) as core:
        relief = MemoryRelief(MachineReserve(tmp_path), clock, core.manager.loaded)
        sessions = []
        for _ in range(3):
            sessions.append(await core.session())
            await core.ask(sessions[-1], "demo:text hi")
            clock.seconds += 15
        await core.say(sessions[0], "demo:gate g")
        await reached(sessions[0], lambda snapshot: snapshot.running is not None)
        parked = []
        for text in ("", PRESSED, PRESSED, PRESSED):
            pressure.write_text(text)
            await relief.look()
            parked.append([each.snapshot.lifecycle is Lifecycle.PARKED for each in sessions])
        nothing, second = [False, False, False], [False, True, False]
        assert parked == [nothing, second, second, second], "one works, one was used 15 s ago"
        clock.seconds += 5
        await relief.look()
        assert sessions[2].snapshot.lifecycle is Lifecycle.PARKED
        assert "memory" in sessions[2].snapshot.reason
        assert sessions[0].snapshot.running is not None


@pytest.mark.parametrize(("reserve", "short"), [(0, False), (2**60, True)])
def test_the_disk_is_short_below_the_reserve(reserve: int, short: bool, tmp_path: Path) -> None:
    sentence = MachineReserve(tmp_path, min_free_disk=reserve).disk_shortage()
    assert bool(sentence) is short
    assert str(tmp_path) not in sentence


async def test_a_prompt_waits_for_memory_says_so_once_and_goes_on(
    meminfo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = MachineReserve(tmp_path, min_free_memory=4 * 2**20, look_again_s=0.02)
    async with running_core(tmp_path / "core", resources=short) as core:
        session = await core.session()
        turn_id = await core.say(session, "demo:text hi")
        await core.noticed(session, "memory")
        looks = 0
        read_text = Path.read_text

        def count(path: Path, *arguments: str) -> str:
            nonlocal looks
            looks += path == meminfo
            return read_text(path, *arguments)

        monkeypatch.setattr(Path, "read_text", count)
        await until(lambda: looks > 3)
        assert (session.snapshot.holds_slot, await core.status(turn_id)) == (False, TurnStatus.QUEUED)
        meminfo.write_text(MEMINFO.replace("2048", "9999"))
        await idle(session)
        assert await core.status(turn_id) == TurnStatus.DONE
        assert (await core.notices(session)).count("memory") == 1


async def test_a_prompt_waits_for_disk_in_a_live_session_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shortage = [""]
    monkeypatch.setattr(MachineReserve, "disk_shortage", lambda _: shortage[0])
    impatient = MachineReserve(tmp_path, look_again_s=0.02)
    async with running_core(tmp_path / "core", resources=impatient) as core:
        session = await core.session()
        await core.ask(session, "demo:text first")
        shortage[0] = "The disk is full."
        turn_id = await core.say(session, "demo:text hi")
        await core.noticed(session, "disk")
        assert await core.status(turn_id) == TurnStatus.QUEUED
        shortage[0] = ""
        await reached(session, lambda snapshot: not snapshot.queue)
        await idle(session)
        assert await core.status(turn_id) == TurnStatus.DONE
        assert (await core.notices(session)).count("disk") == 1

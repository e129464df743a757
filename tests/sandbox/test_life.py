"""The life of a session whose Claude, the real CLI, runs in bubblewrap: each process is killed in turn.

At no moment do two Claudes run on one conversation, and after the end of a session no process of it is left.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import api as c
import machine
from backends import processes
from backends.directory import MARKER, HostDirectory, HostPids
from backends.sandbox.model import Mechanism
from bridge.demo.model import DemoModel
from machine import ProcessId
from sessions.model import Allow, Lifecycle, ToolOutput, TurnStatus
from sessions.session import Session
from tests.sandbox.world import measured, sandboxed_core
from tests.sessions.running_core import RunningCore, idle, reached, until

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(240)]

NETWORKS = pytest.mark.parametrize("network", ["open", pytest.param("model", marks=pytest.mark.soak)])
OTHER_WAYS = (("bwrap", "model"), ("landlock", "open"))
_EACH = ("at_idle", "in_a_turn", "at_an_ask")
ALL_PHASES = dict.fromkeys(("shell", "follower", "bwrap", "process 1 inside", "claude"), _EACH)
# If bwrap alone is killed, Claude lives on inside. The others end, or change nothing for Claude, at any time.
IN_THE_GATE = {
    "shell": ("at_an_ask",),
    "follower": ("in_a_turn",),
    "bwrap": _EACH,
    "process 1 inside": ("in_a_turn",),
    "claude": ("at_an_ask",),
}
SAMPLE_S, GATE_SAMPLE_S = 0.01, 0.04
"""A look at all processes costs milliseconds of CPU; a Claude takes ten times as long to start."""
YOUNG_S = 2.0
"""For so long after it is first seen, a process may still become a Claude."""
END_S = 5.0


def pids_of(core: RunningCore, session: Session) -> HostPids:
    pids = HostDirectory(core.run, session.id, session.snapshot.host).pids()
    assert pids is not None
    assert pids.sandbox is not None
    return pids


def claude_of(core: RunningCore, session: Session) -> ProcessId:
    sandbox = pids_of(core, session).sandbox
    assert sandbox is not None
    inside = processes.program_inside(sandbox, machine.this().read_table())
    assert inside is not None
    return inside


def host_pids(core: RunningCore, session: Session) -> HostPids:
    pids = HostDirectory(core.run, session.id, session.snapshot.host).pids()
    assert pids is not None
    return pids


VICTIMS: dict[str, Callable[[RunningCore, Session], ProcessId]] = {
    "shell": lambda core, session: pids_of(core, session).shell,
    "follower": lambda core, session: pids_of(core, session).follower,
    "bwrap": lambda core, session: pids_of(core, session).program,
    "process 1 inside": lambda core, session: pids_of(core, session).sandbox or pids_of(core, session).program,
    "claude": claude_of,
}
UNDER_LANDLOCK: dict[str, Callable[[RunningCore, Session], ProcessId]] = {
    "shell": lambda core, session: host_pids(core, session).shell,
    "follower": lambda core, session: host_pids(core, session).follower,
    "claude": lambda core, session: host_pids(core, session).program,
}
OUTLIVED = frozenset({"shell", "follower"})
"""Claude goes on when one of these dies."""


@dataclass
class Census:
    """Counts, every few milliseconds, how many Claudes run on each conversation; keeps the highest counts."""

    conversations: list[str] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    samples: int = 0
    _others: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        running: dict[str, int] = {}
        now, claudes = time.monotonic(), dict[str, list[bytes]]()
        for name in os.listdir("/proc"):  # noqa: PTH208 - often
            if not name.isdigit() or now - self._others.get(name, now) > YOUNG_S:
                continue
            with suppress(OSError):
                words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                if words[0].endswith(b"/claude"):
                    claudes[name] = words
                else:
                    self._others.setdefault(name, now)
        for name, words in claudes.items():
            # A child that Claude has just forked still shows Claude's own words.
            row = machine.this().read_process(int(name))
            if row is None or str(row.parent) in claudes:
                continue
            for conversation in self.conversations:
                if conversation.encode() in words:
                    running[conversation] = running.get(conversation, 0) + 1
        for conversation, count in running.items():
            self.most[conversation] = max(count, self.most.get(conversation, 0))
        self.samples += 1


@contextmanager
def census(conversations: list[str], sample_s: float) -> Iterator[Census]:
    taken, over = Census(conversations), threading.Event()

    def sample() -> None:
        while not over.wait(sample_s):
            taken.look()

    thread = threading.Thread(target=sample, name="census")
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


@pytest.fixture
async def demo() -> AsyncIterator[DemoModel]:
    async with DemoModel() as running:
        yield running


async def outputs(core: RunningCore, session: Session) -> list[str]:
    """Return the output of the session's tools, oldest first."""
    turns = reversed((await core.do(c.ReadTurns(session_id=session.id))).turns)
    return [each.block.shown for turn in turns for each in turn.blocks if isinstance(each.block, ToolOutput)]


async def allowed(session: Session) -> None:
    """Allow all that the session asks until it is idle."""
    while True:
        snapshot = await reached(session, lambda now: bool(now.asks) or (now.is_idle and not now.queue))
        if not snapshot.asks:
            return
        await session.answer(snapshot.asks[0].id, Allow(), by="ann")


async def gone(core: RunningCore, session: Session) -> float:
    """Clear the session, and return how long its last process lived after that."""
    number = session.snapshot.host
    await core.do(c.Clear(session_id=session.id))
    ended = time.monotonic()
    for each in range(1, number + 1):
        await until(lambda each=each: not machine.this().carrying(MARKER, f"{session.id}/{each}"))  # type: ignore[misc]
    return time.monotonic() - ended


@pytest.mark.parametrize(
    ("mechanism", "network", "phases"),
    [
        ("bwrap", "open", IN_THE_GATE),
        *(pytest.param(*each, ALL_PHASES, marks=pytest.mark.soak) for each in (("bwrap", "open"), *OTHER_WAYS)),
    ],
    ids=lambda each: each if isinstance(each, str) else ("gate" if each is IN_THE_GATE else "all"),
)
async def test_each_process_is_killed_at_idle_in_a_turn_and_at_an_open_ask(
    tmp_path: Path, demo: DemoModel, mechanism: str, network: str, phases: Mapping[str, Collection[str]]
) -> None:
    victims = VICTIMS if mechanism == "bwrap" else UNDER_LANDLOCK
    async with sandboxed_core(tmp_path, demo, sandbox=mechanism, sandbox_network=network) as core:
        sessions = {name: await core.session(name, name) for name in victims}
        await asyncio.gather(
            *(core.ask(session, "demo:text there", user=name) for name, session in sessions.items())
        )
        sample_s = GATE_SAMPLE_S if phases is IN_THE_GATE else SAMPLE_S
        conversations = [session.snapshot.conversation_id for session in sessions.values()]
        with census(conversations, sample_s) as taken:
            for phase in (at_idle, in_a_turn, at_an_ask):
                looked = taken.samples
                due = {name: each for name, each in sessions.items() if phase.__name__ in phases[name]}
                await asyncio.gather(*(phase(core, demo, name, each) for name, each in due.items()))
                # How often depends on the machine's speed.
                assert taken.samples > looked + 5, "nobody looked meanwhile"
        assert set(taken.most.values()) == {1}, "two Claudes ran on one conversation"
        assert max([await gone(core, session) for session in sessions.values()]) < END_S


def kill(core: RunningCore, name: str, session: Session) -> None:
    victims = VICTIMS if host_pids(core, session).sandbox is not None else UNDER_LANDLOCK
    os.kill(victims[name](core, session).pid, signal.SIGKILL)


async def at_idle(core: RunningCore, demo: DemoModel, name: str, session: Session) -> None:
    number = session.snapshot.host
    kill(core, name, session)
    if name not in OUTLIVED:
        await reached(session, lambda now: not now.holds_slot or now.host != number)
    turn = await core.ask(session, "demo:text again", user=name)
    assert await core.status(turn) is TurnStatus.DONE
    assert (session.snapshot.host == number) is (name in OUTLIVED), name


async def in_a_turn(core: RunningCore, demo: DemoModel, name: str, session: Session) -> None:
    gate = name.replace(" ", "-")
    await with_a_shell(core, session)
    turn = await core.say(session, f"demo:text before demo:gate {gate} demo:text after", user=name)
    await demo.reached(gate)
    number = session.snapshot.host
    kill(core, name, session)
    if name not in OUTLIVED:
        await reached(session, lambda now: not now.holds_slot or now.host != number)
    demo.release(gate)
    await idle(session)
    assert await core.status(turn) is TurnStatus.DONE, name


async def at_an_ask(core: RunningCore, demo: DemoModel, name: str, session: Session) -> None:
    await with_a_shell(core, session)
    await core.say(session, "demo:bash touch made && echo MADE", user=name)
    (ask,) = (await reached(session, lambda now: bool(now.asks))).asks
    number = session.snapshot.host
    kill(core, name, session)
    if name in OUTLIVED:
        await session.answer(ask.id, Allow(), by="ann")
        await idle(session)
        assert session.snapshot.host == number
    else:
        await reached(session, lambda now: not now.holds_slot or now.host != number)
        await allowed(session)
    assert any("MADE" in each for each in await outputs(core, session)), name


async def with_a_shell(core: RunningCore, session: Session) -> None:
    """Give the session a new host if the last phase killed the shell of this one."""
    if not processes.is_alive(host_pids(core, session).shell):
        await session.park("the shell is gone")


@NETWORKS
async def test_park_wake_freeze_and_what_hides_ends(tmp_path: Path, demo: DemoModel, network: str) -> None:
    async with sandboxed_core(tmp_path, demo, sandbox_network=network) as core:
        session = await core.session()
        await core.ask(session, "demo:text there")
        run = session.run
        assert run is not None
        assert run.host.launched().enclosure.mechanism is Mechanism.BWRAP
        claude = claude_of(core, session)
        assert run.host.usage().processes >= 5, "bwrap, its process 1 and Claude count"
        assert run.host.left_running() == []

        await measured(session)
        assert await run.host.freeze(lambda: True)
        await until(lambda: state_of(claude) == "T")
        await core.ask(session, "demo:text thawed")
        assert state_of(claude) != "T"

        # Without the marker, in a session of its own, and with no parent but the sandbox's process 1.
        hidden = "env -i setsid sh -c 'sleep 300 & echo $! > hidden' </dev/null >/dev/null 2>&1"
        await core.say(session, f"demo:bash {hidden} demo:text left")
        await allowed(session)
        work = Path(session.snapshot.work_directory)
        await until((work / "hidden").exists)
        assert [each.command.split()[0] for each in run.host.left_running()] == ["sleep"]
        sandbox = pids_of(core, session).sandbox
        await session.park("test")
        assert sandbox is not None
        assert not processes.is_alive(sandbox)
        await core.ask(session, "demo:text awake")
        assert session.snapshot.host == 2


def state_of(process: ProcessId) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[0]


async def test_a_path_that_the_sandbox_hides_is_named_once(
    tmp_path: Path, demo: DemoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.hidden_paths._SYSTEM", ("usr",))  # this test lies below /tmp
    outside = tmp_path / "notes"
    outside.mkdir()
    (outside / "list.txt").touch()
    async with sandboxed_core(tmp_path, demo) as core:
        session = await core.session()
        for _ in range(2):
            await core.say(session, f"demo:bash cat {outside}/list.txt || true")
            await reached(session, lambda now: not now.is_idle)
            await allowed(session)
        assert (await core.notices(session)).count("sandbox_hides") == 1


async def test_under_landlock_an_ask_survives_the_shell_and_the_session_parks_and_wakes(
    tmp_path: Path, demo: DemoModel
) -> None:
    async with sandboxed_core(tmp_path, demo, sandbox="landlock") as core:
        session = await core.session()
        await core.say(session, "demo:bash touch made && echo MADE")
        (ask,) = (await reached(session, lambda now: bool(now.asks))).asks
        assert session.run is not None
        assert session.run.enclosure.mechanism is Mechanism.LANDLOCK
        pids = HostDirectory(core.run, session.id, 1).pids()
        assert pids is not None
        assert pids.sandbox is None
        os.kill(pids.shell.pid, signal.SIGKILL)
        await session.answer(ask.id, Allow(), by="ann")
        await idle(session)
        assert any("MADE" in each for each in await outputs(core, session))
        await session.park("test")
        assert not processes.is_alive(pids.program)
        turn = await core.ask(session, "demo:text awake")
        assert await core.status(turn) is TurnStatus.DONE


async def test_a_demanded_sandbox_that_does_not_work_is_said_in_the_session(
    tmp_path: Path, demo: DemoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.sandboxing.find_bwrap", lambda: None)
    async with sandboxed_core(tmp_path, demo, sandbox="bwrap") as core:
        session = await core.session()
        await core.say(session, "demo:text hi")
        failed = await reached(session, lambda now: now.lifecycle is Lifecycle.FAILED)
        assert "SANDBOX=bwrap demands a sandbox, and none works on this machine" in failed.reason
        assert not list(core.run.glob("*/*/pid"))

"""The sandbox on the real CLI: a cold turn, ten Bash calls and waking, inside against without, in turns.

Everything is judged by CPU time, which other work on the machine moves least: the best of some rounds.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import machine
from backends.base import LaunchSpec
from backends.directory import HostDirectory
from backends.sandbox.model import Access
from backends.sandbox.proxy.hosts import HostList
from backends.sandbox.proxy.inside import model_of
from backends.sandbox.proxy.process import open_door
from backends.sandbox.proxy.state import ProxyPlaces
from bridge.demo.model import DemoModel
from sessions.claude.launch import Fresh
from sessions.claude.sandbox_access import Asked, prepare
from sessions.session import Session
from tests.bench.figures import Figure
from tests.bench.real_cli import PROMPT, in_turns, turn
from tests.fakes.cli_home import CliHome, make_cli_home
from tests.sandbox.world import end_proxy, sandboxed_core, sandboxing_for
from tests.sessions.running_core import RunningCore

CALLS = " ".join(f"demo:bash echo {number}" for number in range(10))
WITHOUT = "without a sandbox"


async def measure(directory: Path, *, short: bool) -> list[Figure]:
    """Ratios of time, and the memory that bubblewrap takes for one process."""
    rounds, cold_rounds = (2, 1) if short else (10, 10)
    async with DemoModel() as demo:
        home = make_cli_home(directory / "cold", demo.base_url)
        bare = Cold(home, directory, "off")
        async with (
            limited(directory / "limited", home) as model,
            limited(directory / "listed", home, "listed") as listed,
        ):
            inside, landlock = Cold(home, directory / "cold", "bwrap"), Cold(home, directory / "ll", "landlock")
            ways: list[Callable[[], Awaitable[float]]] = [lambda: inside.run(PROMPT), lambda: bare.run(PROMPT)]
            ways += [lambda: inside.run(CALLS), lambda: bare.run(CALLS)]
            ways += [lambda: model.run(PROMPT), lambda: listed.run(PROMPT), lambda: landlock.run(PROMPT)]
            cold, cold_bare, calls, calls_bare, *others = await in_turns(ways, cold_rounds)
        woken: dict[str, list[float]] = {}
        async with (
            sandboxed_core(directory / "in", demo) as core_in,
            sandboxed_core(directory / "out", demo, sandbox="off") as core_out,
            sandboxed_core(directory / "model", demo, sandbox_network="model") as core_model,
            sandboxed_core(directory / "hosts", demo, sandbox_network="listed") as core_listed,
        ):
            cores = {"in": core_in, "out": core_out, "model": core_model, "listed": core_listed}
            sessions = {name: await core.session() for name, core in cores.items()}
            for name, core in cores.items():
                await core.ask(sessions[name], PROMPT)
            own_bytes = _own_bytes(core_in, sessions["in"])
            for _ in range(rounds):
                for name, core in cores.items():
                    await sessions[name].park("bench")
                    woken.setdefault(name, []).append(await cpu_of_turn(core, sessions[name]))
    return [
        _figure("CPU time of a cold turn in bubblewrap", cold, cold_bare, 1.10),
        _figure("CPU time of a cold turn with no network but the model", others[0], cold_bare, 1.10),
        _figure("CPU time of a cold turn with listed hosts", others[1], cold_bare, 1.10),
        _figure("CPU time of a cold turn under Landlock", others[2], cold_bare, 1.10),
        _figure("CPU time of ten Bash calls in bubblewrap", calls, calls_bare, 1.05),
        _figure("CPU time of waking in bubblewrap", woken["in"], woken["out"], 1.10),
        _figure("CPU time of waking with no network but the model", woken["model"], woken["out"], 1.10),
        _figure("CPU time of waking with listed hosts", woken["listed"], woken["out"], 1.10),
        Figure("memory of bubblewrap's own processes", own_bytes / 2**20, "MiB", at_most=1.0),
    ]


async def cpu_of_turn(core: RunningCore, session: Session) -> float:
    """Return the CPU seconds of a turn that wakes the session: of this process and of the host's."""
    before = time.process_time()
    await turn(core, session)
    assert session.run is not None
    return time.process_time() - before + session.run.host.usage().cpu_s


def _figure(name: str, ours: list[float], floor: list[float], at_most: float) -> Figure:
    return Figure(name, min(ours) * 1000, "ms", min(floor) * 1000, WITHOUT, at_most=at_most)


def _own_bytes(core: RunningCore, session: Session) -> int:
    pids = HostDirectory(core.run, session.id, session.snapshot.host).pids()
    assert pids is not None
    assert pids.sandbox is not None
    return machine.this().memory_bytes([pids.program.pid, pids.sandbox.pid])


@asynccontextmanager
async def limited(directory: Path, home: CliHome, network: str = "model") -> AsyncIterator["Cold"]:
    """Cold runs with a limited network, through the proxy."""
    made = Cold(home, directory, "bwrap", network=network)
    assert made.policy.proxy is not None
    places = ProxyPlaces(made.policy.proxy)
    await open_door(places, home.work, HostList((), model_of(home.environment)))
    try:
        yield made
    finally:
        end_proxy(places)


class Cold:
    """`claude -p` for one prompt, in the sandbox that the product makes or without."""

    def __init__(self, home: CliHome, directory: Path, mechanism: str, *, network: str = "open") -> None:
        arranged = sandboxing_for(directory, sandbox=mechanism, sandbox_network=network)
        self.policy = arranged.policy
        self._home = home
        self._wrapper = arranged.wrapper
        self._options = arranged.options
        self._run = directory / "run"

    async def run(self, prompt: str) -> float:
        """Return the CPU seconds of one run and of all that it leaves."""
        flags = ("-p", prompt, "--session-id", str(uuid.uuid4()), "--allowedTools", "Bash")
        return await self.cpu_s((str(self._home.binary), *flags))

    async def cpu_s(self, argv: tuple[str, ...]) -> float:
        """Return the CPU seconds of one run of any program and of all that it leaves."""
        spec = self._wrapped(argv)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("cpu_of.py"))),
            # bwrap tells its pid on descriptor 5.
            *("/bin/sh", "-c", 'exec "$@" 5>/dev/null', "sh"),
            *spec.argv,
            cwd=self._home.work,
            env=dict(spec.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return float(said)

    def _wrapped(self, argv: tuple[str, ...]) -> LaunchSpec:
        home = self._home
        access = Access()
        if self._options is not None:
            start = Fresh(str(uuid.uuid4()))
            asked = Asked(command=argv[:1], environment=home.environment, start=start, work_directory=home.work)
            access = prepare(self._options, asked)
        # Not its real place: Landlock's directory for temporary files lies there.
        spec = LaunchSpec("bench", 1, self._run, argv, home.work, home.environment, access=access)
        return spec if self._wrapper is None else self._wrapper(spec)

"""A world to break: a data directory, a scripted Claude, a bot process that can be killed and started again.

`World` owns every process that comes of it. People (`people.py`) reach the bot over its control socket only.
"""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from backends.directory import HostDirectory, HostPids, host_directories
from bridge.control_client import ControlClient, connected
from bridge.control_socket import local_actor
from bridge.wiring import tmux_socket_name
from sessions.errors import CoreLost
from tests.chaos.history import read_history
from tests.chaos.leftovers import processes_of
from tests.chaos.rules import Violation
from tests.fakes.cli_home import install_scripted_cli
from tests.nursery import Program, fork_program

READY_S = 60.0
PROJECT = Path(__file__).parents[2]
BOSS = local_actor()


class World:
    """Everything below `root`; made with `world`."""

    def __init__(self, root: Path, settings: Mapping[str, str]) -> None:
        self.root = root
        self.data = root / "data"
        self.run = self.data / "run"
        self.keep = root / "logs"
        self.home = root / "home"
        # Not in Claude's configuration, which is the project's own in a sandbox.
        self.gates = root / "gates"
        self.pid = 0
        self.up = asyncio.Event()
        self.starts = 0
        self._programs: dict[int, Program] = {}
        for path in (self.keep, self.home, self.gates, root / "workspaces", root / "bin"):
            path.mkdir(parents=True, exist_ok=True)
        claude = install_scripted_cli(root / "bin")
        self.settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TMPDIR": str(root),
            "DATA_DIR": str(self.data),
            "WORKSPACE_ROOT": str(root / "workspaces"),
            **self._sandbox(),
            "CLAUDE_COMMAND": str(claude),
            "BACKEND": "tmux",
            "MAX_SESSIONS": "250",
            "MAX_SESSIONS_PER_USER": "250",
            "MIN_FREE_MEMORY": "0M",
            # Frozen as often as not when something is killed.
            "FREEZE_AFTER": "0.3",
            "MIN_FREE_DISK": "0M",
            "LOG_FORMAT": "json",
            **settings,
        }

    def _sandbox(self) -> dict[str, str]:
        """The sandbox of the environment. The scripted Claude needs Python, modules of ours, and its gates."""
        programs = (self.root / "bin", PROJECT, Path(sys.base_prefix), Path(sys.prefix))
        return {
            "SANDBOX": os.environ.get("SANDBOX", "off"),
            "SANDBOX_READ": shlex.join(map(str, programs)),
            "SANDBOX_WRITE": shlex.quote(str(self.gates)),
            "SANDBOX_TOOLS": "off",
            "SCRIPTED_GATES": str(self.gates),
            "CHILD_ENV": "default SCRIPTED_GATES",
        }

    # --- the bot ----------------------------------------------------------------------------------------

    async def start_bot(
        self, *, crash_at: str = "", wait: bool = True, exec_it: bool = False, **settings: str
    ) -> bool:
        """Start a bot; with `wait` return once it answers (True) or has died before that (False).

        Only one that is to die, by `crash_at` or by a library that it preloads, may be dead: else it is a
        failure. With `exec_it` it is a program that begins anew, as a preloaded library needs.
        """
        environment = {**self.settings, **settings}
        if crash_at:
            environment["CLAUDE_BRIDGE_CRASH_AT"] = crash_at
        self.starts += 1
        program = await fork_program(
            "tests.chaos.bot_process",
            str(self.keep),
            environment=environment,
            cwd=self.root,
            output=self.root / "bot.log",
            exec_it=exec_it,
        )
        self._programs[program.pid] = program
        self.pid = program.pid
        is_up = not wait or await self.ready()
        assert is_up or crash_at or "LD_PRELOAD" in environment, f"the bot died{self.sentences()}"
        return is_up

    async def ready(self) -> bool:
        """Wait until the bot answers (True) or has died (False)."""
        end = self.end()
        async with asyncio.timeout(READY_S):
            while not end.done():
                with suppress(CoreLost):
                    async with connected(self.data):
                        self.up.set()
                        return True
                await asyncio.sleep(0.01)
        return False

    async def until_hit(self, mark: Path) -> None:
        """Wait until a fault has left its mark, or the bot has died."""
        end = self.end()
        async with asyncio.timeout(READY_S):
            while not end.done() and not mark.exists():  # noqa: ASYNC110  files send no event
                await asyncio.sleep(0.01)

    def end(self) -> asyncio.Task[int]:
        """Done once the bot is dead."""
        return self._programs[self.pid].ended

    async def death(self) -> int:
        """Wait until the bot is dead; return how it ended."""
        code = await asyncio.shield(self.end())
        self.up.clear()
        return code

    async def kill_bot(self) -> None:
        """SIGKILL, and wait until it is dead. It is a failure if it had ended by itself."""
        self.up.clear()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        code = await self.death()
        assert code == -signal.SIGKILL, f"the bot ended with {code}\n{self.sentences()}"

    async def stop_bot(self) -> int:
        """SIGTERM, and wait until it has ended; return its exit code."""
        self.up.clear()
        os.kill(self.pid, signal.SIGTERM)
        async with asyncio.timeout(READY_S):
            return await self.death()

    @asynccontextmanager
    async def core(self) -> AsyncIterator[ControlClient]:
        """A connection to the bot that runs."""
        async with connected(self.data) as client:
            yield client

    # --- hosts ------------------------------------------------------------------------------------------

    def living(self) -> list[tuple[HostDirectory, HostPids]]:
        """Every host whose program runs, with who runs it."""
        found = []
        for directory in host_directories(self.run):
            pids = directory.pids()
            if pids is not None and Path(f"/proc/{pids.program.pid}").exists():
                found.append((directory, pids))
        return found

    async def cleared_away(self) -> None:
        """Wait until the bot has removed every host's directory: that comes after the end it tells of."""
        async with asyncio.timeout(READY_S):
            while next(host_directories(self.run), None) is not None:  # noqa: ASYNC110  files send no event
                await asyncio.sleep(0.02)

    def tmux(self, *words: str) -> str:
        """Return the output of a tmux command; empty if it fails."""
        name = tmux_socket_name(self.data)
        return subprocess.run(
            ["tmux", "-L", name, *words], capture_output=True, text=True, check=False
        ).stdout.strip()

    # --- the end ----------------------------------------------------------------------------------------

    async def violations(self, *, at_rest: bool = True) -> list[Violation]:
        """Run the checker in a thread, and return its findings."""
        from tests.chaos.check import violations

        return await asyncio.to_thread(lambda: violations(read_history(self.root), at_rest=at_rest))

    def log(self) -> str:
        """All that the bots logged."""
        log = self.root / "bot.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def sentences(self) -> str:
        """Return the bots' complaints, for the message of a test that failed."""
        lines = self.log().splitlines()
        return "\n".join(["", *(line[:2000] for line in lines if '"level": "info"' not in line)][-20:])

    async def take_down(self) -> None:
        """End every process of this world, whatever state it is in."""
        for _ in range(50):
            left = processes_of(self.root)
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                break
        self.tmux("kill-server")
        sockets = Path(os.environ.get("TMUX_TMPDIR", "/tmp")) / f"tmux-{os.getuid()}"
        (sockets / tmux_socket_name(self.data)).unlink(missing_ok=True)
        await asyncio.gather(*(each.ended for each in self._programs.values()))


@asynccontextmanager
async def world(root: Path, **settings: str) -> AsyncIterator[World]:
    """A world below `root` without a bot yet; removed at the end, unless CHAOS_KEEP says to look into it."""
    root.mkdir(exist_ok=True)
    made = World(root, settings)
    try:
        yield made
    finally:
        await made.take_down()
        if not os.environ.get("CHAOS_KEEP"):
            shutil.rmtree(root, ignore_errors=True)

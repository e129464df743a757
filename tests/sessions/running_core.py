"""The whole core on real parts for one test: SQLite, PTY hosts, the stream driver, the scripted CLI.

`running_core` may be entered again on the same directory, as the next start; whatever still runs when the
outermost block is left is ended.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import api as c
from api.access import Actor, Role
from backends.auto import BackendOptions, Backends, choose_backend
from backends.commands.runner import Commands
from backends.deaths import DeathWatch
from backends.directory import host_directories
from backends.host import program_runs
from backends.stopping import HostTree, kill_now
from backends.wrappers import LaunchWrapper
from bridge.demo.model import DemoModel
from bridge.schema import schema
from service import Budget, ServiceParts, SessionService, WorkflowParts
from sessions.claude.sandbox_access import SandboxOptions
from sessions.claude.stream import StreamDriver, StreamOptions
from sessions.clock import Clock
from sessions.conversations import Conversations
from sessions.dependencies import Patience
from sessions.events import Noticed, Numbered
from sessions.machine_reserve import MachineReserve
from sessions.manager import Policy, SessionManager
from sessions.model import TurnId, TurnStatus
from sessions.prompt_queue import Sender
from sessions.rows import load_turn
from sessions.session import Session
from sessions.session_maker import NewSession
from sessions.state import Snapshot
from sessions.supervision import Vigilance
from sessions.tools import LateToolbox, Toolbox
from storage import Database
from tests.fakes.cli_home import install_scripted_cli, make_cli_home
from tests.fresh_database import lay_out

DEADLINE_S = 60.0
ADMIN = Actor("admin", "test", Role.ADMIN)
MIGRATIONS = schema()


@dataclass(frozen=True, slots=True)
class RunningCore:
    """The parts of a core that runs. `claude` is Claude's configuration directory, `copies` our transcripts."""

    db: Database
    manager: SessionManager
    service: SessionService
    directory: Path
    claude: Path

    @property
    def copies(self) -> Path:
        return self.directory / "transcripts"

    @property
    def run(self) -> Path:
        return self.directory / "run"

    async def session(self, user: str = "ann", channel: str = "c", key: str = "") -> Session:
        return await self.manager.create_session(NewSession(user, channel, key=key))

    async def say(self, session: Session, prompt: str, *, user: str = "ann") -> TurnId:
        """Send a prompt; return its turn at once."""
        number = session.snapshot.next_turn
        placed = await session.send_message(prompt, sender=Sender(user, f"{session.id} {number} {prompt}"))
        return placed.turn_id

    async def ask(self, session: Session, prompt: str, *, user: str = "ann") -> TurnId:
        """Send a prompt and wait until Claude is idle again."""
        turn_id = await self.say(session, prompt, user=user)
        await idle(session)
        return turn_id

    async def do(self, command: c.Command[Any], actor: Actor = ADMIN) -> Any:
        return await self.service.perform(actor, command)

    async def notices(self, session: Session) -> list[str]:
        """Topics of what was noticed, oldest first."""
        rows = await self.db.read(
            "SELECT body ->> 'topic' FROM events WHERE session_id = ? AND kind = 'noticed' ORDER BY number",
            (session.id,),
        )
        return [str(row[0]) for row in rows]

    async def noticed(self, session: Session, topic: str) -> None:
        """Wait for a notice."""
        async with asyncio.timeout(DEADLINE_S):
            async for item in self.manager.bus.follow(session.id, 0):
                if isinstance(item, Numbered) and isinstance(item.event, Noticed) and item.event.topic == topic:
                    return

    async def status(self, turn_id: TurnId) -> TurnStatus:
        return (await load_turn(self.db, turn_id)).status


async def as_admin(user_id: str) -> Actor:
    """Anybody, as an admin: for tests that are not about rights."""
    return Actor(user_id, "test", Role.ADMIN)


@dataclass(frozen=True, slots=True)
class CoreParts:
    """The changes of a test. `command` is the CLI, `claude` its configuration directory."""

    command: Path | None = None
    claude: Path | None = None
    environment: Mapping[str, str] | None = None
    clock: Clock | None = None
    budget: Budget = field(default_factory=Budget)
    secrets: tuple[str, ...] = ()
    wrappers: Sequence[LaunchWrapper] = ()
    sandbox: SandboxOptions | None = None
    person: Callable[[str], Awaitable[Actor]] = as_admin
    tools: Callable[[c.Core], Toolbox] | None = None


def policy(directory: Path, **changes: Any) -> Policy:
    """A policy without waits and limits that no test asked for."""
    facts: dict[str, Any] = {
        "run_directory": directory / "run",
        "workspace_root": directory / "workspaces",
        "resources": MachineReserve(directory),
        "patience": Patience(start_s=30, request_s=30, stop_s=5, idle_s=3600),
        "vigilance": Vigilance(round_s=3600, first_daily_s=3600),
    }
    return Policy(**{**facts, **changes})


@asynccontextmanager
async def running_core(
    directory: Path, parts: CoreParts | None = None, **changes: Any
) -> AsyncIterator[RunningCore]:
    """A core in `directory`; `changes` go to its `Policy`. Hosts end with the block."""
    parts = parts or CoreParts()
    directory.mkdir(exist_ok=True)
    claude = parts.claude or directory / "config"
    command = parts.command or install_scripted_cli(directory)
    child = {"CLAUDE_CONFIG_DIR": str(claude), **(parts.environment or {})}
    backend = _backend(directory, parts.wrappers)
    driver = StreamDriver(
        StreamOptions(
            str(command),
            {"PATH": os.environ["PATH"], "HOME": str(directory)},
            overrides=child,
            sandbox=parts.sandbox,
        )
    )
    conversations = Conversations(child, directory / "transcripts")
    lay_out(directory / "sessions.db")
    async with Database.open(directory / "sessions.db", MIGRATIONS) as db:
        made: dict[str, Any] = {"commands": Commands(directory / "run", parts.wrappers)}
        if parts.tools is not None:
            make = parts.tools
            made["tools"] = LateToolbox(lambda: make(service))
        settings = policy(directory, **{**made, **changes})
        manager = SessionManager(db, backend, driver, conversations, settings, parts.clock)
        try:
            async with manager:
                flows = WorkflowParts(directory, parts.person)
                service = SessionService(ServiceParts(manager, parts.budget, parts.secrets, workflows=flows))
                await manager.initialize()
                await service.open_if_active()
                try:
                    yield RunningCore(db, manager, service, directory, claude)
                finally:
                    await service.close()
        finally:
            await _end_hosts(directory / "run")


@asynccontextmanager
async def real_cli_core(directory: Path, demo: DemoModel, **changes: Any) -> AsyncIterator[RunningCore]:
    """A core whose Claude is the real CLI, asking `demo`; `changes` go to its `Policy`."""
    home = make_cli_home(directory, demo.base_url)
    parts = CoreParts(command=home.binary, claude=home.config, environment=home.environment)
    async with running_core(directory / "core", parts, **changes) as core:
        yield core


async def _end_hosts(run: Path) -> None:
    """Kill what still runs of the hosts below `run`. Their own end is gentler and takes three times the CPU."""
    deaths = DeathWatch()
    for directory in host_directories(run):
        pids = directory.pids()
        if pids is None or program_runs(pids.program, pids.sandbox):
            tree = HostTree(directory)
            async with asyncio.timeout(DEADLINE_S):
                while living := tree.living():
                    await kill_now(living, deaths)
    deaths.close()


def _backend(directory: Path, wrappers: Sequence[LaunchWrapper] = ()) -> Backends:
    options = BackendOptions(
        run=directory / "run", socket_name="not-used", watch=("cat",), environment={}, wrappers=wrappers
    )
    return choose_backend("pty", options, on_fallback=print)


def is_idle(snapshot: Snapshot) -> bool:
    return snapshot.is_idle and not snapshot.queue


async def reached(session: Session, is_so: Callable[[Snapshot], bool]) -> Snapshot:
    """Wait until the session's state is as wished, with a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        return await session.until(is_so)


async def idle(session: Session) -> Snapshot:
    return await reached(session, is_idle)


async def until(claim: Callable[[], bool]) -> None:
    """Wait for what tells nobody when it comes, such as a file."""
    async with asyncio.timeout(DEADLINE_S):
        while not claim():  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0.01)
